"""Trajectories of thinking to go on from: a ring buffer that stays on the devices."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax.sharding import Mesh, NamedSharding

from reasoning_jax.models.energy.loss import EnergyBatch
from reasoning_jax.parallel import partition, replicated


@struct.dataclass
class Replay:
    """R rows of tokens with the candidates that thinking had arrived at (arXiv:2507.02092).

    Attributes:
      tokens, targets, segment_ids: [R, T] int32, as in EnergyBatch.
      mask: [R, T] targets that count; False all along where nothing is stored yet.
      candidates: [R, T, V] bfloat16 logits.
      pushed: rows that were stored so far.
    """

    tokens: jax.Array
    targets: jax.Array
    segment_ids: jax.Array
    mask: jax.Array
    candidates: jax.Array
    pushed: jax.Array


def abstract_replay(entries: int, length: int, vocab_size: int) -> Replay:
    """Shapes and dtypes of a buffer of so many rows."""
    ids = jax.ShapeDtypeStruct((entries, length), jnp.int32)
    return Replay(
        tokens=ids,
        targets=ids,
        segment_ids=ids,
        mask=jax.ShapeDtypeStruct((entries, length), jnp.bool_),
        candidates=jax.ShapeDtypeStruct((entries, length, vocab_size), jnp.bfloat16),
        pushed=jax.ShapeDtypeStruct((), jnp.int32),
    )


def replay_shardings(abstract: Replay, mesh: Mesh) -> Replay:
    """NamedSharding of every array: rows over the batch axes, candidates over the vocabulary."""

    def sharding(leaf: Any) -> NamedSharding:
        axes = ("batch", None, "vocab")[: len(leaf.shape)]
        return partition(mesh, axes, leaf.shape) if leaf.shape else replicated(mesh)

    return jax.tree.map(sharding, abstract)


def push(replay: Replay, batch: EnergyBatch, candidates: jax.Array) -> Replay:
    """Stores B <= R rows over the oldest ones; what counts of them is where a weight is not 0."""
    entries, rows = replay.mask.shape[0], batch.tokens.shape[0]
    at = (replay.pushed + jnp.arange(rows)) % entries
    mask = batch.weights > 0
    segments = jnp.ones_like(batch.tokens) if batch.segment_ids is None else batch.segment_ids
    return Replay(
        tokens=replay.tokens.at[at].set(batch.tokens),
        targets=replay.targets.at[at].set(batch.targets),
        segment_ids=replay.segment_ids.at[at].set(segments),
        mask=replay.mask.at[at].set(mask),
        candidates=replay.candidates.at[at].set(candidates.astype(jnp.bfloat16)),
        pushed=replay.pushed + rows,
    )


def draw_replay(replay: Replay, key: jax.Array, rows: int) -> Replay:
    """``rows`` of what is stored, each drawn alone; ``pushed`` is unchanged."""
    stored = jnp.clip(replay.pushed, 1, replay.mask.shape[0])
    at = jax.random.randint(key, (rows,), 0, stored)
    drawn = jax.tree.map(lambda x: x[at], replay.replace(pushed=at))
    return drawn.replace(pushed=replay.pushed)
