"""Small updates of a large array in a loop: they must cost what they write, not what they keep."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from reasoning_jax.bench.child import Done


def prepare(work: dict[str, Any]) -> tuple[Callable[[], Done], dict[str, Any]]:
    """``work`` has ``steps``: one number is written a step, into an array of so many."""
    steps = work["steps"]

    @functools.partial(jax.jit, donate_argnums=0)
    def fill(x: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, steps, lambda i, x: x.at[i].set(i.astype(x.dtype)), x)

    def run() -> Done:
        jax.block_until_ready(fill(jnp.zeros(steps, jnp.float32)))
        return Done(steps)

    return run, {"device": str(jax.devices()[0])}
