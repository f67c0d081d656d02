"""Rows as a picture: how many times as fast, and how near the floor; curves of sweeps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OWN, PEER, RULE = "#1f5a8a", "#c8702a", "#777777"


def draw(rows: Sequence[dict[str, Any]], title: str) -> "Figure | None":
    """Bars of ``times`` with their range, and of ``of_floor`` where rows have it; None without."""
    ratios = [row for row in rows if row.get("times") is not None]
    floors = [row for row in rows if row.get("of_floor") is not None]
    panels = [panel for panel in (ratios, floors) if panel]
    if not panels:
        return None
    from matplotlib.figure import Figure

    height = 0.9 + 0.32 * max(len(panel) for panel in panels)
    figure = Figure(figsize=(5.2 * len(panels), height), layout="constrained")
    figure.suptitle(title, fontsize=10)
    axes = iter(figure.subplots(1, len(panels), squeeze=False)[0])
    if ratios:
        _ratios(next(axes), ratios)
    if floors:
        _shares(next(axes), floors)
    return figure


def _ratios(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    places = range(len(rows), 0, -1)
    values = [row["times"] for row in rows]
    ends = [
        [value - row.get("low", value) for value, row in zip(values, rows)],
        [row.get("high", value) - value for value, row in zip(values, rows)],
    ]
    axes.barh(list(places), values, xerr=ends, color=OWN, height=0.6, error_kw={"lw": 1})
    axes.axvline(1, color=RULE, lw=0.8, ls="--")
    _label(axes, places, [f"{row['case']} / {row['who']}" for row in rows])
    for place, row in zip(places, rows):
        axes.text(_high(row), place, f"  {row['times']:.2f}", va="center", fontsize=8)
    axes.set_xlim(0, 1.15 * max(map(_high, rows)))
    axes.set_xlabel("ours is so many times as fast (median, range)", fontsize=8)


def _shares(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    places = range(len(rows), 0, -1)
    colours = [OWN if row["who"] == rows[0]["who"] else PEER for row in rows]
    shares = [100 * row["of_floor"] for row in rows]
    axes.barh(list(places), shares, color=colours, height=0.6)
    _label(axes, places, [f"{row['case']} / {row['who']}" for row in rows])
    for place, share in zip(places, shares):
        axes.text(share, place, f"  {share:.0f}", va="center", fontsize=8)
    axes.set_xlim(0, max(100, 1.15 * max(shares)))
    axes.set_xlabel("% of the speed at the machine's roofline", fontsize=8)


def _high(row: dict[str, Any]) -> float:
    return row.get("high", row["times"])


def _label(axes: Any, places: Sequence[int], names: Sequence[str]) -> None:
    axes.set_yticks(list(places), names, fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
