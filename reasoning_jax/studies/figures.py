"""Figures of a study: curves over training from least to largest seed, final values, pass@k."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reasoning_jax.evals.plots import COLOURS, INK, STYLE
from reasoning_jax.studies.measures import series
from reasoning_jax.studies.statistics import mean_and_sd
from reasoning_jax.studies.study import Curve, Lines, Measure, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# More arms than these get a panel each, with the baseline behind them.
_TOGETHER = len(COLOURS)
_PASS = "eval/pass@"


def figures(
    study: Study, results: Mapping[str, Any], runs: Mapping[str, Sequence[Lines]]
) -> dict[str, "Figure"]:
    """File stem -> figure; what no finished run has logged is left out.

    Args:
      runs: arm -> metric lines of its finished runs.
    """
    import matplotlib

    present = {name: lines for name, lines in runs.items() if lines}
    made: dict[str, Figure | None] = {}
    with matplotlib.rc_context(STYLE):
        for curve in study.curves:
            made[curve.label.replace(" ", "_")] = _curve(study, curve, present)
        made["final"] = _final(study, results)
        if study.pass_at_k:
            made["pass_at_k"] = _pass_at_k(study, present)
    return {stem: figure for stem, figure in made.items() if figure is not None}


def _curve(study: Study, curve: Curve, runs: Mapping[str, Sequence[Lines]]) -> "Figure | None":
    bands = {}
    for name, lines in runs.items():
        found = [_series(line, curve.stage, curve.name) for line in lines]
        if all(found):
            bands[name] = _band([pair for pair in found if pair], 100.0 if curve.unit == "%" else 1)
    unit = f"{curve.label}, {curve.unit}" if curve.unit else curve.label
    return _drawn(study, bands, f"{curve.stage} step", unit)


def _pass_at_k(study: Study, runs: Mapping[str, Sequence[Lines]]) -> "Figure | None":
    after, *before = study.pass_at_k
    bands = {name: _pass_band(lines, after) for name, lines in runs.items()}
    if before and study.baseline in runs:
        bands[before[0]] = _pass_band(runs[study.baseline], before[0])
    bands = {name: band for name, band in bands.items() if band is not None}
    figure = _drawn(study, bands, "k, samples", "pass@k, %")
    for axes in figure.axes if figure is not None else ():
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
    return figure


def _pass_band(runs: Sequence[Lines], stage: str) -> Any:
    curves = [_pass_curve(lines, stage) for lines in runs]
    return _band(curves, 100.0) if all(len(k) > 1 for k, _ in curves) else None


def _pass_curve(lines: Lines, stage: str) -> tuple[list[int], list[float]]:
    row = next((line for line in reversed(lines) if line["stage"] == stage), {})
    ends = {name.removeprefix(_PASS): value for name, value in row.items() if _PASS in name}
    points = sorted((int(end), value) for end, value in ends.items() if end.isdigit())
    return [k for k, _ in points], [value for _, value in points]


def _series(lines: Lines, stage: str, name: str) -> tuple[list[int], list[float]] | None:
    try:
        return series(lines, stage, name)
    except ValueError:
        return None  # an arm that has no such metric has no curve


def _band(
    curves: Sequence[tuple[Sequence[float], Sequence[float]]], scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Places that all curves reach; mean, least and largest of the curves there, interpolated."""
    end = min(x[-1] for x, _ in curves)
    grid = np.array([x for x in max((c[0] for c in curves), key=len) if x <= end], float)
    values = scale * np.array([np.interp(grid, x, y) for x, y in curves])
    return grid, values.mean(axis=0), values.min(axis=0), values.max(axis=0)


def _drawn(study: Study, bands: Mapping[str, Any], x_label: str, y_label: str) -> "Figure | None":
    if not bands:
        return None
    return (_together if len(bands) <= _TOGETHER else _apart)(study, bands, x_label, y_label)


def _together(study: Study, bands: Mapping[str, Any], x_label: str, y_label: str) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    for colour, (name, band) in zip(COLOURS, bands.items()):
        _line(axes, band, colour, name)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0)
    return figure


def _apart(study: Study, bands: Mapping[str, Any], x_label: str, y_label: str) -> "Figure":
    from matplotlib.figure import Figure

    others = [name for name in bands if name != study.baseline]
    columns = 4
    rows = math.ceil(len(others) / columns)
    figure = Figure(figsize=(8.4, 1.7 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for place, (axes, name) in enumerate(zip(panels, others)):
        axes.tick_params(labelbottom=place + columns >= len(others))  # nothing stands below
        if study.baseline in bands:
            _line(axes, bands[study.baseline], INK, None, alpha=0.5)
        _line(axes, bands[name], COLOURS[0], None)
        axes.set_title(name, fontsize=9, loc="left", pad=3)
    for axes in panels[len(others) :]:
        axes.set_visible(False)
    figure.supxlabel(f"{x_label} (grey: {study.baseline})", fontsize=9)
    figure.supylabel(y_label, fontsize=9)
    return figure


def _line(axes: "Axes", band: Any, colour: str, label: str | None, alpha: float = 1.0) -> None:
    x, mean, least, largest = band
    axes.fill_between(x, least, largest, color=colour, alpha=0.15 * alpha, linewidth=0)
    axes.plot(x, mean, color=colour, lw=1.6, alpha=alpha, label=label)


def _final(study: Study, results: Mapping[str, Any]) -> "Figure | None":
    """Every seed a dot, the mean a stroke; one panel a measure, arms in the first one's order."""
    from matplotlib.figure import Figure

    arms, first = results["arms"], study.measures[0].label
    means = {name: mean_and_sd(arm["measures"][first])[0] for name, arm in arms.items()}
    order = sorted((name for name, mean in means.items() if mean == mean), key=means.get)
    if not order:
        return None
    # What all arms share, such as the accuracy after a common warm-up, tells nothing of them.
    differing = [
        measure
        for measure in study.measures
        if len({str(arms[name]["measures"][measure.label]) for name in order}) > 1
    ]
    measures = (differing or study.measures)[:4]
    figure = Figure(
        figsize=(2.2 + 2.0 * len(measures), 0.8 + 0.3 * len(order)), layout="constrained"
    )
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axes, measure in zip(panels, measures):
        _final_panel(axes, measure, study.baseline, {name: arms[name] for name in order})
    panels[0].set_yticks(range(len(order)), order)
    return figure


def _final_panel(axes: "Axes", measure: Measure, baseline: str, arms: Mapping[str, Any]) -> None:
    for place, (name, arm) in enumerate(arms.items()):
        values = [v * measure.scale for v in arm["measures"][measure.label] if v is not None]
        if not values:
            continue
        colour = COLOURS[1] if name == baseline else COLOURS[0]
        mean, sd = mean_and_sd(values)
        axes.errorbar(mean, place, xerr=None if sd != sd else sd, color=colour, fmt="|", ms=9)
        axes.plot(values, [place] * len(values), "o", color=colour, ms=3, alpha=0.6)
        if name == baseline:
            axes.axvline(mean, color=colour, lw=0.8, alpha=0.5)
    axes.set_xlabel(f"{measure.label}, {measure.unit}" if measure.unit else measure.label)
    axes.grid(axis="x")
