"""The machine's roofline: a large matrix product and a large read, in XLA, on one device."""

import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from reasoning_jax.bench.child import Done

REPEATS = 5


def prepare(work: dict[str, Any]) -> tuple[Callable[[], Done], dict[str, Any]]:
    """``work`` has ``matrix`` (side), ``stream`` (numbers) and ``dtype``; see `bench.child`.

    A run gives FLOP/s and bytes/s of the best of a few repeats as ``extra``.
    """
    side, count, dtype = work["matrix"], work["stream"], jnp.dtype(work["dtype"])
    a, b = (jax.random.normal(jax.random.key(i), (side, side), dtype) for i in range(2))
    x = jnp.ones(count, jnp.float32)
    multiply = jax.jit(jnp.matmul)
    add_up = jax.jit(jnp.sum)

    def run() -> Done:
        flops = 2 * side**3 / _best(functools.partial(multiply, a, b))
        read = 4 * count / _best(functools.partial(add_up, x))
        return Done(0, extra={"flops": flops, "bandwidth": read})

    device = jax.devices()[0]
    return run, {"device": f"{device.platform} {device.device_kind}"}


def _best(call: Callable[[], jax.Array]) -> float:
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - begin)
    return min(times)
