"""Figures of a run, from the lines of its metrics.jsonl.

A figure is one panel with the axes always at the same place, so that a grid of them aligns. Every
stage gets the same width, its own steps under it; stages without the metrics are left out.
Matplotlib is imported on first use and never through pyplot: no global state, no display.
"""

import dataclasses
import io
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import accumulate, cycle
from typing import TYPE_CHECKING, Any

from reasoning_jax.evals.console import evaluation_names, headline_names, is_fraction, short_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Lines = Sequence[Mapping[str, Any]]

COLOURS = ("#2f80c8", "#d9772b", "#2a9d7f", "#c2528b", "#8a7fd1", "#9a8f3c")
"""Told apart by colour-blind readers; at least 3:1 on white and on near-black."""

INK = "#0f1419"
"""Text and axes; an SVG made for a page takes the colour of the page's text instead."""

STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "svg.fonttype": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "ytick.minor.size": 0,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.12,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "legend.columnspacing": 1.2,
    "legend.handletextpad": 0.5,
    "lines.solid_capstyle": "round",
}


@dataclasses.dataclass(frozen=True)
class Chart:
    """One chart of a report.

    Attributes:
      section: heading it stands under.
      title: what it shows.
      note: what a reader must know of it: units, bands, line styles.
      draw: makes the figure from metric lines; None where they lack the series.
      wide: whether it takes two columns.
    """

    section: str
    title: str
    note: str
    draw: "Callable[[Lines], Figure | None]"
    wide: bool = False


@dataclasses.dataclass(frozen=True)
class _Timeline:
    """Where a step of a stage lies on the horizontal axis: every stage with steps is one unit."""

    starts: Mapping[str, int]
    spans: Mapping[str, int]

    def position(self, stage: str, step: int) -> float:
        return self.starts[stage] + (step / self.spans[stage] if self.spans[stage] else 0.0)


def curves(
    lines: Lines, series: Mapping[str, str], scale: str = "linear", bottom: float | None = None
) -> "Figure | None":
    """Lines over steps; noisy ones as a running mean over the faint raw values.

    Args:
      lines: of metrics.jsonl.
      series: label to metric name; absent ones are skipped.
      scale: ``linear`` or ``log`` (values that are not positive leave a log axis).
      bottom: lower end of the vertical axis; chosen by the data when None.
    """
    positive = any((line.get(name) or 0.0) > 0 for line in lines for name in series.values())
    logarithmic = scale == "log" and positive  # an exact zero gap still deserves its chart

    def draw(axes: "Axes", timeline: _Timeline) -> None:
        for colour, (label, name) in zip(COLOURS, series.items()):
            for x, y in _by_stage(lines, name, timeline, logarithmic).values():
                _noisy(axes, x, y, color=colour, label=label)
                label = None
        axes.yaxis.set_major_formatter(lambda value, _: short_number(value))
        if logarithmic:
            _decades(axes)
        if bottom is not None:
            axes.set_ylim(bottom=bottom)

    return _figure(lines, series.values(), draw)


def mean_and_sd(lines: Lines, mean: str, sd: str) -> "Figure | None":
    """A mean over steps in a band of one standard deviation either side."""

    def draw(axes: "Axes", timeline: _Timeline) -> None:
        spread = _by_stage(lines, sd, timeline)
        for stage, (x, y) in _by_stage(lines, mean, timeline).items():
            if stage in spread and len(spread[stage][1]) == len(y):
                middle, half = _smooth(y), _smooth(spread[stage][1])
                low = [m - h for m, h in zip(middle, half)]
                high = [m + h for m, h in zip(middle, half)]
                axes.fill_between(x, low, high, color=COLOURS[0], alpha=0.16, linewidth=0)
            _noisy(axes, x, y, color=COLOURS[0])
        axes.yaxis.set_major_formatter(lambda value, _: short_number(value))

    return _figure(lines, [mean], draw)


def ratios(lines: Lines) -> "Figure | None":
    """Probability ratio of new to old policy; None where every step was strictly on-policy."""
    series = {"min": "rl/ratio_min", "mean": "rl/ratio_mean", "max": "rl/ratio_max"}
    values = [line[name] for line in lines for name in series.values() if line.get(name)]
    if all(abs(value - 1) < 1e-4 for value in values):
        return None
    return curves(lines, series, scale="log")


