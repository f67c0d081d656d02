"""From problems to graded completions as arrays: the host's half of a step."""

import collections
import dataclasses
import time

import numpy as np

from reasoning_jax.rl.rewards import cluster_answers
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages.rl.fields import GREEDY, HOST
from reasoning_jax.stages.rollouts import collate
from reasoning_jax.stages.stage import Stage
from reasoning_jax.tools import tool_scalars
from reasoning_jax.types import Completion, Problem, Rollouts, Verdict
from reasoning_jax.verify.rewards import Reward, mean_parts


@dataclasses.dataclass(frozen=True)
class Collected:
    """The graded completions of one step.

    Attributes:
      problems: P of them.
      completions, verdicts, rewards: ``x[i][j]`` is of sample j of problem i; a reward is None
        where the completion is to be left out.
      rollouts: the same as NumPy arrays, with the optional fields that the host fills.
      metrics: names without prefix ``rl/``, but for times.
    """

    problems: list[Problem]
    completions: list[list[Completion]]
    verdicts: list[list[Verdict]]
    rewards: list[list[float | None]]
    rollouts: Rollouts
    metrics: dict[str, float]

    @property
    def tokens(self) -> int:
        """Tokens of all completions."""
        return sum(len(out.tokens) for outs in self.completions for out in outs)


class Collector:
    """Samples, verifies and rewards; fills those of the optional ``fields`` that are the host's."""

    def __init__(self, stage: Stage, reward: Reward, fields: tuple[str, ...]):
        self._stage, self._reward, self._fields = stage, reward, fields

    def __call__(self, params: dict, indices: np.ndarray, step: int) -> Collected:
        """The completions of the problems ``indices`` by the policy ``params``."""
        context, block = self._stage.context, self._stage.config
        started = time.monotonic()
        problems = [context.task.problem(block.split, int(index)) for index in indices]
        prompts = [context.tokenizer.encode_prompt(problem.prompt) for problem in problems]
        sampling = SamplingParams(
            max_tokens=block.max_tokens,
            temperature=block.temperature,
            n=block.group_size,
            seed=self._stage.seed(2, step),
        )
        # Answers are verified while others are sampled; time/verify is what that does not hide.
        sampler = context.sampler(params)
        stream = sampler.stream(prompts, sampling, indices.tolist())
        pending = context.verifier.start(context.task, problems, stream)
        completions = pending.completions
        if GREEDY in self._fields:
            greedy = dataclasses.replace(sampling, temperature=0.0, n=1)
            stream = sampler.stream(prompts, greedy, indices.tolist())
            greedy_pending = context.verifier.start(context.task, problems, stream)
        sampled = time.monotonic()

        verdicts = context.verifier.finish(pending)
        parts = self._parts(problems, completions, verdicts)
        rewards = [[self._reward.total(part) for part in row] for row in parts]
        rollouts = collate(prompts, completions, verdicts, rewards)
        fields = host_fields(completions, verdicts)
        rollouts = rollouts.replace(**{k: fields[k] for k in HOST if k in self._fields})
        metrics = self._metrics(completions, verdicts, parts)
        if GREEDY in self._fields:
            greedy_verdicts = context.verifier.finish(greedy_pending)
            parts = self._parts(problems, greedy_pending.completions, greedy_verdicts)
            values = [self._reward.total(row[0]) for row in parts]
            rollouts = with_greedy(rollouts, values)
            known = [value for value in values if value is not None]
            metrics["greedy_reward"] = float(np.mean(known)) if known else 0.0
        metrics |= {"time/sample": sampled - started, "time/verify": time.monotonic() - sampled}
        return Collected(problems, completions, verdicts, rewards, rollouts, metrics)

    def _parts(self, problems, completions, verdicts) -> list[list[dict[str, float | None]]]:
        return [
            [self._reward.parts(problem, out, verdict) for out, verdict in zip(outs, row)]
            for problem, outs, row in zip(problems, completions, verdicts)
        ]

    def _metrics(self, completions, verdicts, parts) -> dict[str, float]:
        reasons = collections.Counter(v.reason for row in verdicts for v in row)
        means = mean_parts(part for row in parts for part in row)
        return {
            **tool_scalars([out for outs in completions for out in outs]),
            **{f"verdict/{reason}": count for reason, count in sorted(reasons.items())},
            **{f"reward/{name}": value for name, value in means.items()},
        }


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


def with_greedy(rollouts: Rollouts, values: list[float | None]) -> Rollouts:
    """Rollouts with ``greedy_rewards``, one value per group; a group without leaves the loss."""
    known = np.array([value is not None for value in values])
    rewards = np.array([0.0 if value is None else value for value in values], np.float32)
    return rollouts.replace(
        greedy_rewards=rewards[rollouts.group_ids],
        row_mask=rollouts.row_mask & known[rollouts.group_ids],
    )
