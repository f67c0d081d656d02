"""Reinforcement learning with verified answers.

One step: problems -> completions -> verdicts -> rewards -> Rollouts -> filters -> advantages
-> update. Each function is chosen by dotted name in the block.
"""

import collections
import functools
import inspect
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from reasoning_jax.evals.run import Evaluation, sample_row
from reasoning_jax.functions import function
from reasoning_jax.models import TokenScores, token_logprobs, token_logprobs_and_balance
from reasoning_jax.parallel import put_batch, to_host
from reasoning_jax.rl import (
    apply_filter,
    policy_losses,
    policy_scalars,
    rollout_scalars,
    token_mean,
    weighted_sum,
)
from reasoning_jax.rl.objective import Objective, PolicyBatch
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages import evaluate
from reasoning_jax.stages.blocks import (
    build_optimizer,
    check_context,
    check_rows,
    evaluation_block,
    named,
    optimizer_block,
)
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.guard import judge
from reasoning_jax.stages.loop import Schedule, StepResult, begin, run_loop
from reasoning_jax.stages.rollouts import collate
from reasoning_jax.stages.stage import Stage
from reasoning_jax.tools import tool_scalars
from reasoning_jax.training.data import index_batches
from reasoning_jax.training.state import TrainState
from reasoning_jax.training.step import make_update
from reasoning_jax.types import Completion, Problem, Rollouts, Verdict
from reasoning_jax.verify.rewards import mean_parts, reward_of


