"""How an energy model is measured on held-out text: its thinking curve and its choices."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from reasoning_jax.evals.run import Evaluation
from reasoning_jax.models.energy import (
    Choice,
    EnergyBatch,
    EnergyModel,
    Thinking,
    choose_among_starts,
)
from reasoning_jax.parallel import put_batch, to_host
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.pretrain_text import floor_of, in_chunks, validation_rows
from reasoning_jax.stages.stage import Stage
from reasoning_jax.text.packing import PackedRows


def evaluation_of_energy_block() -> ConfigDict:
    """How thinking is measured."""
    return ConfigDict(
        {
            "steps": 8,  # thoughts of the curve, trained ones and beyond
            "starts": 4,  # M, of which that of least energy is chosen, or all are averaged
            "seed": 0,  # of the starts, the same at every evaluation
        }
    )


def energy_measure(stage: Stage, thinking: Thinking) -> Callable[[dict], Evaluation]:
    """Parameters -> Evaluation on the held-out text of the stage's block.

    ``eval/nll`` is in the mean over starts, after as many thoughts as training takes at most;
    ``eval/best_of_M`` chooses of M starts by energy, ``eval/mean_of_M`` averages their logits,
    which a choice must beat to be worth anything. ``eval/change`` is the loss without the
    logits that thinking began with, ``eval/correlation`` that of energy and loss over tokens.
    ``think/nll_t`` and ``think/energy_t`` are those after t thoughts.
    """
    context, block = stage.context, stage.config
    settings = block.evaluation
    held_out = validation_rows(context, block)
    floor, m, keep = floor_of(context), settings.starts, thinking.steps
    # As training thinks, but with nothing random except the start.
    calm = dataclasses.replace(
        thinking, steps=settings.steps, min_steps=None, step_size_spread=1.0, langevin=0.0
    )
    choice_of = held_out_choice(context, held_out, block.rows, calm, keep, m, settings.seed)

    def measure(params: dict) -> Evaluation:
        mean = choice_of(params)
        metrics = {"eval/nll": float(mean.nll[keep])}
        if floor is not None:
            metrics["eval/regret"] = metrics["eval/nll"] - floor
        metrics[f"eval/best_of_{m}"] = float(mean.best)
        metrics[f"eval/mean_of_{m}"] = float(mean.mean)
        metrics["eval/change"] = float(mean.change)
        metrics["eval/correlation"] = correlation(mean.moments)
        for t in range(settings.steps + 1):
            metrics[f"think/nll_{t}"] = float(mean.nll[t])
            metrics[f"think/energy_{t}"] = float(mean.energy[t])
        return Evaluation(metrics, [])

    return measure


def held_out_choice(
    context: Context,
    rows: PackedRows,
    size: int,
    thinking: Thinking,
    keep: int,
    starts: int,
    seed: int,
    size_scale: float = 1.0,
) -> Callable[[dict], Choice]:
    """Parameters -> Choice of NumPy arrays, means over the tokens of ``rows``.

    Args:
      size: rows at once.
      keep, starts, size_scale: as in ``choose_among_starts``.
      seed: of the starts; of a row they depend on its place in ``rows`` alone.
    """
    tokens = int(rows.loss_mask.sum())
    model = context.energy

    def measure(params: dict) -> Choice:
        total = None
        for first, part in zip(range(0, len(rows.tokens), size), in_chunks(rows, size)):
            mask = part.loss_mask[:, 1:].astype(np.float32)
            batch = EnergyBatch(
                part.tokens[:, :-1], part.tokens[:, 1:], mask, part.segment_ids[:, :-1]
            )
            numbers = np.arange(first, first + size, dtype=np.int32)
            placed = put_batch((batch, numbers), context.mesh)
            sums = _of_part(
                model, thinking, starts, params, *placed, seed, jnp.int32(keep), size_scale
            )
            # Fetched one by one: on CPUs programs of several devices that overlap can wait for
            # each other's threads forever.
            sums = jax.tree.map(np.float64, to_host(sums))
            total = sums if total is None else jax.tree.map(np.add, total, sums)
        return jax.tree.map(lambda x: x / tokens, total)

    return measure


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _of_part(
    model: EnergyModel,
    thinking: Thinking,
    starts: int,
    params: dict,
    batch: EnergyBatch,
    numbers: jax.Array,
    seed: jax.Array,
    keep: jax.Array,
    size_scale: jax.Array,
) -> Choice:
    """Sums of a part of the rows; one program for every seed, step size and ``keep``."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), numbers)
    return choose_among_starts(model, params, batch, keys, thinking, keep, starts, size_scale)


def correlation(moments: np.ndarray) -> float:
    """Pearson's, from the means of x, y, x², y², x y; 0 where one of them does not vary."""
    x, y, xx, yy, xy = moments
    spread = max(xx - x * x, 0) * max(yy - y * y, 0)
    return float((xy - x * y) / spread**0.5) if spread > 0 else 0.0
