"""What thinking does to the loss, step by step, and how starts compare with each other."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from reasoning_jax.models.energy.loss import EnergyBatch
from reasoning_jax.models.energy.model import EnergyModel
from reasoning_jax.models.energy.streams import candidate_energy, encode
from reasoning_jax.models.energy.thinking import Start, Thinking, begin, descend, draw_start
from reasoning_jax.models.logprobs import score_logits


class Curve(NamedTuple):
    """Of each token, along steps of thinking; 0 where a token does not count.

    Attributes:
      nll: [steps + 1, B, T] negative log-likelihood of the targets, nats, before each step and
        at the end.
      energy: [steps + 1, B, T] of the candidates.
      start: [B, T, V] logits that thinking began with.
      candidates: [B, T, V] logits after ``keep`` steps.
    """

    nll: jax.Array
    energy: jax.Array
    start: jax.Array
    candidates: jax.Array


def thinking_curve(
    model: EnergyModel,
    params: dict,
    batch: EnergyBatch,
    keys_B: jax.Array,
    thinking: Thinking,
    keep: int,
    size_scale: float = 1.0,
) -> Curve:
    """Thinks ``thinking.steps`` steps from a start drawn by ``keys_B``.

    Args:
      keep: after how many steps the candidates are handed out.
      size_scale: multiplies the step size.
    """
    context = encode(model, params, batch.tokens, batch.segment_ids)
    start = draw_start(model, thinking, keys_B, batch.tokens.shape[1])
    start = begin(model, params, batch.tokens, batch.segment_ids, start, thinking)
    start = start._replace(
        n_steps=jnp.full_like(start.n_steps, thinking.steps),
        step_scales=size_scale * start.step_scales,
    )

    def measure(candidates: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        energies = candidate_energy(model, params, context, candidates, steps_at(start, t))
        return _nll(candidates, batch), jnp.where(batch.weights > 0, energies, 0)

    def refine(carry, t: jax.Array):
        candidates, kept = carry
        kept = jnp.where(t == keep, candidates, kept)
        step = descend(model, params, context, candidates, steps_at(start, t), start, thinking)
        energies = jnp.where(batch.weights > 0, step.energies, 0)
        return (step.candidates, kept), (_nll(candidates, batch), energies)

    (end, kept), (nll, energy) = jax.lax.scan(
        refine, (start.candidates, start.candidates), jnp.arange(thinking.steps)
    )
    kept = jnp.where(keep == thinking.steps, end, kept)
    last_nll, last_energy = measure(end, jnp.int32(thinking.steps - 1))
    return Curve(
        jnp.concatenate([nll, last_nll[None]]),
        jnp.concatenate([energy, last_energy[None]]),
        start.candidates,
        kept,
    )


def steps_at(start: Start, t: jax.Array) -> jax.Array:
    """[B] the same step for every row."""
    return jnp.full_like(start.n_steps, t)


class Choice(NamedTuple):
    """Sums over the tokens of a batch times their weights, of M starts.

    Attributes:
      nll: [steps + 1] after each number of steps, in the mean over the starts.
      energy: [steps + 1] likewise.
      best: nll of the candidate of least energy, after ``keep`` steps.
      mean: nll of the mean of the M logits: the control of ``best``.
      change: nll of the change that thinking made, the start subtracted.
      moments: [5] of e the energy and l the nll after ``keep`` steps of the first start:
        e, l, e², l², e l.
    """

    nll: jax.Array
    energy: jax.Array
    best: jax.Array
    mean: jax.Array
    change: jax.Array
    moments: jax.Array


def choose_among_starts(
    model: EnergyModel,
    params: dict,
    batch: EnergyBatch,
    keys_B: jax.Array,
    thinking: Thinking,
    keep: int,
    starts: int,
    size_scale: float = 1.0,
) -> Choice:
    """Thinks from M starts and compares choosing by energy with averaging."""

    def of_start(carry, m: jax.Array):
        total, best_energy, best_nll = carry
        keys = jax.vmap(jax.random.fold_in, (0, None))(keys_B, m)
        curve = thinking_curve(model, params, batch, keys, thinking, keep, size_scale)
        better = curve.energy[keep] < best_energy
        best_energy = jnp.where(better, curve.energy[keep], best_energy)
        best_nll = jnp.where(better, curve.nll[keep], best_nll)
        outside = curve.start == -jnp.inf  # of the support, and stays there
        change = _nll(
            jnp.where(outside, -jnp.inf, curve.candidates - jnp.where(outside, 0, curve.start)),
            batch,
        )
        e, l = curve.energy[keep], curve.nll[keep]
        moments = jnp.stack([e, l, e * e, l * l, e * l])
        out = (curve.nll, curve.energy, change, moments)
        return (total + curve.candidates, best_energy, best_nll), jax.tree.map(weigh, out)

    def weigh(x: jax.Array) -> jax.Array:
        """[..., B, T] -> [...]."""
        return jnp.sum(jnp.where(batch.weights > 0, x, 0) * batch.weights, axis=(-2, -1))

    shape = batch.tokens.shape
    first = (
        jnp.zeros((*shape, model.decoder.config.vocab_size), jnp.float32),
        jnp.full(shape, jnp.inf, jnp.float32),
        jnp.zeros(shape, jnp.float32),
    )
    (total, _, best_nll), (nll, energy, change, moments) = jax.lax.scan(
        of_start, first, jnp.arange(starts)
    )
    return Choice(
        nll.mean(axis=0),
        energy.mean(axis=0),
        weigh(best_nll),
        weigh(_nll(total / starts, batch)),
        change.mean(),
        moments[0],
    )


def _nll(candidates: jax.Array, batch: EnergyBatch) -> jax.Array:
    """[B, T]; 0 where the weight is 0."""
    counts = batch.weights > 0
    logits = jnp.where(counts[:, :, None], candidates, 0)
    scores = score_logits(logits, jnp.where(counts, batch.targets, 0))
    return jnp.where(counts, -scores.logprobs, 0)
