"""One step of the stage: completions, their fields, one update or several."""

import dataclasses
import functools
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reasoning_jax.evals.run import sample_row
from reasoning_jax.models import TokenScores
from reasoning_jax.parallel import batch_ways, put_batch, to_host
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
from reasoning_jax.stages.packed_rollouts import (
    PackedRollouts,
    pack_rollouts,
    score_rollouts,
    within,
)
from reasoning_jax.stages.rl.collect import Collected
from reasoning_jax.stages.rl.functions import Functions, clip_ends, moves, select
from reasoning_jax.stages.rl.learners import Learner, bound_targets
from reasoning_jax.stages.rl.replay import Pool
from reasoning_jax.stages.rl.state import RLState, copied
from reasoning_jax.stages.stage import Stage
from reasoning_jax.training.state import TrainState
from reasoning_jax.training.step import make_update
from reasoning_jax.types import Rollouts


class Step:
    """One step of RL; holds the jitted functions of one mesh.

    Args:
      functions: those of the block.
      fields: the optional fields of Rollouts that they ask for.
      optimizer: of the policy.
      learners: the models that learn beside it, by name.
      collect: (policy, indices of problems, step) -> what to learn from.
      reference: trained tree of a reference policy that stays, or None where there is none or
        the state holds one that moves.
      coefficients: of the terms ``kl`` and ``entropy`` as they stand.
    """

    def __init__(
        self,
        stage: Stage,
        functions: Functions,
        fields: tuple[str, ...],
        optimizer: optax.GradientTransformation,
        learners: dict[str, Learner],
        collect: Callable[[dict, np.ndarray, int], Collected],
        reference: dict | None,
        coefficients: dict[str, float],
    ):
        block = stage.config
        self.stage, self.functions, self.fields = stage, functions, fields
        self.learners, self.reference, self.coefficients = learners, reference, coefficients
        self.collect = collect
        # A run may be thrown back to its last evaluation.
        folder = stage.context.workdir / "rollouts" / f"{stage.name}_in_use"
        self.pool = Pool(folder, block.evaluate_every + block.reuse)
        model = stage.context.transformer()

        def score(
            params: dict, rollouts: Rollouts, packed: PackedRollouts | None = None
        ) -> jax.Array:
            return score_rollouts(model, params, rollouts, packed, block.temperature)[0].logprobs

        self.score = jax.jit(score)
        targets = bound_targets(block) if "critic" in learners else None
        self.shape = jax.jit(functools.partial(_shape, functions, targets))
        self.update = _make_update(stage, functions, optimizer)
        self.follow = jax.jit(
            functools.partial(follow, keep=block.reference.keep), donate_argnums=0
        )
        if functions.selection is not None:
            self.select = jax.jit(functools.partial(select, functions.selection))

    def __call__(
        self, state: RLState, indices: np.ndarray, step: int, age: int = 0
    ) -> tuple[RLState, StepResult]:
        """Samples, verifies and updates once.

        Args:
          age: steps since completions were collected, which then are used again; 0 collects.
        """
        collected, rollouts, started = self._gather(state, indices, step, age)
        batch, scalars = self.shape(rollouts)
        batch = batch.replace(**self._terms(len(batch.advantages)))
        parts = self._parts(batch, step)
        policy, of_updates = self._learn(state.policy, parts, step)
        state = state.with_policy(policy)
        state, of_learners = self._teach(state, batch, parts, step)
        state = self._move_reference(state, step)
        # What can be read before the updates have ended is worked out beside them.
        samples = self._samples(collected, to_host(batch))
        metrics = to_host(scalars) | _over_updates(to_host(of_updates)) | of_learners
        self._follow_coefficients(metrics)
        _warn_of_gap(metrics["logprob_gap_mean"], self.stage.config.gap_alarm, step)
        if metrics["kept"] == 0:
            print(
                f"warning: no completion is left to learn from at step {step + 1}: the gradient "
                "is 0; look at the filters and at rl/verdict/*",
                flush=True,
            )
        metrics = {
            name if name.startswith("time/") else f"rl/{name}": value
            for name, value in (metrics | collected.metrics).items()
        }
        metrics["time/update"] = time.monotonic() - started
        remember = {"coefficients": self.coefficients}
        return state, StepResult(metrics, samples, collected.tokens, remember)

    def _gather(
        self, state: RLState, indices: np.ndarray, step: int, age: int
    ) -> tuple[Collected, Rollouts, float]:
        """What to learn from, all its fields filled, and when it was collected."""
        mesh, reuse = self.stage.context.mesh, self.stage.config.reuse
        fresh = age == 0
        collected = (
            self.collect(state.params, indices, step) if fresh else self.pool.take(step - age)
        )
        started = time.monotonic()
        rollouts = self._fill(state, put_batch(collected.rollouts, mesh))
        if reuse > 1 and fresh:
            # The policy that sampled is that of the ratios for as long as they are used.
            old_logprobs = to_host(rollouts.old_logprobs)
            self.pool.keep(step, collected.rollouts.replace(old_logprobs=old_logprobs))
        if reuse > 1:
            collected = dataclasses.replace(collected, metrics=collected.metrics | {"age": age})
        return collected, rollouts, started

    def _fill(self, state: RLState, rollouts: Rollouts) -> Rollouts:
        """Fills the fields that the model has to work out."""
        params = self.stage.context.params
        scored = {"ref_logprobs", "old_logprobs"} & set(self.fields)
        packed = self._packed(rollouts) if scored else None
        if "ref_logprobs" in self.fields:
            reference = self.reference if state.reference is None else state.reference
            ref_logprobs = self.score(params(reference), rollouts, packed)
            rollouts = rollouts.replace(ref_logprobs=ref_logprobs)
        if "old_logprobs" in self.fields and rollouts.old_logprobs is None:
            old_logprobs = self.score(params(state.params), rollouts, packed)
            rollouts = rollouts.replace(old_logprobs=old_logprobs)
        for name, learner in self.learners.items():
            trained = state.learners[name].params
            field = learner.score(trained, self.stage.context.frozen, rollouts)
            rollouts = rollouts.replace(**{learner.field: field})
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
        self, policy: TrainState, parts: list[PolicyBatch], step: int
    ) -> tuple[TrainState, list[dict[str, jax.Array]]]:
        """The policy's updates of one batch of completions, and the metrics of each."""
        context, of_updates = self.stage.context, []
        # While others have their head start the policy's updates are made, logged and forgotten.
        before = copied(policy) if step < self.stage.config.head_start else None
        for number, part in enumerate(parts):
            if self.functions.selection is not None:
                part = self._with_selected(policy, part, step, number)
            part = part.replace(packed=self._packed(part.rollouts, self.stage.config.micro_batches))
            policy, of_update = self.update(policy, part, context.frozen)
            of_updates.append(of_update)
        return policy if before is None else before, of_updates

    def _teach(
        self, state: RLState, batch: PolicyBatch, parts: list[PolicyBatch], step: int
    ) -> tuple[RLState, dict[str, float]]:
        """The updates of the models beside the policy."""
        states, metrics = dict(state.learners), {}
        for name, learner in self.learners.items():
            if 0 <= learner.until <= step:
                continue
            of_updates = []
            for part in learner.batches(batch, parts):
                states[name], of_update = learner.update(
                    states[name], part, self.stage.context.frozen
                )
                of_updates.append(of_update)
            merged = _over_updates(to_host(of_updates))
            metrics |= {f"{name}/{key}": value for key, value in merged.items()}
        return state.replace(learners=states), metrics

    def _with_selected(
        self, policy: TrainState, part: PolicyBatch, step: int, number: int
    ) -> PolicyBatch:
        rollouts = part.rollouts
        logprobs = self.score(self.stage.context.params(policy.params), rollouts)
        old = logprobs if rollouts.old_logprobs is None else rollouts.old_logprobs
        key = jax.random.key(self.stage.seed(4, step, number))
        selected = self.select(key, logprobs, old, part.advantages, rollouts.loss_mask)
        return part.replace(selected=selected)

    def _packed(self, rollouts: Rollouts, micro_batches: int = 1) -> PackedRollouts | None:
        """The completions as the model is to see them, None as they stand."""
        row_tokens, mesh = self.stage.config.row_tokens, self.stage.context.mesh
        if not row_tokens:
            return None
        packed = pack_rollouts(
            *to_host((rollouts.tokens, rollouts.lengths, rollouts.mask)),
            row_tokens=row_tokens,
            micro_batches=micro_batches,
            ways=batch_ways(mesh),
        )
        return put_batch(packed, mesh)

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
        if state.reference is None or not every or (step + 1) % every:
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
        n, sampled, rows = self.stage.config.group_size, collected.sampled, []
        for i in range(min(self.stage.config.log_samples, len(sampled.problems))):
            tokens = batch.advantages[i * n][batch.rollouts.mask[i * n]]
            out, verdict = sampled.completions[i][0], sampled.verdicts[i][0]
            left_out = sampled.rewards[i][0] is None
            rows.append(
                {
                    **sample_row(sampled.problems[i], out, verdict),
                    "reward": None if left_out else float(batch.rollouts.rewards[i * n]),
                    "advantage": float(tokens.mean()) if tokens.size else 0.0,
                }
            )
        return rows


def _shape(
    functions: Functions, targets: Callable | None, rollouts: Rollouts
) -> tuple[PolicyBatch, dict[str, jax.Array]]:
    """Shaped and filtered rollouts with their advantages, and what they were like before."""
    scalars = rollout_scalars(rollouts)
    for shaper in functions.shapers:
        rollouts = shaper(rollouts)
    if functions.shapers:
        shaped = rollout_scalars(rollouts)
        scalars |= {f"shaped_{name}": shaped[name] for name in ("reward", "reward_sd")}
    for keep in functions.filters:
        rollouts = apply_filter(rollouts, keep(rollouts))
    scalars["kept"] = jnp.mean(rollouts.row_mask.astype(jnp.float32))
    values = None if targets is None else targets(rollouts)
    advantages = functions.advantage(rollouts)
    return PolicyBatch(rollouts, advantages, weights=None, targets=values), scalars


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
        shares = jnp.sum(token_mean(within(rollouts)), axis=1)
        return batch.replace(weights=functions.aggregate(rollouts.loss_mask), shares=shares)

    def loss(params: dict, batch: PolicyBatch):
        scores, balance = score_rollouts(
            model, params, batch.rollouts, batch.packed, block.temperature
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
