"""The Markdown page of a study's results."""

from collections.abc import Mapping
from typing import Any

from reasoning_jax.studies.statistics import mean_and_sd
from reasoning_jax.studies.study import Measure, Study


def page(study: Study, results: Mapping[str, Any]) -> str:
    """Question, table, budgets, failures."""
    parts = [f"# {study.name}", "", study.question, "", table(study, results), ""]
    parts += [_legend(study, results), ""]
    parts += _budgets(study, results)
    if results["failures"]:
        parts += ["", "Runs that failed:", ""]
        parts += [f"- `{name}`: {_first_line(why)}" for name, why in results["failures"].items()]
    return "\n".join(parts) + "\n"


def table(study: Study, results: Mapping[str, Any]) -> str:
    """Arms by measures: mean ± sd over seeds, and the paired difference with its interval."""
    heads = [cell for measure in study.measures for cell in (_heading(measure), "Δ")]
    rows = [f"| arm | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name, arm in results["arms"].items():
        cells = []
        for measure in study.measures:
            cells.append(_mean_cell(measure, arm["measures"][measure.label]))
            cells.append(_difference_cell(measure, arm["differences"].get(measure.label)))
        label = f"**{name}** (baseline)" if name == results["baseline"] else name
        rows.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _heading(measure: Measure) -> str:
    return f"{measure.label}, {measure.unit}" if measure.unit else measure.label


def _mean_cell(measure: Measure, values: list[float | None]) -> str:
    mean, sd = (measure.scale * value for value in mean_and_sd(values))
    missing = sum(value is None for value in values)
    if missing == len(values):
        return "none"
    text = _number(mean) if sd != sd else f"{_number(mean)} ± {_number(sd)}"
    return f"{text} ({len(values) - missing} of {len(values)} runs)" if missing else text


def _difference_cell(measure: Measure, difference: Mapping[str, Any] | None) -> str:
    if difference is None or difference["mean"] is None:
        return ""
    mean = measure.scale * difference["mean"]
    if difference["half_width"] is None:
        return _number(mean, "+")
    half = measure.scale * difference["half_width"]
    clear = "**" if abs(mean) > half else ""
    return f"{clear}{_number(mean, '+')} [{_number(mean - half)}, {_number(mean + half)}]{clear}"


def _number(value: float, sign: str = "") -> str:
    """Enough places to tell values apart: 93.9, 0.294, 0.0021."""
    places = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:{sign}.{places}f}"


def _legend(study: Study, results: Mapping[str, Any]) -> str:
    seeds = len(results["seeds"])
    return (
        f"Mean ± standard deviation over {seeds} seed{'s' * (seeds != 1)}; Δ: mean paired "
        f"difference to `{study.baseline}` with the {results['interval']}; bold where it leaves "
        "out 0."
    )


def _budgets(study: Study, results: Mapping[str, Any]) -> list[str]:
    """Whether all spent alike, and what each spent."""
    kind, tolerance = study.budget.kind, study.budget.tolerance
    off = {
        name: arm["budget_off"]
        for name, arm in results["arms"].items()
        if arm["budget_off"] is not None and abs(arm["budget_off"]) > tolerance
    }
    where = "the run" if kind == "cpu_seconds" else f"stage `{study.budget.stage}`"
    unequal = ", ".join(f"{name} {100 * value:+.0f} %" for name, value in off.items())
    rows = [
        f"Budget: {kind.replace('_', ' ')} of {where}, equal within {100 * tolerance:.0f} %"
        + (f", but for {unequal}." if off else "."),
        "",
        "| arm | steps | completions | tokens | CPU-seconds |",
        "|---|---|---|---|---|",
    ]
    for name, arm in results["arms"].items():
        means = [mean_and_sd(values)[0] for values in arm["budget"].values()]
        cells = ["" if value != value else f"{value:,.0f}" for value in means]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    if results["warm_up_cpu_seconds"]:
        rows += ["", f"Shared warm-ups took {results['warm_up_cpu_seconds']:.0f} CPU-seconds more."]
    return rows


def _first_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("error: ")]
    return told[-1] if told else lines[0]