def accuracy(lines: Lines) -> "Figure | None":
    """Accuracy at every evaluation of the run, in per cent: sampled, greedy, majority, pass@k.

    Which of them, ``headline_names`` decides. Intervals, where logged, are upright bars.
    """
    names = [
        name
        for name in headline_names([line for line in lines if evaluation_names(line)])
        if is_fraction(name) and not name.endswith("truncated")
    ]

    def draw(axes: "Axes", timeline: _Timeline) -> None:
        for colour, marker, name in zip(cycle(COLOURS), cycle("osD^vP"), names):
            rows = [line for line in lines if line.get(name) is not None]
            x = [timeline.position(row["stage"], row["step"]) for row in rows]
            y = [100 * row[name] for row in rows]
            half = [100 * (row.get(f"{name}_interval") or 0.0) for row in rows]
            label = "sampled (pass@1)" if name == "eval/pass@1" else name.removeprefix("eval/")
            style = {"color": colour, "marker": marker, "ms": 3.4, "lw": 1.5, "clip_on": False}
            axes.errorbar(x, y, half, elinewidth=1.0, label=label, **style)
        axes.set_ylim(0, 100)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}%")

    return _figure(lines, names, draw, width=8.0)


def stacked(lines: Lines, series: Mapping[str, str], share: bool = False) -> "Figure | None":
    """Areas on top of each other; absent values count as zero; of each step's sum if ``share``."""

    def draw(axes: "Axes", timeline: _Timeline) -> None:
        for stage in timeline.starts:
            rows = [
                line
                for line in lines
                if line["stage"] == stage and any(line.get(n) is not None for n in series.values())
            ]
            x = [timeline.position(stage, line["step"]) for line in rows]
            parts = [[line.get(n) or 0.0 for line in rows] for n in series.values()]
            if share:
                totals = [sum(column) or 1.0 for column in zip(*parts)]
                parts = [[100 * v / t for v, t in zip(part, totals)] for part in parts]
            parts = [_smooth(part) for part in parts]
            labels = list(series) if stage == next(iter(timeline.starts)) else ()
            axes.stackplot(
                x, *parts, labels=labels, colors=COLOURS[: len(parts)], alpha=0.75, linewidth=0
            )
        axes.set_ylim(0, 100 if share else None)
        if share:
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}%")

    return _figure(lines, series.values(), draw)


def verdicts(lines: Lines) -> "Figure | None":
    """Share of each grader's reason among the completions of a step, the commonest six."""
    prefix, totals = "rl/verdict/", {}
    for line in lines:
        for name, value in line.items():
            if name.startswith(prefix):
                totals[name] = totals.get(name, 0.0) + (value or 0.0)
    commonest = sorted(totals, key=lambda name: -totals[name])[: len(COLOURS)]
    return stacked(lines, {n.removeprefix(prefix): n for n in commonest}, share=True)


CHARTS = (
    Chart(
        "Results",
        "Accuracy",
        "every evaluation of the run, stage by stage; bars: 95% interval",
        accuracy,
        wide=True,
    ),
    Chart(
        "Results",
        "Reward",
        "mean over completions; band: one standard deviation",
        partial(mean_and_sd, mean="rl/reward", sd="rl/reward_sd"),
    ),
    Chart(
        "Learning",
        "Supervised loss",
        "nats per token",
        partial(curves, series={"train/loss": "train/loss"}),
    ),
    Chart("Learning", "Policy loss", "", partial(curves, series={"policy loss": "rl/loss"})),
    Chart(
        "Learning",
        "Gradient norm",
        "before clipping; log axis",
        partial(curves, series={"sft": "train/grad_norm", "rl": "rl/grad_norm"}, scale="log"),
    ),
    Chart(
        "Policy",
        "Entropy",
        "nats per token",
        partial(curves, series={"entropy": "rl/entropy"}, bottom=0.0),
    ),
    Chart(
        "Policy", "KL to the reference", "nats per token", partial(curves, series={"kl": "rl/kl"})
    ),
    Chart(
        "Policy",
        "Clipped tokens",
        "share of tokens whose ratio left the trust region",
        partial(curves, series={"below": "rl/clip_low", "above": "rl/clip_high"}, bottom=0.0),
    ),
    Chart(
        "Policy",
        "Probability ratio",
        "new over old policy, per token; log axis",
        ratios,
    ),
    Chart(
        "Policy",
        "Sampler and trainer log-probability gap",
        "absolute, nats per token; log axis",
        partial(
            curves,
            series={"mean": "rl/logprob_gap_mean", "max": "rl/logprob_gap_max"},
            scale="log",
        ),
    ),
    Chart(
        "Policy",
        "Groups without signal",
        "all samples of a prompt rewarded alike",
        partial(curves, series={"zero variance": "rl/zero_variance_groups"}, bottom=0.0),
    ),
    Chart(
        "Responses",
        "Response length",
        "mean tokens; finished: not cut at the limit",
        partial(curves, series={"all": "rl/length", "finished": "rl/length_finished"}, bottom=0.0),
    ),
    Chart(
        "Responses",
        "Truncated",
        "share of responses cut at the limit",
        partial(curves, series={"truncated": "rl/truncated"}, bottom=0.0),
    ),
    Chart("Responses", "Verdicts", "share of completions by the rule that decided", verdicts),
    Chart(
        "Speed",
        "Time of a step",
        "seconds",
        partial(
            stacked,
            series={"sample": "time/sample", "verify": "time/verify", "update": "time/update"},
        ),
    ),
    Chart(
        "Speed",
        "Throughput",
        "tokens per second",
        partial(curves, series={"tokens/s": "perf/tokens_per_s"}, bottom=0.0),
    ),
)
"""The charts of a report, in reading order; a metric stands in one of them."""


