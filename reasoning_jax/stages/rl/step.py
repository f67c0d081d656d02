"""One step of the stage: completions, their fields, one update or several."""

import functools
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reasoning_jax.evals.run import sample_row
from reasoning_jax.models import TokenScores, token_logprobs, token_logprobs_and_balance
from reasoning_jax.parallel import put_batch, to_host
from reasoning_jax.rl import (
    apply_filter,
    follow,
    policy_scalars,
    rollout_scalars,
    token_mean,
    weighted_sum,
)
from reasoning_jax.rl.objective import Objective, PolicyBatch
from reasoning_jax.stages.loop import StepResult
from reasoning_jax.stages.rl.collect import Collected, Collector
from reasoning_jax.stages.rl.fields import asked_fields
from reasoning_jax.stages.rl.functions import Functions, build_functions, clip_ends, moves, select
from reasoning_jax.stages.rl.state import RLState
from reasoning_jax.stages.stage import Stage
from reasoning_jax.training.state import TrainState
from reasoning_jax.training.step import make_update
from reasoning_jax.types import Rollouts


class Step:
    """One step of RL; holds the jitted functions of one mesh.

    Args:
      reference: trained tree of a reference policy that stays, or None where there is none or
        the state holds one that moves.
      coefficients: of the terms ``kl`` and ``entropy`` as they stand.
    """

    def __init__(
        self,
        stage: Stage,
        optimizer: optax.GradientTransformation,
        reference: dict | None,
        coefficients: dict[str, float],
    ):
        block = stage.config
        self.stage, self.reference, self.coefficients = stage, reference, coefficients
        self.functions = functions = build_functions(block)
        self.fields = asked_fields(functions, block)
        self.collect = Collector(stage, functions.reward, self.fields)
        model = stage.context.transformer()

        def score(params: dict, tokens: jax.Array) -> jax.Array:
            return token_logprobs(model, params, tokens, temperature=block.temperature).logprobs

        self.score = jax.jit(score)
        self.shape = jax.jit(functools.partial(_shape, functions))
        self.update = _make_update(stage, functions, optimizer)
        self.follow = jax.jit(
            functools.partial(follow, keep=block.reference.keep), donate_argnums=0
        )
        if functions.selection is not None:
            self.select = jax.jit(functools.partial(select, functions.selection))

    def __call__(
        self, state: RLState, indices: np.ndarray, step: int
    ) -> tuple[RLState, StepResult]:
        """Samples, verifies and updates once."""
        collected = self.collect(state.params, indices, step)
        started = time.monotonic()
        rollouts = self._fill(state, put_batch(collected.rollouts, self.stage.context.mesh))
        rollouts, advantages, scalars = self.shape(rollouts)
        batch = PolicyBatch(rollouts, advantages, weights=None, **self._terms(len(advantages)))
        policy, metrics = self._learn(state.policy, batch, step)
        state = self._move_reference(state.with_policy(policy), step)
        metrics = to_host(scalars) | metrics
        self._follow_coefficients(metrics)
        _warn_of_gap(metrics["logprob_gap_mean"], self.stage.config.gap_alarm, step)
        metrics = {
            name if name.startswith("time/") else f"rl/{name}": value
            for name, value in (metrics | collected.metrics).items()
        }
        metrics["time/update"] = time.monotonic() - started
        samples = self._samples(collected, to_host(batch))
        remember = {"coefficients": self.coefficients}
        return state, StepResult(metrics, samples, collected.tokens, remember)

    def _fill(self, state: RLState, rollouts: Rollouts) -> Rollouts:
        """Fills the fields that the model has to work out."""
        params = self.stage.context.params
        if "ref_logprobs" in self.fields:
            reference = self.reference if state.reference is None else state.reference
            ref_logprobs = self.score(params(reference), rollouts.tokens)
            rollouts = rollouts.replace(ref_logprobs=ref_logprobs)
        if "old_logprobs" in self.fields:
            old_logprobs = self.score(params(state.params), rollouts.tokens)
            rollouts = rollouts.replace(old_logprobs=old_logprobs)
        return rollouts

    def _terms(self, rows: int) -> dict[str, jax.Array | None]:
        """The coefficients of the terms of the loss, on every row."""
        block = self.stage.config
        return {
            f"{name}_coef": put_batch(np.full(rows, value, np.float32), self.stage.context.mesh)
            if moves(block[f"{name}_coef"], getattr(self.functions, f"{name}_controller"))
            else None
            for name, value in self.coefficients.items()
        }

    def _learn(
        self, policy: TrainState, batch: PolicyBatch, step: int
    ) -> tuple[TrainState, dict[str, float]]:
        """The updates of one batch of completions."""
        context, of_updates = self.stage.context, []
        for number, part in enumerate(self._parts(batch, step)):
            if self.functions.selection is not None:
                part = self._with_selected(policy, part, step, number)
            policy, of_update = self.update(policy, part, context.frozen)
            of_updates.append(of_update)
        return policy, _over_updates(to_host(of_updates))

    def _with_selected(
        self, policy: TrainState, part: PolicyBatch, step: int, number: int
    ) -> PolicyBatch:
        rollouts = part.rollouts
        logprobs = self.score(self.stage.context.params(policy.params), rollouts.tokens)
        old = logprobs if rollouts.old_logprobs is None else rollouts.old_logprobs
        key = jax.random.key(self.stage.seed(4, step, number))
        selected = self.select(key, logprobs, old, part.advantages, rollouts.loss_mask)
        return part.replace(selected=selected)

    def _parts(self, batch: PolicyBatch, step: int) -> list[PolicyBatch]:
        """The optimiser batches of one rollout batch: its rows, shuffled and cut."""
        block = self.stage.config
        if block.updates == 1:
            return [batch] * block.passes
        host, parts = to_host(batch), []
        for number in range(block.passes):
            seed = self.stage.seed(3, step, *((number,) if number else ()))
            order = np.random.default_rng(seed).permutation(len(host.advantages))
            # Statistics of groups are taken already: a part needs no whole groups.
            parts += [
                put_batch(jax.tree.map(lambda x, rows=rows: x[rows], host), self.stage.context.mesh)
                for rows in np.split(order, block.updates)
            ]
        return parts

    def _move_reference(self, state: RLState, step: int) -> RLState:
        every = self.stage.config.reference.every
        if state.reference is None or (step + 1) % every:
            return state
        return state.replace(reference=self.follow(state.reference, state.params))

    def _follow_coefficients(self, metrics: dict[str, float]) -> None:
        """Sets the coefficients of the next step from what this one measured."""
        following = {}
        for name, value in self.coefficients.items():
            controller = getattr(self.functions, f"{name}_controller")
            if moves(self.stage.config[f"{name}_coef"], controller):
                metrics[f"{name}_coef"] = value
                value = float(controller(value, float(metrics[name])))
            following[name] = value
        self.coefficients = following

    def _samples(self, collected: Collected, batch: PolicyBatch) -> list[dict]:
        """The first completion of the first problems."""
        n = self.stage.config.group_size
        rows = []
        for i in range(min(self.stage.config.log_samples, len(collected.problems))):
            tokens = batch.advantages[i * n][batch.rollouts.mask[i * n]]
            out, verdict = collected.completions[i][0], collected.verdicts[i][0]
            left_out = collected.rewards[i][0] is None
            rows.append(
                {
                    **sample_row(collected.problems[i], out, verdict),
                    "reward": None if left_out else float(batch.rollouts.rewards[i * n]),
                    "advantage": float(tokens.mean()) if tokens.size else 0.0,
                }
            )
        return rows


