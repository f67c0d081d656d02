"""One update of this package, composed of the functions that its stages compose."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from reasoning_jax.bench import works
from reasoning_jax.bench.child import Done
from reasoning_jax.bench.works import Work
from reasoning_jax.models import (
    ModelConfig,
    TokenScores,
    Transformer,
    token_logprobs,
    token_logprobs_and_balance,
)
from reasoning_jax.models.attention.support import platform
from reasoning_jax.models.transformer import suited_unroll
from reasoning_jax.parallel import put_batch
from reasoning_jax.preference import (
    PairBatch,
    pair_logprobs,
    pair_losses,
    pair_mean,
    pair_scalars,
    response_logprobs,
)
from reasoning_jax.rl import k3, policy_losses, policy_scalars, token_mean, weighted_sum
from reasoning_jax.rl.objective import Objective, PolicyBatch
from reasoning_jax.training.optimizers import adamw
from reasoning_jax.training.schedules import constant
from reasoning_jax.training.state import create_state
from reasoning_jax.training.step import make_update
from reasoning_jax.training.trainable import all_parameters
from reasoning_jax.types import Rollouts


def build_update(work: Work, config: ModelConfig, params: dict, mesh: Mesh) -> Callable[[], Done]:
    """A function that makes one update on the same batch each time, from a copy of ``params``."""
    options = {"unroll": unrolled(config, mesh), "attention": "auto", **work.options}
    micro_batches = options.pop("micro_batches", 1)
    model = Transformer(config, mesh, jnp.dtype(work.dtype), **options)
    trainable = all_parameters(config, mesh)
    optimizer = adamw(
        constant(works.LEARNING_RATE),
        b1=works.B1,
        b2=works.B2,
        eps=works.EPS,
        clip_norm=works.CLIP_NORM,
    )
    tokens = np.asarray(works.update_rows(work, config.vocab_size), np.int32)
    make = {"grpo": _grpo, "dpo": _dpo, "sft": _sft}[work.task]
    batch, functions = make(work, model, params, tokens, mesh)
    update = make_update(trainable, optimizer, **functions, micro_batches=micro_batches)
    # The update takes its state away: the parameters stay for other works.
    state = create_state(trainable, jax.tree.map(jnp.copy, params), optimizer)

    def run() -> Done:
        nonlocal state
        for _ in range(work.rounds):
            state, metrics = update(state, put_batch(batch, mesh))
        return Done(tokens.size * work.rounds, float(jax.device_get(metrics["grad_norm"])))

    return run


def unrolled(config: ModelConfig, mesh: Mesh | None = None) -> int:
    """Layers per iteration of the scan: all of them on CPUs too, as the recipes have it."""
    return config.n_layers if platform(mesh) == "cpu" else suited_unroll(config, mesh)


def _rollouts(work: Work, tokens: np.ndarray) -> Rollouts:
    """Rows whose responses are all full and all count."""
    rows, length = tokens.shape
    mask = np.broadcast_to(np.arange(length) >= work.prompt, tokens.shape)
    return Rollouts(
        tokens=tokens,
        lengths=np.full(rows, length, np.int32),
        mask=np.ascontiguousarray(mask),
        row_mask=np.ones(rows, bool),
        group_ids=(np.arange(rows) // work.group).astype(np.int32),
        rewards=np.zeros(rows, np.float32),
        correct=np.zeros(rows, np.int8),
        finished=np.ones(rows, bool),
        sampler_logprobs=np.zeros(tokens.shape, np.float32),
    )


def _within(rollouts: Rollouts) -> jax.Array:
    columns = jnp.arange(rollouts.tokens.shape[1])
    return (columns < rollouts.lengths[:, None]) & rollouts.row_mask[:, None]


def _grpo(work: Work, model: Transformer, params: dict, tokens: np.ndarray, mesh: Mesh):
    """One strictly on-policy update of clipped ratios, as `stages.rl` composes it."""
    objective = Objective(
        functools.partial(policy_losses.clip, low=works.CLIP, high=works.CLIP), k3
    )
    advantages = np.asarray(works.advantages(work), np.float32)[:, None]
    batch = PolicyBatch(
        _rollouts(work, tokens),
        np.ascontiguousarray(np.broadcast_to(advantages, tokens.shape)),
        weights=None,
    )

    def prepare(batch: PolicyBatch) -> PolicyBatch:
        shares = jnp.sum(token_mean(_within(batch.rollouts)), axis=1)
        return batch.replace(weights=token_mean(batch.rollouts.loss_mask), shares=shares)

    def loss(params: dict, batch: PolicyBatch) -> tuple[jax.Array, TokenScores]:
        rollouts = batch.rollouts
        scores, _ = token_logprobs_and_balance(
            model, params, rollouts.tokens, _within(rollouts), scored=rollouts.mask
        )
        return objective(scores.logprobs, scores.entropy, batch), scores

    def report(batch: PolicyBatch, scores: TokenScores) -> dict[str, jax.Array]:
        rollouts, weights = batch.rollouts, token_mean(batch.rollouts.loss_mask)
        scalars = policy_scalars(
            rollouts, scores.logprobs, batch.advantages, weights, (works.CLIP, works.CLIP)
        )
        return {**scalars, "entropy": weighted_sum(scores.entropy, weights)}

    return batch, {"prepare": prepare, "loss": loss, "report": report}


def _dpo(work: Work, model: Transformer, params: dict, tokens: np.ndarray, mesh: Mesh):
    """One DPO update with the reference's log-probabilities at hand, as `stages.preference`."""
    rollouts = _rollouts(work, tokens)
    rows = len(tokens) // 2
    batch = PairBatch(
        tokens=tokens.reshape(rows, 2, -1),
        lengths=rollouts.lengths.reshape(rows, 2),
        mask=rollouts.mask.reshape(rows, 2, -1),
        row_mask=np.ones(rows, bool),
    )

    def score(params: dict, batch: PairBatch) -> jax.Array:
        flat, mask = (x.reshape(-1, x.shape[-1]) for x in (batch.tokens, batch.mask))
        scores = token_logprobs(model, params, flat, scored=mask)
        return scores.logprobs.reshape(batch.tokens.shape)

    reference = jax.jit(lambda params, batch: response_logprobs(score(params, batch), batch.mask))
    scored = np.asarray(reference(params, put_batch(batch, mesh)))

    def loss(params: dict, batch: PairBatch):
        pair = pair_logprobs(score(params, batch), batch)
        return weighted_sum(pair_losses.dpo(pair, beta=works.BETA), batch.weights), pair

    return batch.replace(ref_logprobs=scored), {
        "prepare": lambda batch: batch.replace(weights=pair_mean(batch.row_mask)),
        "loss": loss,
        "report": lambda batch, pair: pair_scalars(pair, batch.weights, works.BETA),
    }


def _sft(work: Work, model: Transformer, params: dict, tokens: np.ndarray, mesh: Mesh):
    """One update on the responses' negative log-likelihood, as `stages.sft`."""
    batch = PolicyBatch(_rollouts(work, tokens), None, weights=None)

    def loss(params: dict, batch: PolicyBatch) -> tuple[jax.Array, None]:
        rollouts = batch.rollouts
        scores, _ = token_logprobs_and_balance(
            model,
            params,
            rollouts.tokens,
            _within(rollouts),
            segment_ids=_within(rollouts).astype(jnp.int32),
            scored=rollouts.mask,
        )
        return -weighted_sum(scores.logprobs, batch.weights), None

    return batch, {
        "prepare": lambda batch: batch.replace(weights=token_mean(batch.rollouts.mask)),
        "loss": loss,
        "report": lambda batch, _: {},
    }
