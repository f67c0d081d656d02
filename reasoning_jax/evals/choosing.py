"""How often one answer of several is chosen rightly, by scores. P problems, n answers each."""

import collections
from collections.abc import Hashable, Sequence

import numpy as np

from reasoning_jax.rl.rewards import pessimistic_scores


def best_at_k(scores: np.ndarray, right: np.ndarray, k: int) -> float:
    """Share of problems whose highest-scored answer of the first k is right; the first of equals.

    Args:
      scores, right: [P, n].

    Raises:
      ValueError: k is not within 1 to n.
    """
    _check(k, scores.shape[1])
    best = np.asarray(scores)[:, :k].argmax(axis=1)
    return float(np.asarray(right)[np.arange(len(best)), best].mean())


def weighted_vote(answers: Sequence[Hashable | None], weights: Sequence[float]) -> Hashable | None:
    """The answer whose weights sum highest, the first of equals; None has no vote."""
    votes: dict[Hashable, float] = collections.defaultdict(float)
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            votes[answer] += weight
    return max(votes, key=votes.get, default=None)


def weighted_at_k(
    answers: Sequence[Sequence[Hashable | None]], weights: np.ndarray, right: np.ndarray, k: int
) -> float:
    """Share of problems whose ``weighted_vote`` over the first k answers is right.

    Raises:
      ValueError: k is not within 1 to n.
    """
    _check(k, weights.shape[1])
    hits = 0
    for of_problem, of_weights, of_right in zip(answers, weights, right, strict=True):
        winner = weighted_vote(of_problem[:k], of_weights[:k])
        hits += winner is not None and bool(of_right[list(of_problem).index(winner)])
    return hits / len(answers)


def pessimistic_choice(
    answers: Sequence[Hashable | None], verdicts: Sequence[Sequence[float]], *, alpha: float
) -> Hashable | None:
    """The answer of N solutions that M verdicts on each speak for (arXiv 2504.10337).

    Its mean verdict less alpha ln(N M) / (N_a M + 1), where N_a solutions have that answer: alpha 0
    chooses by verdict alone, a large one by majority. The first of equals; None where no solution
    has an answer.

    Args:
      verdicts: [N][M] in [0, 1], 1 for right.
    """
    of_answer: dict[Hashable, list[Sequence[float]]] = {}
    for answer, row in zip(answers, verdicts, strict=True):
        if answer is not None:
            of_answer.setdefault(answer, []).append(row)
    if not of_answer:
        return None
    found = pessimistic_scores(
        np.array([np.mean(rows) for rows in of_answer.values()]),
        np.array([len(rows) for rows in of_answer.values()]),
        verdicts_each=len(verdicts[0]),
        alpha=alpha,
    )
    return list(of_answer)[int(np.argmax(found))]


def pair_accuracy(scores: np.ndarray, right: np.ndarray, mask: np.ndarray) -> float:
    """Share of pairs of a right and a wrong answer to one problem that are ordered rightly.

    Ties are half; nan where there is no pair. All [P, n].
    """
    pairs = (right & mask)[:, :, None] & (~right & mask)[:, None, :]
    gaps = scores[:, :, None] - scores[:, None, :]
    ordered = (gaps > 0) + 0.5 * (gaps == 0)
    return float(ordered[pairs].mean()) if pairs.any() else float("nan")


def _check(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"k is {k}; there are {n} answers to a problem")