def _shape(
    functions: Functions, rollouts: Rollouts
) -> tuple[Rollouts, jax.Array, dict[str, jax.Array]]:
    """Shaped and filtered rollouts, their advantages [B, T], and what they were like before."""
    scalars = rollout_scalars(rollouts)
    for shaper in functions.shapers:
        rollouts = shaper(rollouts)
    if functions.shapers:
        shaped = rollout_scalars(rollouts)
        scalars |= {f"shaped_{name}": shaped[name] for name in ("reward", "reward_sd")}
    for keep in functions.filters:
        rollouts = apply_filter(rollouts, keep(rollouts))
    return rollouts, functions.advantage(rollouts), scalars


def _make_update(
    stage: Stage, functions: Functions, optimizer: optax.GradientTransformation
) -> Callable:
    """(TrainState, PolicyBatch, frozen) -> (TrainState, metrics): the update of the policy."""
    context, block = stage.context, stage.config
    model, moe = context.transformer(), context.model.moe
    objective = Objective(functions.policy_loss, functions.kl, functions.correction)
    ends = clip_ends(functions.policy_loss)
    balance_coef = 0.0 if moe is None else block.balance * moe.aux_coef

    def prepare(batch: PolicyBatch) -> PolicyBatch:
        rollouts = batch.rollouts
        shares = jnp.sum(token_mean(_within(rollouts)), axis=1)
        return batch.replace(weights=functions.aggregate(rollouts.loss_mask), shares=shares)

    def loss(params: dict, batch: PolicyBatch):
        scores, balance = token_logprobs_and_balance(
            model,
            params,
            batch.rollouts.tokens,
            _within(batch.rollouts),
            temperature=block.temperature,
        )
        policy = objective(scores.logprobs, scores.entropy, batch)
        return policy + balance_coef * balance * jnp.sum(batch.shares), scores

    def report(batch: PolicyBatch, scores: TokenScores) -> dict[str, jax.Array]:
        rollouts, weights = batch.rollouts, token_mean(batch.rollouts.loss_mask)
        scalars = {
            **policy_scalars(rollouts, scores.logprobs, batch.advantages, weights, ends),
            "entropy": weighted_sum(scores.entropy, weights),
        }
        if batch.selected is not None:
            scalars["selected"] = weighted_sum(batch.selected, weights)
        return scalars

    return make_update(
        context.trainable,
        optimizer,
        prepare=prepare,
        loss=loss,
        report=report,
        micro_batches=block.micro_batches,
    )


def _within(rollouts: Rollouts) -> jax.Array:
    """[B, T] bool, the tokens of rows that take part: prompt and response, no padding."""
    columns = jnp.arange(rollouts.tokens.shape[1])
    return (columns < rollouts.lengths[:, None]) & rollouts.row_mask[:, None]


def _over_updates(of_updates: list[dict[str, np.ndarray]]) -> dict[str, float]:
    """The metrics of the updates of one step as one: means, and extremes where they are named."""
    merged = {}
    for name in of_updates[0]:
        values = [float(metrics[name]) for metrics in of_updates]
        pick = {"min": min, "max": max}.get(name.rpartition("_")[2], np.mean)
        # A nan must show, which min and max may hide.
        merged[name] = float(pick(values)) if np.isfinite(values).all() else float(np.sum(values))
    return merged


def _warn_of_gap(gap: float, alarm: float, step: int) -> None:
    if gap > alarm:
        print(
            f"warning: sampler and trainer log-probabilities differ by {gap:.2g} on average at "
            f"step {step + 1}, above gap_alarm {alarm:g}; importance ratios are not to be trusted",
            flush=True,
        )
