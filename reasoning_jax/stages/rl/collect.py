"""From problems to graded completions as arrays: the host's half of a step."""

import collections
import dataclasses
import time
from collections.abc import Callable, Iterator

import jax
import numpy as np

from reasoning_jax.rewards.steps import step_ends
from reasoning_jax.rl.rewards import cluster_answers
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.shapes import bucket
from reasoning_jax.stages.rl.fields import FEWEST, GREEDY, HOST, STEPS
from reasoning_jax.stages.rl.functions import Functions
from reasoning_jax.stages.rl.memory import Memory
from reasoning_jax.stages.rl.refill import refilled
from reasoning_jax.stages.rl.sampled import Sampled
from reasoning_jax.stages.rollouts import collate
from reasoning_jax.stages.stage import Stage
from reasoning_jax.tools import tool_scalars
from reasoning_jax.types import Completion, Rollouts, Verdict
from reasoning_jax.verify.rewards import mean_parts

# To look through for problems that may be taken.
_MOST_BATCHES = 1000


@dataclasses.dataclass(frozen=True)
class Collected:
    """What one step learns from.

    Attributes:
      sampled: its problems and completions.
      rollouts: the same as NumPy arrays, with the optional fields that the host fills.
      metrics: names without prefix ``rl/``, but for times; of all that was sampled.
      tokens: of all that was sampled.
    """

    sampled: Sampled
    rollouts: Rollouts
    metrics: dict[str, float]
    tokens: int


class Collector:
    """Samples, verifies and rewards; fills those of the optional ``fields`` that are the host's.

    Args:
      batches: gives more problems where those of a step are not enough.
      memory: of the steps before.
    """

    def __init__(
        self,
        stage: Stage,
        functions: Functions,
        fields: tuple[str, ...],
        batches: Iterator[np.ndarray],
        memory: Memory,
    ):
        self._stage, self._functions, self._fields = stage, functions, fields
        self._batches, self._memory = batches, memory
        self._keep = None if functions.refill is None else jax.jit(functions.refill)

    def __call__(self, params: dict, indices: np.ndarray, step: int) -> Collected:
        """The completions of the problems ``indices``, or more, by the policy ``params``."""
        times, asked = collections.Counter(), []

        def sample(indices: np.ndarray, turn: int) -> Sampled:
            indices = self._admitted(indices)
            asked.extend(indices.tolist())
            return self._sample(params, indices, (step, turn) if turn else (step,), times)

        every = sample(indices, 0)
        chosen, metrics = every, {}
        if self._keep is not None:
            refill = self._stage.config.refill
            every, chosen, surplus, metrics = refilled(
                every,
                lambda turn: sample(self._following(), turn),
                lambda sampled: self._keep(self._arrays(sampled)),
                most=refill.most,
                step=step,
            )
            waiting = [*self._memory.waiting, *(asked[place] for place in surplus)]
            self._memory.waiting = waiting[: refill.waiting]
        completions = [out for outs in every.completions for out in outs]
        tokens = sum(len(out.tokens) for out in completions)
        metrics = _metrics(every) | metrics | {f"time/{k}": v for k, v in times.items()}
        return Collected(chosen, self._arrays(chosen), metrics, tokens)

    def _following(self) -> np.ndarray:
        """The problems of another batch, those that wait first."""
        memory, wanted = self._memory, self._stage.config.prompts
        if len(memory.waiting) < wanted:
            memory.waiting += next(self._batches).tolist()
        following, memory.waiting = memory.waiting[:wanted], memory.waiting[wanted:]
        return np.array(following)

    def _admitted(self, indices: np.ndarray) -> np.ndarray:
        """As many problems that may be taken, of these and those that follow."""
        admit, wanted = self._functions.admit, len(indices)
        if admit is None:
            return indices
        context, split = self._stage.context, self._stage.config.split
        found: list[int] = []
        for _ in range(_MOST_BATCHES):
            found += [i for i in indices.tolist() if admit(context.task.problem(split, i))]
            if len(found) >= wanted:
                return np.array(found[:wanted])
            indices = next(self._batches)
        raise RuntimeError(
            f"admit lets only {len(found)} of {_MOST_BATCHES * wanted} problems of {split!r} pass, "
            f"fewer than prompts {wanted}; widen it"
        )

    def _sample(
        self, params: dict, indices: np.ndarray, seed: tuple[int, ...], times: collections.Counter
    ) -> Sampled:
        context, block = self._stage.context, self._stage.config
        started = time.monotonic()
        problems = [context.task.problem(block.split, int(index)) for index in indices]
        prompts = [context.tokenizer.encode_prompt(problem.prompt) for problem in problems]
        sampling = SamplingParams(
            max_tokens=block.max_tokens,
            temperature=block.temperature,
            n=block.group_size,
            seed=self._stage.seed(2, *seed),
        )
        # Answers are verified while others are sampled; time/verify is what that does not hide.
        sampler = context.sampler(params)
        stream = sampler.stream(prompts, sampling, indices.tolist())
        pending = context.verifier.start(context.task, problems, stream)
        completions, greedy = pending.completions, [None] * len(problems)
        if GREEDY in self._fields:
            one = dataclasses.replace(sampling, temperature=0.0, n=1)
            stream = sampler.stream(prompts, one, indices.tolist())
            greedy_pending = context.verifier.start(context.task, problems, stream)
        times["sample"] += time.monotonic() - started

        started, reward = time.monotonic(), self._functions.reward
        verdicts = context.verifier.finish(pending)
        parts = self._parts(problems, completions, verdicts)
        rewards = [[reward.total(part) for part in row] for row in parts]
        if GREEDY in self._fields:
            of_greedy = context.verifier.finish(greedy_pending)
            rows = self._parts(problems, greedy_pending.completions, of_greedy)
            greedy = [reward.total(row[0]) for row in rows]
        times["verify"] += time.monotonic() - started
        if FEWEST in self._fields:
            for problem, outs, row in zip(problems, completions, verdicts):
                self._memory.see_calls(problem.id, zip(outs, row))
        return Sampled(problems, prompts, completions, verdicts, parts, rewards, greedy)

    def _parts(self, problems, completions, verdicts) -> list[list[dict[str, float | None]]]:
        reward = self._functions.reward
        return [
            [_numbers(reward.parts(problem, out, verdict), out) for out, verdict in zip(outs, row)]
            for problem, outs, row in zip(problems, completions, verdicts)
        ]

    def _arrays(self, sampled: Sampled) -> Rollouts:
        rollouts = collate(sampled.prompts, sampled.completions, sampled.verdicts, sampled.rewards)
        fields = host_fields(sampled.completions, sampled.verdicts)
        rollouts = rollouts.replace(**{k: fields[k] for k in HOST if k in self._fields})
        if FEWEST in self._fields:
            known = self._memory.fewest_calls
            fewest = [
                known.get(p.id, -1)
                for p, outs in zip(sampled.problems, sampled.completions)
                for _ in outs
            ]
            rollouts = rollouts.replace(fewest_calls=np.array(fewest, np.int32))
        if GREEDY in self._fields:
            rollouts = with_greedy(rollouts, sampled.greedy)
        if set(STEPS) & set(self._fields):
            rollouts = rollouts.replace(**self._steps(sampled))
        return rollouts

    def _steps(self, sampled: Sampled) -> dict[str, np.ndarray]:
        context = self._stage.context
        rows = [
            (len(prompt), out, self._functions.steps_of(context.task, problem, out, verdict))
            for problem, prompt, outs, row in zip(
                sampled.problems, sampled.prompts, sampled.completions, sampled.verdicts
            )
            for out, verdict in zip(outs, row)
        ]
        fields = step_fields(rows, lambda out, steps: step_ends(context.tokenizer, out, steps))
        return {name: x for name, x in fields.items() if name in self._fields}