def default_config() -> ConfigDict:
    """The stage's block: GRPO, strictly on-policy."""
    block = ConfigDict()
    block.stage = "reasoning_jax.stages.rl"
    block.split = "train"
    block.prompts = 32  # problems per step
    block.group_size = 8  # completions per problem
    block.max_tokens = 64  # of a completion
    block.temperature = 1.0  # also divides the logits in the trainer
    # (problem, completion, verdict) -> number, or None to leave the completion out; several with
    # weights: reasoning_jax.verify.rewards.weighted
    block.reward = named("reasoning_jax.verify.rewards.outcome")
    block.filters = ()  # names of functions Rollouts -> [B] bool, rows to keep
    block.advantage = named("reasoning_jax.rl.advantages.grpo")  # Rollouts -> [B, T]
    block.policy_loss = named("reasoning_jax.rl.policy_losses.clip")  # -> [B, T]
    block.aggregate = named("reasoning_jax.rl.token_mean")  # mask -> token weights
    block.kl = named("reasoning_jax.rl.k3")
    block.kl_coef = 0.0  # 0 needs no reference policy
    block.entropy_coef = 0.0
    block.balance = 0.0  # multiple of the load-balancing loss a mixture's own config asks for
    block.updates = 1  # optimiser updates per batch of completions; 1 is strictly on-policy
    block.micro_batches = 1
    block.gap_alarm = 0.01  # warn of a larger mean |sampler - trainer| log-probability, nats
    block.steps = 100
    block.optimizer = optimizer_block(peak=3e-4, warmup_steps=5)
    block.log_every = 1
    block.log_samples = 8  # completions per step written for reading
    block.evaluate_every = 20
    block.checkpoint_every = 0  # besides those after every evaluation
    block.evaluation = evaluation_block("validation", problems=256, n=4, max_tokens=64)
    # RL refuses to start from a policy below `start`, since it would go nowhere; it ends when
    # greedy accuracy falls `drop` below its start, or pass@1 `drop` below its best, at
    # `patience` evaluations in a row. It returns the best evaluated policy whose greedy accuracy
    # has not lost `slack` against its start.
    block.guard = ConfigDict({"start": 0.0, "slack": 0.03, "drop": 0.1, "patience": 2})
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task, model and mesh; raises ValueError."""
    if block.group_size < 2:
        raise ValueError(f"group_size {block.group_size}: a group baseline needs at least 2")
    if block.temperature <= 0:
        raise ValueError(f"temperature {block.temperature}: sampling to learn needs it above 0")
    if context.lora is not None and context.lora.dropout:
        raise ValueError(
            f"config.lora.dropout is {context.lora.dropout}: the ratios of RL would compare two "
            "different networks; set it to 0"
        )
    rows = block.prompts * block.group_size
    if block.updates < 1 or rows % block.updates:
        raise ValueError(f"{rows} completions do not divide into {block.updates} updates")
    check_rows(
        context,
        rows // block.updates,
        block.micro_batches,
        f"prompts {block.prompts} x group_size {block.group_size} / updates {block.updates}",
    )
    build_optimizer(block.optimizer)
    _check_functions(block, rows)
    if block.steps < 1 or block.evaluate_every < 1:
        raise ValueError(
            f"steps {block.steps}, evaluate_every {block.evaluate_every}: both must be at least 1 "
            "(the guard needs evaluations)"
        )
    SamplingParams(max_tokens=block.max_tokens, temperature=block.temperature, n=block.group_size)
    evaluate.validate(context, block.evaluation)
    size = context.task.size(block.split)
    if size < block.prompts:
        raise ValueError(f"prompts {block.prompts} exceeds the {size} problems of {block.split!r}")
    # Prompts of a generated task are all of one kind; those of files are not.
    for index in range(min(size, 1000) if context.task.alphabet else size):
        check_context(context, context.task.problem(block.split, index), block.max_tokens)


def run(stage: Stage, params: dict) -> dict:
    """Trains from ``params``; returns the best evaluated policy."""
    context, block = stage.context, stage.config
    batches = index_batches(context.task.size(block.split), block.prompts, stage.seed(0))
    optimizer = build_optimizer(block.optimizer)

    def measure(state: TrainState) -> Evaluation:
        return evaluate.measure(stage, block.evaluation, state.params)

    if stage.resumed is None:
        before = evaluate.measure(stage, block.evaluation, params)
        context.log.log(stage.name, 0, before.metrics)
        progress = _start(stage, before)
    else:
        progress = stage.resumed["progress"]
    position = begin(stage, params, optimizer, batches, progress)
    reference = _reference(stage) if block.kl_coef else None
    position = run_loop(
        stage,
        position,
        Schedule(block.steps, block.log_every, block.evaluate_every, block.checkpoint_every),
        batches,
        _Step(stage, optimizer, reference),
        measure,
        functools.partial(judge, block.guard, stage.first_number),
    )
    best = position.progress["best_number"]
    last = stage.first_number + position.step
    params = position.state.params if best == last else context.restore(best)
    stage.finish(position.step, params, tuple(position.progress["keep"]))
    return params


def _start(stage: Stage, before: Evaluation) -> dict:
    value, least = before.metrics["eval/pass@1"], stage.config.guard.start
    if value < least:
        raise RuntimeError(
            f"{stage.name}: pass@1 is {value:.3f} before RL, below guard.start {least}; nothing "
            "would be rewarded: begin a new workdir with more warm-up, or an easier task"
        )
    return {
        "start_greedy": before.metrics["eval/greedy"],
        "best": value,
        "best_number": stage.first_number,
        "falls": 0,
        "keep": [stage.first_number],
    }


def _over_updates(of_updates: list[dict[str, np.ndarray]]) -> dict[str, float]:
    """The metrics of the updates of one step as one: means, and extremes where they are named."""
    merged = {}
    for name in of_updates[0]:
        values = [float(metrics[name]) for metrics in of_updates]
        pick = {"min": min, "max": max}.get(name.rpartition("_")[2], np.mean)
        # A nan must show, which min and max may hide.
        merged[name] = float(pick(values)) if np.isfinite(values).all() else float(np.sum(values))
    return merged


def _clip_ends(policy_loss: Callable) -> tuple[float, float] | None:
    """The ends at which a loss clips the ratio of tokens: its arguments low and high."""
    if getattr(policy_loss, "func", policy_loss) is policy_losses.gspo:
        return None  # clips the ratio of sequences
    defaults = inspect.signature(policy_loss).parameters
    if "low" not in defaults or "high" not in defaults:
        return None
    return defaults["low"].default, defaults["high"].default


def _reference(stage: Stage) -> dict:
    """The policy the stage began with: its first checkpoint, which stays while it runs."""
    return stage.context.restore(stage.first_number)


def _functions(block: ConfigDict) -> dict[str, Callable]:
    names = ("advantage", "policy_loss", "aggregate", "kl")
    found = {name: function(block[name], name) for name in names}
    found["reward"] = reward_of(block.reward, "reward")
    found["filters"] = [
        function({"name": spec} if isinstance(spec, str) else spec, "filters")
        for spec in block.filters
    ]
    return found


def _check_functions(block: ConfigDict, rows: int) -> None:
    """Traces the functions of an update on shapes alone; raises ValueError."""
    functions = _functions(block)
    floats, flags = (
        jax.ShapeDtypeStruct((rows, 8), "float32"),
        jax.ShapeDtypeStruct((rows, 8), bool),
    )
    row_floats, row_flags, row_ints = (
        jax.ShapeDtypeStruct((rows,), dtype) for dtype in ("float32", bool, "int32")
    )
    rollouts = Rollouts(
        tokens=jax.ShapeDtypeStruct((rows, 8), "int32"),
        lengths=row_ints,
        mask=flags,
        row_mask=row_flags,
        group_ids=row_ints,
        rewards=row_floats,
        correct=jax.ShapeDtypeStruct((rows,), "int8"),
        finished=row_flags,
        sampler_logprobs=floats,
    )
    checks = [
        *(("filters", keep, (rollouts,), (rows,)) for keep in functions["filters"]),
        ("advantage", functions["advantage"], (rollouts,), (rows, 8)),
        ("policy_loss", functions["policy_loss"], (floats, floats, floats, flags), (rows, 8)),
        ("aggregate", functions["aggregate"], (flags,), (rows, 8)),
        ("kl", functions["kl"], (floats, floats, flags), (rows, 8)),
    ]
    for where, found, arguments, shape in checks:
        try:
            result = jax.eval_shape(found, *arguments)
        except Exception as error:
            raise ValueError(f"{where} cannot be used here: {error}") from error
        if getattr(result, "shape", None) != shape:
            raise ValueError(f"{where} gives {result}, not one array of shape {shape}")


def _within(rollouts: Rollouts) -> jax.Array:
    """[B, T] bool, the tokens of rows that take part: prompt and response, no padding."""
    columns = jnp.arange(rollouts.tokens.shape[1])
    return (columns < rollouts.lengths[:, None]) & rollouts.row_mask[:, None]


class _Step:
    """One step of RL; holds the jitted functions of one mesh."""

    def __init__(self, stage: Stage, optimizer, reference: dict | None):
        self.stage, self.reference = stage, reference
        self.functions = functions = _functions(stage.config)
        context, block = stage.context, stage.config
        model = context.transformer()
        objective = Objective(
            functions["policy_loss"], functions["kl"], block.kl_coef, block.entropy_coef
        )

        clip_ends = _clip_ends(functions["policy_loss"])

        moe = context.model.moe
        balance_coef = 0.0 if moe is None else block.balance * moe.aux_coef

        def shape(rollouts: Rollouts) -> tuple[Rollouts, jax.Array, dict[str, jax.Array]]:
            scalars = rollout_scalars(rollouts)
            for keep in functions["filters"]:
                rollouts = apply_filter(rollouts, keep(rollouts))
            return rollouts, functions["advantage"](rollouts), scalars

        def prepare(batch: PolicyBatch) -> PolicyBatch:
            rollouts = batch.rollouts
            shares = jnp.sum(token_mean(_within(rollouts)), axis=1)
            return batch.replace(weights=functions["aggregate"](rollouts.loss_mask), shares=shares)

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
            return {
                **policy_scalars(rollouts, scores.logprobs, batch.advantages, weights, clip_ends),
                "entropy": weighted_sum(scores.entropy, weights),
            }

        def score(params: dict, tokens: jax.Array) -> jax.Array:
            return token_logprobs(model, params, tokens, temperature=block.temperature).logprobs

        self.score = jax.jit(score)
        self.shape = jax.jit(shape)
        self.update = make_update(
            context.trainable,
            optimizer,
            prepare=prepare,
            loss=loss,
            report=report,
            micro_batches=block.micro_batches,
        )

    def __call__(
        self, state: TrainState, indices: np.ndarray, step: int
    ) -> tuple[TrainState, StepResult]:
        """Samples, verifies and updates once."""
        context, block = self.stage.context, self.stage.config
        started = time.monotonic()
        problems = [context.task.problem(block.split, int(index)) for index in indices]
        prompts = [context.tokenizer.encode_prompt(problem.prompt) for problem in problems]
        sampling = SamplingParams(
            max_tokens=block.max_tokens,
            temperature=block.temperature,
            n=block.group_size,
            seed=self.stage.seed(2, step),
        )
        # Answers are verified while others are sampled; time/verify is what that does not hide.
        stream = context.sampler(state.params).stream(prompts, sampling, indices.tolist())
        pending = context.verifier.start(context.task, problems, stream)
        completions, sampled = pending.completions, time.monotonic()

        verdicts = context.verifier.finish(pending)
        reward = self.functions["reward"]
        parts = [
            [reward.parts(problem, out, verdict) for out, verdict in zip(outs, row)]
            for problem, outs, row in zip(problems, completions, verdicts)
        ]
        rewards = [[reward.total(part) for part in row] for row in parts]
        verified = time.monotonic()

        rollouts = put_batch(collate(prompts, completions, verdicts, rewards), context.mesh)
        if self.reference is not None:
            ref_logprobs = self.score(context.params(self.reference), rollouts.tokens)
            rollouts = rollouts.replace(ref_logprobs=ref_logprobs)
        if block.updates > 1:
            old_logprobs = self.score(context.params(state.params), rollouts.tokens)
            rollouts = rollouts.replace(old_logprobs=old_logprobs)
        rollouts, advantages, scalars = self.shape(rollouts)
        batch = PolicyBatch(rollouts, advantages, weights=None)
        of_updates = []
        for part in self._parts(batch, step):
            state, of_update = self.update(state, part, context.frozen)
            of_updates.append(of_update)
        metrics = to_host(scalars) | _over_updates(to_host(of_updates))
        updated = time.monotonic()

        if metrics["logprob_gap_mean"] > block.gap_alarm:
            print(
                f"warning: sampler and trainer log-probabilities differ by "
                f"{metrics['logprob_gap_mean']:.2g} on average at step {step + 1}, above "
                f"gap_alarm {block.gap_alarm:g}; importance ratios are not to be trusted",
                flush=True,
            )
        metrics |= tool_scalars([out for outs in completions for out in outs])
        metrics = {f"rl/{name}": value for name, value in metrics.items()}
        reasons = collections.Counter(v.reason for row in verdicts for v in row)
        metrics |= {f"rl/verdict/{reason}": count for reason, count in sorted(reasons.items())}
        means = mean_parts(part for row in parts for part in row)
        metrics |= {f"rl/reward/{name}": value for name, value in means.items()}
        metrics |= {
            "time/sample": sampled - started,
            "time/verify": verified - sampled,
            "time/update": updated - verified,
        }
        samples = self._samples(problems, completions, verdicts, rewards, to_host(batch))
        tokens = sum(len(out.tokens) for outs in completions for out in outs)
        return state, StepResult(metrics, samples, tokens)

    def _parts(self, batch: PolicyBatch, step: int) -> list[PolicyBatch]:
        """The optimiser batches of one rollout batch: its rows, shuffled and cut."""
        updates = self.stage.config.updates
        if updates == 1:
            return [batch]
        host = to_host(batch)
        order = np.random.default_rng(self.stage.seed(3, step)).permutation(len(host.advantages))
        # Statistics of groups are taken already: a part needs no whole groups.
        return [
            put_batch(jax.tree.map(lambda x, rows=rows: x[rows], host), self.stage.context.mesh)
            for rows in np.split(order, updates)
        ]

    def _samples(
        self,
        problems: list[Problem],
        completions: list[list[Completion]],
        verdicts: list[list[Verdict]],
        rewards: list[list[float | None]],
        batch: PolicyBatch,
    ) -> list[dict]:
        """The first completion of the first problems."""
        n = self.stage.config.group_size
        rows = []
        for i in range(min(self.stage.config.log_samples, len(problems))):
            tokens = batch.advantages[i * n][batch.rollouts.mask[i * n]]
            rows.append(
                {
                    **sample_row(problems[i], completions[i][0], verdicts[i][0]),
                    "reward": rewards[i][0],
                    "advantage": float(tokens.mean()) if tokens.size else 0.0,
                }
            )
        return rows
