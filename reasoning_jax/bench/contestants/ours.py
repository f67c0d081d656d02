"""This package: `Sampler`, and the updates that its stages compose."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from reasoning_jax import __version__
from reasoning_jax.bench.child import Done
from reasoning_jax.bench.contestants.rl_steps import build_rl_step
from reasoning_jax.bench.contestants.updates import build_update
from reasoning_jax.bench.tokenizer import IdTokenizer
from reasoning_jax.bench.works import Work, limits, prompts, read
from reasoning_jax.models import load_hf
from reasoning_jax.parallel import make_mesh
from reasoning_jax.sampling import Row, Sampler, SamplingParams


def prepare(work: dict[str, Any]) -> tuple[Callable[[], Done], dict[str, Any]]:
    """Sets a `Work` up; see `bench.child`."""
    task = read(work)
    if task.task in _SAMPLING:
        run = _SAMPLING[task.task](task)
    elif task.task == "rl_step":
        run = build_rl_step(task)
    else:
        run = build_update(task, *_model(task.folder))
    device = jax.devices()[0]
    about = {
        "versions": {"reasoning_jax": __version__, "jax": jax.__version__},
        "device": f"{len(jax.devices())} x {device.platform} {device.device_kind}",
    }
    return run, about


@functools.cache
def _model(folder: str):
    mesh = make_mesh()
    config, params = load_hf(folder, mesh, jnp.float32)
    return config, params, mesh


def _sampler(work: Work) -> Sampler:
    config, params, mesh = _model(work.folder)
    dtype = jnp.dtype(work.dtype)
    return Sampler(
        config,
        jax.tree.map(lambda x: x.astype(dtype), params),
        IdTokenizer(config.vocab_size),
        mesh=mesh,
        max_rows=work.slots or work.rows,
        dtype=dtype,
    )


def _sampling(work: Work, **changes: int) -> SamplingParams:
    rule = {"temperature": work.temperature, "top_k": work.top_k, "top_p": work.top_p}
    return SamplingParams(**{"max_tokens": work.response, **rule, **changes})


def _sample(work: Work) -> Callable[[], Done]:
    """All rows of full length; the samples of a prompt together, or each a request of its own."""
    sampler, group = _sampler(work), work.group
    rows = prompts(work, sampler.tokenizer.vocab_size)
    if not work.shared:
        rows, group = [row for row in rows for _ in range(group)], 1
    sampling = _sampling(work, n=group)

    def run() -> Done:
        outs = [out for samples in sampler.generate(rows, sampling) for out in samples]
        check = sum(sum(out.tokens) for out in outs) if work.temperature == 0 else None
        return Done(sum(len(out.tokens) for out in outs), check)

    return run


def _stream(work: Work) -> Callable[[], Done]:
    """Rows of geometric lengths through ``slots`` that are filled again."""
    sampler, sampling = _sampler(work), _sampling(work)
    ids = prompts(work, sampler.tokenizer.vocab_size)
    rows = [
        Row(tuple(row), number, sample=0, step=0, limit=limit)
        for number, (row, limit) in enumerate(zip(ids, limits(work)))
    ]

    def run() -> Done:
        slots = sampler.slots(work.slots)
        slots.add([sampler.task(row, sampling) for row in rows])
        return Done(sum(len(task.completion().tokens) for task in slots.run()))

    return run


def _fixed(work: Work) -> Callable[[], Done]:
    """The rows of `_stream` in batches of ``slots`` that run until their longest row has ended.

    All batches take the mean of those lengths, one program, and count the tokens that `_stream`
    does.
    """
    sampler, lengths = _sampler(work), limits(work)
    rows = prompts(work, sampler.tokenizer.vocab_size)
    starts = range(0, len(rows), work.slots)
    longest = [max(lengths[start : start + work.slots]) for start in starts]
    sampling = _sampling(work, max_tokens=sum(longest) // len(longest))

    def run() -> Done:
        for start in starts:
            sampler.generate(rows[start : start + work.slots], sampling)
        return Done(sum(lengths))

    return run


_SAMPLING = {"sample": _sample, "stream": _stream, "fixed": _fixed}
