"""Evaluating a policy on problems: sampled, greedy and voted accuracy."""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from reasoning_jax.evals.metrics import maj_at_k, mean_and_interval, pass_at_k
from reasoning_jax.sampling import Sampler, SamplingParams
from reasoning_jax.tasks import Task
from reasoning_jax.tools import tool_scalars
from reasoning_jax.types import Completion, Problem, Verdict
from reasoning_jax.verify.verifier import Verifier


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The outcome of an evaluation.

    Attributes:
      metrics: flat names, ``eval/pass@1`` and so on; an ``_interval`` is the half-width of the
        95 % interval clustered by problem.
      samples: one row per problem for ``samples/*.jsonl``: its first sampled completion.
    """

    metrics: dict[str, float]
    samples: list[dict]


def evaluate(
    sampler: Sampler,
    task: Task,
    problems: Sequence[Problem],
    sampling: SamplingParams,
    verifier: Verifier,
) -> Evaluation:
    """Samples ``sampling.n`` completions of every problem, and one greedy completion.

    ``pass@1`` is the mean over samples; ``pass@k`` the unbiased estimate and ``maj@k`` the
    majority vote, for k the powers of two up to n. An answer that cannot be judged counts as
    not right here and is reported by ``eval/unjudged``; ``eval/verdict/*`` counts the sampled
    answers by reason, ``eval/part/*`` is by part of a mixture. Answers are verified while others
    are sampled.

    Raises:
      TooManyFailures: more checks fail than the verifier allows.
    """
    prompts = [problem.prompt for problem in problems]
    pending = verifier.start(task, problems, sampler.stream(prompts, sampling))
    greedy = dataclasses.replace(sampling, temperature=0.0, n=1)
    greedy_pending = verifier.start(task, problems, sampler.stream(prompts, greedy))
    sampled, verdicts = pending.completions, verifier.finish(pending)
    greedy_verdicts = [row[0] for row in verifier.finish(greedy_pending)]

    right = np.array([[v.correct is True for v in row] for row in verdicts])
    greedy_right = np.array([[v.correct is True] for v in greedy_verdicts])
    completions = [out for outs in sampled for out in outs]
    metrics = {}
    metrics["eval/pass@1"], metrics["eval/pass@1_interval"] = mean_and_interval(right)
    metrics["eval/greedy"], metrics["eval/greedy_interval"] = mean_and_interval(greedy_right)
    metrics |= _by_part(problems, right)
    counts = right.sum(axis=1)
    for k in powers_of_two(sampling.n):
        metrics[f"eval/pass@{k}"] = float(
            pass_at_k(np.full(len(problems), sampling.n), counts, k).mean()
        )
        metrics[f"eval/maj@{k}"] = maj_at_k(
            [[v.extracted for v in row] for row in verdicts], right.tolist(), k
        )
    metrics["eval/truncated"] = float(np.mean([c.finish_reason == "length" for c in completions]))
    metrics["eval/length"] = float(np.mean([_written(c) for c in completions]))
    metrics["eval/unjudged"] = float(np.mean([v.correct is None for row in verdicts for v in row]))
    metrics["eval/problems"] = len(problems)
    metrics |= {f"eval/{name}": value for name, value in tool_scalars(completions).items()}
    reasons = collections.Counter(v.reason for row in verdicts for v in row)
    metrics |= {f"eval/verdict/{reason}": count for reason, count in sorted(reasons.items())}
    samples = [
        sample_row(problem, outs[0], row[0])
        for problem, outs, row in zip(problems, sampled, verdicts)
    ]
    return Evaluation(metrics, samples)


def _by_part(problems: Sequence[Problem], right: np.ndarray) -> dict[str, float]:
    """``eval/part/<name>/pass@1`` of each part of a mixture, nothing where there are none."""
    parts = collections.defaultdict(list)
    for problem, row in zip(problems, right):
        if "part" in problem.info:
            parts[problem.info["part"]].append(row.mean())
    return {f"eval/part/{name}/pass@1": float(np.mean(x)) for name, x in sorted(parts.items())}


def _written(completion: Completion) -> int:
    """How many tokens the policy sampled; results of tools are not its own."""
    return len(completion.tokens) if completion.sampled is None else sum(completion.sampled)


def sample_row(problem: Problem, completion: Completion, verdict: Verdict) -> dict:
    """One line of ``samples/*.jsonl``."""
    return {
        "problem": problem.id,
        "prompt": problem.prompt,
        "completion": completion.text if completion.transcript is None else completion.transcript,
        "gold": problem.answer,
        "verdict": verdict.correct,
        "reason": verdict.reason,
        "finish_reason": completion.finish_reason,
    }


def powers_of_two(n: int) -> list[int]:
    """The k of pass@k and the like: 2, 4, ... up to n."""
    return [1 << i for i in range(1, n.bit_length()) if 1 << i <= n]
