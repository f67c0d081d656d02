"""Figures of merit of sampled answers. P problems, n samples of each; plain NumPy."""

import collections
import math
from collections.abc import Hashable, Sequence

import numpy as np


def pass_at_k(n: np.ndarray, c: np.ndarray, k: int) -> np.ndarray:
    """Unbiased chance that k of the n samples hold a correct one (arXiv 2107.03374).

    1 - C(n-c, k)/C(n, k) = 1 - Π_{j<k} (n-c-j)/(n-j), for each problem.

    Args:
      n: [P] or scalar, samples taken.
      c: [P] or scalar, samples correct.
      k: samples one is allowed.

    Raises:
      ValueError: not 1 <= k <= n, or not 0 <= c <= n.
    """
    n, c = np.broadcast_arrays(np.asarray(n), np.asarray(c))
    if np.any(n < k) or k < 1:
        raise ValueError(f"k is {k}; it must lie between 1 and the samples taken, {n.min()}")
    if np.any((c < 0) | (c > n)):
        raise ValueError(f"correct counts {c} must lie between 0 and the samples taken, {n}")
    j = np.arange(k)
    return 1 - np.prod(np.maximum((n - c)[..., None] - j, 0) / (n[..., None] - j), axis=-1)


def majority_vote(answers: Sequence[Hashable | None]) -> Hashable | None:
    """The most frequent answer; of equally frequent ones that seen first.

    None does not vote; without a vote the result is None. Answers are canonical: equal ones
    compare equal.
    """
    votes = collections.Counter(answer for answer in answers if answer is not None)
    return max(votes, key=votes.get, default=None)


def maj_at_k(
    answers: Sequence[Sequence[Hashable | None]], correct: Sequence[Sequence[bool]], k: int
) -> float:
    """Share of problems whose ``majority_vote`` over the first k samples is correct.

    Args:
      answers: [P][n] canonical answers, None where there is none.
      correct: [P][n] whether that answer is right; unjudged counts as wrong.
      k: samples that vote.

    Raises:
      ValueError: k is below 1 or a problem has fewer than k samples, or there is no problem.
    """
    if not answers:
        raise ValueError("no problems to vote on")
    right = 0
    for problem, (samples, verdicts) in enumerate(zip(answers, correct, strict=True)):
        if not 1 <= k <= len(samples):
            raise ValueError(f"k is {k}; problem {problem} has {len(samples)} samples")
        winner = majority_vote(samples[:k])
        right += winner is not None and bool(verdicts[list(samples).index(winner)])
    return right / len(answers)


def mean_and_interval(correct: np.ndarray) -> tuple[float, float]:
    """Mean of ``correct`` [P, n] and half the width of its 95 % interval, problems as clusters.

    1.96 sd / √P over the P means of n samples: the spread of the problems and that of the
    finitely many samples of each are both in it. The half-width is nan for one problem, which
    shows no spread.
    """
    means = np.asarray(correct, float).mean(axis=1)
    if len(means) < 2:
        return float(means.mean()), math.nan
    return float(means.mean()), float(1.96 * means.std(ddof=1) / math.sqrt(len(means)))


def content_entropy(groups: Sequence[Sequence[Hashable]], *, base: float = 2.0) -> np.ndarray:
    """[P] entropy of the answers chosen over reordered variants of each question.

    Answers are contents, not option letters, so that a model that follows the content has
    entropy 0. ``base`` 2 gives bits, ``math.e`` nats.
    """

    def entropy(group: Sequence[Hashable]) -> float:
        shares = np.array(list(collections.Counter(group).values())) / len(group)
        return float(np.sum(shares * np.log(1 / shares)) / math.log(base))

    return np.array([entropy(group) for group in groups])


def version_accuracy(correct: np.ndarray) -> dict[str, float]:
    """UGMathBench's figures (arXiv 2501.13766) from ``correct`` [P, V], V versions a problem.

    AAcc is the mean over all, EAcc the share of problems right in every version, CAcc in at least
    one; Delta = AAcc - EAcc; RE = Delta / EAcc, which is inf (nan where Delta is 0 too) if no
    problem is right throughout.
    """
    correct = np.asarray(correct, bool)
    average, effective = correct.mean(), correct.all(axis=1).mean()
    delta = average - effective
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.divide(delta, effective)
    figures = {
        "AAcc": average,
        "EAcc": effective,
        "CAcc": correct.any(axis=1).mean(),
        "Delta": delta,
        "RE": relative,
    }
    return {name: float(value) for name, value in figures.items()}
