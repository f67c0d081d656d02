"""Spread and paired differences over seeds."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True)
class Difference:
    """A mean paired difference with its 95 % interval.

    Attributes:
      mean: of the differences; nan without a pair.
      half_width: of Student's interval t_{0.975, n-1} sd / √n; nan for fewer than two pairs.
      pairs: n, seeds that both arms have.
    """

    mean: float
    half_width: float
    pairs: int


def paired_difference(
    values: Sequence[float | None], baseline: Sequence[float | None]
) -> Difference:
    """values - baseline, seed by seed; None (a run that failed) leaves its pair out.

    Raises:
      ValueError: the two are not of one length.
    """
    if len(values) != len(baseline):
        raise ValueError(f"{len(values)} values against {len(baseline)} of the baseline")
    both = [(a, b) for a, b in zip(values, baseline) if a is not None and b is not None]
    differences = np.array([a - b for a, b in both], float)
    n = len(differences)
    if n < 2:
        return Difference(float(differences.mean()) if n else math.nan, math.nan, n)
    t = stats.t.ppf(0.975, n - 1)
    return Difference(
        float(differences.mean()), float(t * differences.std(ddof=1) / math.sqrt(n)), n
    )


def mean_and_sd(values: Sequence[float | None]) -> tuple[float, float]:
    """Mean and sample standard deviation without None; nan where there are too few."""
    present = np.array([value for value in values if value is not None], float)
    mean = float(present.mean()) if len(present) else math.nan
    return mean, float(present.std(ddof=1)) if len(present) > 1 else math.nan
