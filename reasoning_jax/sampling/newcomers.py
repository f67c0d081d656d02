"""Rows on their way to the devices: packed on the host into two arrays, unpacked there."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from reasoning_jax.sampling.choose import Wishes
from reasoning_jax.sampling.state import Rows
from reasoning_jax.sampling.task import Task

ENDS = 32
"""Most ids that end a row without a look at its text."""

_INTEGERS = (
    "slot",
    "source",
    "seed",
    "prompt_id",
    "sample",
    "token",
    "length",
    "step",
    "left",
    "greedy",
    "top_k",
)


def pack(
    entries: Sequence[Sequence[tuple[int, int, Task]]], size: int, no_slot: int
) -> tuple[np.ndarray, np.ndarray]:
    """[W * size, 11 + E] int32 and [W * size, 2] float32 of new rows.

    Args:
      entries: for each of W devices (slot, row of the saved caches, task), at most ``size``.
      no_slot: slot of those that are missing.
    """
    integers = np.zeros((len(entries), size, len(_INTEGERS) + ENDS), np.uint32)
    integers[:, :, 0] = no_slot
    floats = np.ones((len(entries), size, 2), np.float32)
    for way, of_device in enumerate(entries):
        for i, (slot, source, task) in enumerate(of_device):
            row, sampling = task.row, task.sampling
            values = (
                slot,
                source,
                sampling.seed,
                row.prompt_id,
                row.sample,
                row.tokens[-1],
                len(row.tokens) - 1,
                row.step,
                row.limit,
                sampling.temperature == 0,
                sampling.top_k,
                *task.ends,
                *(-1,) * (ENDS - len(task.ends)),
            )
            integers[way, i] = [value & 0xFFFFFFFF for value in values]
            floats[way, i] = sampling.temperature or 1.0, sampling.top_p
    rows = len(entries) * size
    return integers.reshape(rows, -1).view(np.int32), floats.reshape(rows, 2)


def unpack(integers: jax.Array, floats: jax.Array) -> tuple[Rows, jax.Array, jax.Array]:
    """The rows [G], and the slot and the source of each."""
    field = {name: integers[:, i] for i, name in enumerate(_INTEGERS)}

    def key(seed, prompt_id, sample):
        seed, prompt_id = (jax.lax.bitcast_convert_type(x, jnp.uint32) for x in (seed, prompt_id))
        folded = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), prompt_id), sample)
        return jax.random.key_data(folded)

    rows = Rows(
        keys=jax.vmap(key)(field["seed"], field["prompt_id"], field["sample"]),
        tokens=field["token"],
        lengths=field["length"],
        steps=field["step"],
        left=field["left"],
        idle=jnp.zeros_like(field["left"]),
        finished=field["left"] == 0,
        ends=integers[:, len(_INTEGERS) :],
        wishes=Wishes(floats[:, 0], field["greedy"] == 1, field["top_k"], floats[:, 1]),
    )
    return rows, field["slot"], field["source"]
