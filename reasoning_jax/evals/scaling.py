"""Scaling slopes: how fast what is left to learn shrinks, with an interval."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats


class PowerLaw(NamedTuple):
    """y = scale x^-exponent.

    Attributes:
      exponent: positive where y falls.
      interval: half the width of its 95 % interval; nan for two points.
      scale: y at x = 1.
      points: how many were fitted.
    """

    exponent: float
    interval: float
    scale: float
    points: int


def fit_power_law(x: Sequence[float], y: Sequence[float]) -> PowerLaw:
    """Least squares of log y on log x; the interval by Student's t.

    Give y as what can still be gained, such as the regret over a known entropy: a constant that
    stays in y bends the line and makes every exponent too small.

    Raises:
      ValueError: fewer than two different x, or a number that is not positive.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(set(x.tolist())) < 2:
        raise ValueError(f"a slope needs two different x; there are {sorted(set(x.tolist()))}")
    if (x <= 0).any() or (y <= 0).any():
        raise ValueError("a power law is of positive numbers; take the floor off only where known")
    log_x, log_y = np.log(x), np.log(y)
    slope, offset = np.polyfit(log_x, log_y, 1)
    left = log_y - slope * log_x - offset
    free = len(x) - 2
    spread = np.sum(np.square(log_x - log_x.mean()))
    half = np.nan
    if free:
        half = stats.t.ppf(0.975, free) * np.sqrt(np.sum(np.square(left)) / free / spread)
    return PowerLaw(float(-slope), float(half), float(np.exp(offset)), len(x))


def regret_over_data(
    lines: Sequence[Mapping[str, Any]], stage: str, first: int = 0
) -> tuple[list[int], list[float]]:
    """(updates, regret) of the evaluations of a stage from step ``first`` on."""
    found = [
        (line["step"], line["eval/regret"])
        for line in lines
        if line["stage"] == stage and line.get("eval/regret") is not None and line["step"] >= first
    ]
    return [step for step, _ in found], [regret for _, regret in found]
