"""What the runs of a study came to, as plain values for a JSON file."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from reasoning_jax.studies.jobs import cpu_seconds, is_finished
from reasoning_jax.studies.measures import spent
from reasoning_jax.studies.plan import Job
from reasoning_jax.studies.statistics import mean_and_sd, paired_difference
from reasoning_jax.studies.study import Study
from reasoning_jax.training.metrics import read_metrics

INTERVAL = "95 % interval of Student's t over paired differences, seed by seed"


def collect(
    study: Study, jobs: Sequence[Job], seeds: int, failures: Mapping[str, str]
) -> dict[str, Any]:
    """Measures, budgets and differences of every arm; None stands for a run that did not finish.

    Raises:
      ValueError: a finished run has not logged what a measure asks for.
    """
    found = {job.name: job for job in jobs}
    arms = {
        name: _arm(study, [found[f"{name}/seed{seed}"] for seed in range(seeds)])
        for name in study.arms
    }
    baseline = arms[study.baseline]
    for name, arm in arms.items():
        arm["differences"] = {} if name == study.baseline else _differences(arm, baseline)
        arm["budget_off"] = _budget_off(study, arm, baseline)
    return {
        "study": study.name,
        "question": study.question,
        "baseline": study.baseline,
        "seeds": list(range(seeds)),
        "budget": {
            "kind": study.budget.kind,
            "stage": study.budget.stage,
            "tolerance": study.budget.tolerance,
        },
        "interval": INTERVAL,
        "arms": arms,
        "warm_up_cpu_seconds": sum(cpu_seconds(job) for job in jobs if job.name not in _runs(arms)),
        "failures": dict(failures),
    }


def finished_lines(study: Study, jobs: Sequence[Job]) -> dict[str, list[list[dict]]]:
    """Arm -> the metric lines of its runs, of the seeds that all arms with any run have finished.

    Where there is no such seed an arm has all of its own.
    """
    runs: dict[str, dict[str, list[dict]]] = {name: {} for name in study.arms}
    for job in jobs:
        arm, _, seed = job.name.rpartition("/")
        if arm in runs and is_finished(job):
            runs[arm][seed] = read_metrics(job.workdir)
    have = [set(of_seed) for of_seed in runs.values() if of_seed]
    common = set.intersection(*have) if have else set()
    return {
        arm: [lines for seed, lines in of_seed.items() if seed in common or not common]
        for arm, of_seed in runs.items()
    }


def _runs(arms: Mapping[str, Any]) -> set[str]:
    return {name for arm in arms.values() for name in arm["runs"]}


def _arm(study: Study, jobs: Sequence[Job]) -> dict[str, Any]:
    measures: dict[str, list[float | None]] = {measure.label: [] for measure in study.measures}
    budget: dict[str, list[float | None]] = {}
    for job in jobs:
        done = is_finished(job)
        lines = read_metrics(job.workdir) if done else None
        for measure in study.measures:
            measures[measure.label].append(_value(study, measure, job, lines))
        used = spent(lines or (), study.budget.stage) | {"cpu_seconds": cpu_seconds(job)}
        for kind, value in used.items():
            budget.setdefault(kind, []).append(value if done else None)
    return {
        "runs": [job.name for job in jobs],
        "flags": [" ".join(job.flags) for job in jobs],
        "measures": measures,
        "budget": budget,
    }


def _value(study: Study, measure: Any, job: Job, lines: list[dict] | None) -> float | None:
    if lines is None:
        return None
    try:
        value = float(measure.of(lines))
    except ValueError as error:
        raise ValueError(
            f"study {study.name}: measure {measure.label!r} of {job.name}: {error}"
        ) from error
    return value if math.isfinite(value) else None


def _differences(arm: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, Any]:
    differences = {}
    for label, values in arm["measures"].items():
        difference = paired_difference(values, baseline["measures"][label])
        differences[label] = {
            "mean": _or_none(difference.mean),
            "half_width": _or_none(difference.half_width),
            "pairs": difference.pairs,
        }
    return differences


def _budget_off(study: Study, arm: Mapping[str, Any], baseline: Mapping[str, Any]) -> float | None:
    """Relative difference of the mean spending to the baseline's; None where one has not run."""
    kind = study.budget.kind
    spending, other = (mean_and_sd(one["budget"][kind])[0] for one in (arm, baseline))
    return _or_none(spending / other - 1) if other else None


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
