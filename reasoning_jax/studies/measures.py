"""Numbers of a run from the lines of its metrics.jsonl."""

from collections.abc import Callable

import numpy as np

from reasoning_jax.studies.study import Lines


def last(stage: str, name: str, absent: float | None = None) -> Callable[[Lines], float]:
    """The last value of a metric in a stage; ``absent`` where it was never logged, if given."""

    def of(lines: Lines) -> float:
        if absent is not None and not any(name in line for line in lines if line["stage"] == stage):
            return absent
        return series(lines, stage, name)[1][-1]

    return of


def curve_mean(stage: str, name: str) -> Callable[[Lines], float]:
    """The mean of a metric over a stage's steps (trapezia): high where it rises early."""

    def of(lines: Lines) -> float:
        steps, values = series(lines, stage, name)
        if steps[-1] == steps[0]:
            return values[-1]
        return float(np.trapezoid(values, steps) / (steps[-1] - steps[0]))

    return of


def ratio(above: Callable[[Lines], float], below: Callable[[Lines], float]) -> Callable:
    """The quotient of two measures; nan where the lower one is 0."""

    def of(lines: Lines) -> float:
        divisor = below(lines)
        return above(lines) / divisor if divisor else float("nan")

    return of


def series(lines: Lines, stage: str, name: str) -> tuple[list[int], list[float]]:
    """Steps and values of a metric in a stage, in order.

    Raises:
      ValueError: the stage never logged it.
    """
    rows = [line for line in lines if line["stage"] == stage and line.get(name) is not None]
    if not rows:
        stages = ", ".join(dict.fromkeys(line["stage"] for line in lines)) or "none"
        raise ValueError(f"no {name!r} in stage {stage!r}; the run has logged stages {stages}")
    return [row["step"] for row in rows], [row[name] for row in rows]


def spent(lines: Lines, stage: str) -> dict[str, float]:
    """What a stage used up: ``steps``, and ``completions`` and ``tokens`` it sampled to learn.

    Completions are counted by their verdicts, which each one has; tokens are completions times
    the mean length logged with them. Both are exact where every step is logged.
    """
    rows = [line for line in lines if line["stage"] == stage]
    verdicts = [
        sum(v for name, v in row.items() if name.startswith("rl/verdict/") and v) for row in rows
    ]
    lengths = [row.get("rl/length") or 0.0 for row in rows]
    return {
        "steps": float(max((row["step"] for row in rows), default=0)),
        "completions": float(sum(verdicts)),
        "tokens": float(sum(n * length for n, length in zip(verdicts, lengths))),
    }
