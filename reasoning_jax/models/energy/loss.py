"""Cross-entropy of what thinking arrives at, and ways to its gradient.

Each loss is (model, params, batch, start, thinking) -> (scalar, EnergyRows), to be given to
``jax.value_and_grad``:

                 gradient                                  cost of a step   tapes that live
loss_autodiff    of each step on its own                   6F               of all steps (*)
loss_two_phase   the same, no reverse over reverse         8F               of one step
loss_truncated   of the last step alone                    2F, the last 6F  of one step
loss_unrolled    through all steps, Hessians multiplied    6F               of all steps (*)
loss_with_draft  loss_autodiff's and a language model's    6F               of all steps (*)

(*) of one where the decoder has ``remat``, which computes more again

F is one forward pass of candidates. The context costs 3F once.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from reasoning_jax.models.energy.model import EnergyModel
from reasoning_jax.models.energy.streams import EnergyContext, encode
from reasoning_jax.models.energy.thinking import (
    Start,
    Step,
    Thinking,
    descend,
)
from reasoning_jax.models.logprobs import score_logits


@struct.dataclass
class EnergyBatch:
    """Rows of tokens to predict; what padding holds does not matter.

    Attributes:
      tokens: [B, T] ids that are given.
      targets: [B, T] ids that follow them.
      weights: [B, T] share of each target in the loss, 0 where there is none.
      segment_ids: [B, T], 0 in padding; None where rows are whole.
    """

    tokens: jax.Array
    targets: jax.Array
    weights: jax.Array
    segment_ids: jax.Array | None = None


class EnergyRows(NamedTuple):
    """What each row leaves to report, nothing of it to be differentiated.

    The first four are sums over the tokens of a row times their weights, [B, steps], 0 for steps
    that it does not take.

    Attributes:
      nll: negative log-likelihood of the targets, nats, after each step.
      energy: before each step.
      slope: norm of dE/dy before each step.
      weight: one for every token.
      candidates: [B, T, V] after the last step, 0 where the weight of a token is 0.
    """

    nll: jax.Array
    energy: jax.Array
    slope: jax.Array
    weight: jax.Array
    candidates: jax.Array


def loss_autodiff(
    model: EnergyModel, params: dict, batch: EnergyBatch, start: Start, thinking: Thinking
) -> tuple[jax.Array, EnergyRows]:
    """Mean over the steps of a row of its cross-entropy; no gradient passes between steps.

    Each step is differentiated by itself: d/dtheta of CE(stop(y) - size dE/dy), one mixed
    second derivative (arXiv:2507.02092, the system S1).
    """
    return _mean_over_steps(model, params, batch, start, thinking, jax.lax.stop_gradient)


def loss_unrolled(
    model: EnergyModel, params: dict, batch: EnergyBatch, start: Start, thinking: Thinking
) -> tuple[jax.Array, EnergyRows]:
    """As ``loss_autodiff``, but the gradient passes through all steps before.

    It multiplies Hessians: large step sizes and many steps make it large beyond use.
    """
    return _mean_over_steps(model, params, batch, start, thinking, lambda candidates: candidates)


def loss_truncated(
    model: EnergyModel, params: dict, batch: EnergyBatch, start: Start, thinking: Thinking
) -> tuple[jax.Array, EnergyRows]:
    """Cross-entropy after the last step of each row, differentiated through that step alone.

    The steps before run outside of differentiation (arXiv:2507.02092, the system S2).
    """
    context = encode(model, params, batch.tokens, batch.segment_ids)
    constant, fixed = jax.lax.stop_gradient((params, context))
    before_last = start._replace(n_steps=start.n_steps - 1)

    def refine(candidates: jax.Array, t: jax.Array):
        steps_B = jnp.full_like(start.n_steps, t)
        step, _, rows = _step(
            model, constant, batch, fixed, candidates, steps_B, before_last, thinking
        )
        return step.candidates, rows

    steps = jnp.arange(thinking.steps - 1)
    candidates, rows = jax.lax.scan(refine, start.candidates, steps, unroll=thinking.unroll)
    candidates = jax.lax.stop_gradient(candidates)
    last_B = before_last.n_steps
    step, nll_B, last = _step(model, params, batch, context, candidates, last_B, start, thinking)
    is_last = jnp.arange(thinking.steps)[:, None] == last_B

    def insert(before_SxB: jax.Array, at_last_B: jax.Array) -> jax.Array:
        return jnp.where(is_last, at_last_B, jnp.pad(before_SxB, ((0, 1), (0, 0))))

    sums = jax.tree.map(insert, rows, last)
    return jnp.sum(nll_B), energy_rows(sums, step.candidates, batch)


def loss_with_draft(
    model: EnergyModel,
    params: dict,
    batch: EnergyBatch,
    start: Start,
    thinking: Thinking,
    *,
    coef: float = 1.0,
) -> tuple[jax.Array, EnergyRows]:
    """``loss_autodiff`` and ``coef`` times the cross-entropy of the decoder as a language model.

    The draft that thinking begins with is learned along with what refines it.
    """
    value, rows = loss_autodiff(model, params, batch, start, thinking)
    decoder = {"params": params["decoder"]}
    logits = model.decoder.apply(decoder, batch.tokens, None, batch.segment_ids)
    return value + coef * jnp.sum(nll(logits.astype(jnp.float32), batch)), rows


def _mean_over_steps(
    model: EnergyModel,
    params: dict,
    batch: EnergyBatch,
    start: Start,
    thinking: Thinking,
    between: Callable[[jax.Array], jax.Array],
) -> tuple[jax.Array, EnergyRows]:
    """The loss; ``between`` takes the candidates from one step to the next."""
    context = encode(model, params, batch.tokens, batch.segment_ids)

    def refine(candidates: jax.Array, xs):
        t, weight_B = xs
        steps_B = jnp.full_like(start.n_steps, t)
        step, nll_B, rows = _step(
            model, params, batch, context, candidates, steps_B, start, thinking
        )
        return between(step.candidates), (weight_B @ nll_B, rows)

    if model.decoder.remat:
        refine = jax.checkpoint(refine, prevent_cse=False)
    steps = (jnp.arange(thinking.steps), step_weights(start, thinking))
    candidates, (values, sums) = jax.lax.scan(
        refine, start.candidates, steps, unroll=thinking.unroll
    )
    return jnp.sum(values), energy_rows(sums, candidates, batch)


def _step(
    model: EnergyModel,
    params: dict,
    batch: EnergyBatch,
    context: EnergyContext,
    candidates: jax.Array,
    steps_B: jax.Array,
    start: Start,
    thinking: Thinking,
) -> tuple[Step, jax.Array, EnergyRows]:
    """A step, the weighted negative log-likelihood [B] after it, and the sums to report of it."""
    step = descend(model, params, context, candidates, steps_B, start, thinking)
    nll_B = nll(step.candidates, batch)
    return step, nll_B, step_sums(nll_B, step.energies, step.slope, batch, steps_B < start.n_steps)


def step_weights(start: Start, thinking: Thinking) -> jax.Array:
    """[steps, B] share of each step in the mean over the steps of its row."""
    taken = jnp.arange(thinking.steps)[:, None] < start.n_steps
    return taken / jnp.maximum(start.n_steps, 1).astype(jnp.float32)


def nll(candidates: jax.Array, batch: EnergyBatch) -> jax.Array:
    """[B] weighted negative log-likelihood of the targets."""
    counts = batch.weights > 0
    logits = jnp.where(counts[:, :, None], candidates, 0)
    targets = jnp.where(counts, batch.targets, 0)
    return weighted(-score_logits(logits, targets).logprobs, batch.weights)


def weighted(values: jax.Array, weights: jax.Array) -> jax.Array:
    """[B, T] -> [B]; what stands where the weight is 0 does not matter."""
    return jnp.sum(jnp.where(weights > 0, values, 0) * weights, axis=1)


def step_sums(
    nll_B: jax.Array, energies: jax.Array, slope: jax.Array, batch: EnergyBatch, moving_B: jax.Array
) -> tuple[jax.Array, ...]:
    """The sums [B] of ``EnergyRows`` of one step; 0 for rows that do not move."""
    weights = batch.weights
    ones = jnp.ones_like(weights)
    sums = (nll_B, *(weighted(values, weights) for values in (energies, slope, ones)))
    return tuple(jnp.where(moving_B, jax.lax.stop_gradient(x), 0) for x in sums)


def energy_rows(
    sums: tuple[jax.Array, ...], candidates: jax.Array, batch: EnergyBatch
) -> EnergyRows:
    """EnergyRows from the sums [steps, B] of all steps and the last candidates."""
    counts = (batch.weights > 0)[:, :, None]
    candidates = jnp.where(counts, jax.lax.stop_gradient(candidates), 0)
    return EnergyRows(*(x.T for x in sums), candidates)