def host_fields(
    completions: list[list[Completion]], verdicts: list[list[Verdict]]
) -> dict[str, np.ndarray]:
    """Fields of Rollouts that completions and verdicts tell, by name; all [B]."""
    clusters = [cluster_answers([v.extracted or "" for v in row]) for row in verdicts]
    return {
        "tool_calls": np.array([len(out.calls) for outs in completions for out in outs], np.int32),
        "extracted": np.array([v.extracted is not None for row in verdicts for v in row]),
        "clusters": np.array([number for row in clusters for number in row], np.int32),
    }


def step_fields(
    rows: list[tuple[int, Completion, list[tuple[str, float]]]],
    ends_of: Callable[[Completion, list[str]], list[int]],
) -> dict[str, np.ndarray]:
    """The step fields of Rollouts from (length of the prompt, completion, labelled steps) rows.

    Args:
      ends_of: (completion, texts of its steps) -> positions of their last tokens in it.
    """
    width = bucket(max((len(steps) for _, _, steps in rows), default=1), 4)
    ends = np.zeros((len(rows), width), np.int32)
    mask = np.zeros((len(rows), width), bool)
    rewards = np.zeros((len(rows), width), np.float32)
    for row, (start, out, steps) in enumerate(rows):
        count = len(steps)
        mask[row, :count] = True
        ends[row, :count] = [start + end for end in ends_of(out, [text for text, _ in steps])]
        rewards[row, :count] = [reward for _, reward in steps]
    return {
        "step_ends": ends,
        "step_mask": mask,
        "step_rewards": rewards,
        "step_labels": rewards > 0,
    }


def with_greedy(rollouts: Rollouts, values: list[float | None]) -> Rollouts:
    """Rollouts with ``greedy_rewards``, one value per group; a group without leaves the loss."""
    known = np.array([value is not None for value in values])
    rewards = np.array([0.0 if value is None else value for value in values], np.float32)
    return rollouts.replace(
        greedy_rewards=rewards[rollouts.group_ids],
        row_mask=rollouts.row_mask & known[rollouts.group_ids],
    )


def _numbers(parts: dict[str, float | None], completion: Completion) -> dict[str, float | None]:
    """The terms of a reward as they are; ValueError where one is no number."""
    for name, value in parts.items():
        array = np.asarray(0.0 if value is None else value)
        if array.ndim or array.dtype.kind not in "biuf":
            raise ValueError(
                f"reward {name!r} of completion {completion.text!r} is {value!r}; a function gives "
                "one number, or None, for one completion"
            )
    return parts


def _metrics(sampled: Sampled) -> dict[str, float]:
    reasons = collections.Counter(v.reason for row in sampled.verdicts for v in row)
    means = mean_parts(part for row in sampled.parts for part in row)
    greedy = [value for value in sampled.greedy if value is not None]
    return {
        **tool_scalars([out for outs in sampled.completions for out in outs]),
        **{f"verdict/{reason}": count for reason, count in sorted(reasons.items())},
        **{f"reward/{name}": value for name, value in means.items()},
        **({"greedy_reward": float(np.mean(greedy))} if greedy else {}),
    }