def to_svg(figure: "Figure") -> str:
    """The figure as an ``<svg>`` element to stand in a page: transparent, ink in currentColor."""
    import matplotlib

    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    # The salt of clip path ids is fixed, so that equal runs give equal pages.
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "reasoning_jax"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r'<g id="[^"]*"', "<g", svg)


def _figure(
    lines: Lines,
    names: Collection[str],
    draw: "Callable[[Axes, _Timeline], None]",
    width: float = 3.8,
) -> "Figure | None":
    """One panel of ``width`` x 2.3 inches; None unless the metrics span at least two points."""
    rows = [line for line in lines if any(line.get(name) is not None for name in names)]
    timeline = _timeline(rows)
    if len({timeline.position(row["stage"], row["step"]) for row in rows}) < 2:
        return None
    import matplotlib
    from matplotlib.figure import Figure

    height = 2.3
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((0.48 / width, 0.5 / height, 1 - 0.56 / width, 1 - 0.7 / height))
        draw(axes, timeline)
        _name_steps(axes, timeline)
        axes.margins(x=0.02)
        if len(axes.get_legend_handles_labels()[1]) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=6, borderaxespad=0)
    return figure


def _timeline(lines: Lines) -> _Timeline:
    spans: dict[str, int] = {}
    for line in lines:
        spans[line["stage"]] = max(spans.get(line["stage"], 0), line["step"])
    starts, start = {}, 0
    for stage, span in spans.items():
        starts[stage] = start
        start += span > 0
    return _Timeline(starts, spans)


def _name_steps(axes: "Axes", timeline: _Timeline) -> None:
    """Each stage's steps and name under its part of the axis, a rule between stages."""
    from matplotlib.ticker import MaxNLocator

    stages = [stage for stage, span in timeline.spans.items() if span]
    locator = MaxNLocator(nbins=max(2, 6 // len(stages)), integer=True)
    ticks, labels = [], []
    for stage in stages:
        start, span = timeline.starts[stage], timeline.spans[stage]
        # The last tick of a stage would touch the zero of the next.
        end = span if stage == stages[-1] else 0.9 * span
        steps = [step for step in locator.tick_values(0, span) if 0 <= step <= end]
        ticks += [start + step / span for step in steps]
        labels += [f"{step:.0f}" for step in steps]
        axes.annotate(
            f"{stage} step",
            (start + 0.5, 0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(0, -18),
            textcoords="offset points",
            ha="center",
            va="top",
            alpha=0.6,
        )
        if start:
            axes.axvline(start, color=INK, linewidth=0.6, alpha=0.45, linestyle=(0, (3, 3)))
    axes.set_xticks(ticks, labels)


def _decades(axes: "Axes") -> None:
    """A log axis with ticks at powers of ten, and between them where it spans few."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    few = math.log10(high / low) < 2
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=6))
    axes.yaxis.set_major_formatter(lambda value, _: short_number(value))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _by_stage(
    lines: Lines, name: str, timeline: _Timeline, positive: bool = False
) -> dict[str, tuple[list[float], list[float]]]:
    """Positions and values of one metric, stage by stage; only positive values if asked."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for line in lines:
        value = line.get(name)
        if value is not None and (value > 0 or not positive):
            x, y = found.setdefault(line["stage"], ([], []))
            x.append(timeline.position(line["stage"], line["step"]))
            y.append(value)
    return found


def _noisy(
    axes: "Axes", x: Sequence[float], y: Sequence[float], color: str, label: str | None = None
) -> None:
    """A curve smoothed over its faint self; one too short to smooth is drawn once."""
    smooth = _smooth(y)
    if smooth != list(y):
        axes.plot(x, y, color=color, linewidth=0.7, alpha=0.3)
    axes.plot(x, smooth, color=color, linewidth=1.6, label=label)


def _smooth(values: Sequence[float]) -> list[float]:
    """Running mean over about a twentieth of the values, fewer at the ends; of 80 or more."""
    reach, count = len(values) // 40, len(values)
    if reach < 2:
        return list(values)
    sums = [0.0, *accumulate(values)]
    ends = [(max(0, i - reach + 1), min(count, i + reach)) for i in range(count)]
    return [(sums[high] - sums[low]) / (high - low) for low, high in ends]
