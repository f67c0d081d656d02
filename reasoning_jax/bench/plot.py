"""Rows as a picture: how many times as fast, how near the floor, and curves of what grows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"ours": "#1f5a8a", "peer": "#c8702a", "rule": "#777777"}
_MARKERS = "os^Dv"


def draw(rows: Sequence[dict[str, Any]], title: str) -> "Figure | None":
    """A panel for each kind of row there is; None where there is none.

    Bars of ``times`` with their range, bars of ``of_floor``, and a curve of tokens a second over
    ``x`` for each kind of work ``of`` and each ``over``.
    """
    curves = [row for row in rows if "x" in row]
    bars = [row for row in rows if "x" not in row]
    ratios = [row for row in bars if row.get("times") is not None]
    floors = [row for row in bars if row.get("of_floor") is not None]
    kinds = list(dict.fromkeys(row["over"] for row in curves))
    panels = [(_ratios, ratios), (_shares, floors)]
    panels += [(_curves, [row for row in curves if row["over"] == kind]) for kind in kinds]
    panels = [(fill, part) for fill, part in panels if part]
    if not panels:
        return None
    from matplotlib.figure import Figure

    longest = max((len(part) for fill, part in panels if fill is not _curves), default=6)
    figure = Figure(
        figsize=(4.6 * len(panels), max(2.6, 1.0 + 0.32 * longest)), layout="constrained"
    )
    figure.suptitle(title, fontsize=10)
    for axes, (fill, part) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels):
        fill(axes, part)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _ratios(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    places = _places(axes, rows)
    values = [row["times"] for row in rows]
    highs = [row.get("high", row["times"]) for row in rows]
    lows = [row.get("low", row["times"]) for row in rows]
    ends = [
        [value - low for value, low in zip(values, lows)],
        [high - value for value, high in zip(values, highs)],
    ]
    axes.barh(places, values, xerr=ends, color=COLOURS["ours"], height=0.6, error_kw={"lw": 1})
    axes.axvline(1, color=COLOURS["rule"], lw=0.8, ls="--")
    for place, value, high in zip(places, values, highs):
        axes.text(high, place, f"  {value:.2f}", va="center", fontsize=8)
    axes.set_xlim(0, 1.2 * max(highs))
    axes.set_xlabel("ours is so many times as fast (median, range)", fontsize=8)


def _shares(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    places = _places(axes, rows)
    own = rows[0]["who"].partition(":")[0]
    colours = [COLOURS["ours" if row["who"].startswith(own) else "peer"] for row in rows]
    shares = [100 * row["of_floor"] for row in rows]
    axes.barh(places, shares, color=colours, height=0.6)
    for place, share in zip(places, shares):
        axes.text(share, place, f"  {share:.0f}", va="center", fontsize=8)
    axes.set_xlim(0, max(100, 1.2 * max(shares)))
    axes.set_xlabel("% of the speed at the machine's roofline", fontsize=8)


def _curves(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    ticks = sorted({row["x"] for row in rows})
    for marker, of in zip(_MARKERS, dict.fromkeys(row["of"] for row in rows)):
        points = [(row["x"], row["tokens/s"]) for row in rows if row["of"] == of]
        axes.plot(*zip(*points), marker=marker, ms=4, lw=1.4, label=of)
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_ylim(bottom=0)
    axes.set_xlabel(rows[0]["over"], fontsize=8)
    axes.set_ylabel("tokens/s", fontsize=8)
    axes.legend(frameon=False, fontsize=8)


def _places(axes: Any, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Positions from the top down, named."""
    places = list(range(len(rows), 0, -1))
    axes.set_yticks(places, [f"{row['case']}\n{row['who']}" for row in rows])
    return places
