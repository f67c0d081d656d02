"""Rows of a benchmark: what contestants took for one case, beside a floor and beside each other."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from reasoning_jax.bench.arena import Measurement, compare, median
from reasoning_jax.bench.floors import Floor

OURS = "reasoning_jax"
TOLERANCE = 1e-3  # of checks, relative: the same work gives the same numbers


@dataclasses.dataclass(frozen=True)
class Case:
    """One piece of work that contestants share.

    Attributes:
      name: as tables and stored ratios call it.
      unit: of the figure, per second.
      floor: at the machine's roofline, or None where nothing is counted.
    """

    name: str
    unit: str = "tokens/s"
    floor: Floor | None = None


def comparison(
    case: Case, runs: Mapping[str, Sequence[Measurement]], reference: str = OURS
) -> list[dict[str, Any]]:
    """One row for each contestant, the reference first.

    ``times`` is how many times as fast the reference is, the median of the ratios of all pairs of
    runs, with ``low`` and ``high``; ``agrees`` whether a peer's check equals the reference's.
    """
    rows = []
    for name, measurements in runs.items():
        middle = median(measurements)
        row = {
            "case": case.name,
            "who": name,
            case.unit: middle.tokens / middle.wall,
            "wall_s": middle.wall,
            "cpu_s": middle.cpu,
            "peak_mb": middle.peak_mb,
        }
        if case.floor is not None:
            row["floor_s"] = case.floor.seconds
            row["of_floor"] = case.floor.seconds / middle.wall
            row["tflops"] = case.floor.flops / middle.wall / 1e12
        if name != reference:
            pairs = compare(runs[reference], measurements)
            row |= {"times": pairs.ratio, "low": pairs.low, "high": pairs.high}
            row["cpu_times"] = pairs.cpu_ratio
            row["agrees"] = agrees(runs[reference][0].check, measurements[0].check)
        rows.append(row | middle.extra)
    return rows


def agrees(own: float | None, other: float | None) -> bool | None:
    """Whether two checks are equal up to rounding; None where there is none."""
    if own is None or other is None:
        return None
    return math.isclose(own, other, rel_tol=TOLERANCE)
