"""Charts of energy models: what thinking does, and with how long a step."""

from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

from reasoning_jax.evals.console import short_number
from reasoning_jax.evals.plots import COLOURS, STYLE, Chart, Lines, curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVE = "think/nll_"


def numbered(lines: Lines, prefix: str) -> "Figure | None":
    """Curves of ``prefix0``, ``prefix1``, ..., of which the first few are shown."""
    names = {name for line in lines for name in line if name.startswith(prefix)}
    ordered = sorted(names, key=lambda name: int(name.removeprefix(prefix)))
    return curves(lines, {name.removeprefix(prefix): name for name in ordered[: len(COLOURS)]})


def held_out_losses(lines: Lines) -> "Figure | None":
    """Held-out loss of one start, of the least energy among M, and of the mean of M logits."""
    series = {"one start": "eval/nll"}
    for label, prefix in (("least energy of", "eval/best_of_"), ("mean of", "eval/mean_of_")):
        for name in sorted({name for line in lines for name in line if name.startswith(prefix)}):
            series[f"{label} {name.removeprefix(prefix)}"] = name
    return curves(lines, series)


def thinking_curve(lines: Lines) -> "Figure | None":
    """Loss against the number of thoughts, at the last evaluation of every stage."""
    last = {line["stage"]: line for line in lines if f"{CURVE}0" in line}
    if not last:
        return None
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    width, height = 3.8, 2.3
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((0.48 / width, 0.5 / height, 1 - 0.56 / width, 1 - 0.7 / height))
        for colour, (stage, line) in zip(cycle(COLOURS), last.items()):
            found = {
                int(name.removeprefix(CURVE)): value
                for name, value in line.items()
                if name.startswith(CURVE) and value is not None
            }
            thoughts = sorted(found)
            values = [found[t] for t in thoughts]
            axes.plot(thoughts, values, color=colour, marker="o", ms=3.4, lw=1.5, label=stage)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(lambda value, _: short_number(value))
        axes.set_xlabel("thoughts")
        if len(last) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=6, borderaxespad=0)
    return figure


THINKING_CHARTS = (
    Chart(
        "Thinking",
        "Thinking curve",
        "held-out loss after so many thoughts, nats per token; last evaluation",
        thinking_curve,
    ),
    Chart("Thinking", "Held-out loss", "nats per token", held_out_losses),
    Chart(
        "Thinking",
        "Loss by thoughts",
        "training loss after each thought, nats per token",
        partial(numbered, prefix="train/nll_"),
    ),
    Chart(
        "Thinking",
        "Energy by thoughts",
        "before each thought",
        partial(numbered, prefix="train/energy_"),
    ),
    Chart(
        "Thinking",
        "Slope by thoughts",
        "norm of the gradient of the energy before each thought",
        partial(numbered, prefix="train/slope_"),
    ),
    Chart(
        "Thinking",
        "Step size",
        "of a thought; log axis",
        partial(curves, series={"step size": "train/step_size"}, scale="log"),
    ),
)
"""In reading order."""
