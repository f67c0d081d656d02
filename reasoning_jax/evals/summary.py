"""Several runs of one recipe, seed by seed: mean and spread of their evaluations."""

import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reasoning_jax.training.metrics import read_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# stage -> metric -> one value per run, of the stage's last evaluation
Values = dict[str, dict[str, list[float]]]


def last_evaluations(workdirs: Sequence[str | os.PathLike]) -> Values:
    """The last evaluation of every stage of every run: the metrics that all runs have of it.

    Raises:
      ValueError: no runs, or a stage that only some of them have evaluated.
    """
    if not workdirs:
        raise ValueError("no workdirs given: name the folders of at least one run")
    runs = [_evaluations(workdir) for workdir in workdirs]
    for workdir, run in zip(workdirs, runs):
        if run.keys() != runs[0].keys():
            raise ValueError(
                f"{workdir} evaluated {', '.join(run) or 'nothing'}, but {workdirs[0]} "
                f"{', '.join(runs[0]) or 'nothing'}; give finished runs of one recipe"
            )
    return {
        stage: {
            name: [run[stage][-1][name] for run in runs]
            for name in runs[0][stage][-1]
            if name.startswith("eval/") and not name.endswith("_interval")
            # A count of verdicts is there only where the reason was.
            if all(name in run[stage][-1] for run in runs)
        }
        for stage in runs[0]
    }


def table(values: Values, names: Sequence[str]) -> str:
    """A Markdown table, stages by metrics, in per cent: mean ± standard deviation over runs."""
    rows = [
        "| stage | " + " | ".join(name.removeprefix("eval/") for name in names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for stage, metrics in values.items():
        cells = [_cell(metrics[name]) if name in metrics else "" for name in names]
        rows.append(f"| {stage} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def accuracy_over_training(workdirs: Sequence[str | os.PathLike]) -> "Figure":
    """Sampled and greedy accuracy on held-out problems while training, every run and their mean.

    Each stage's last evaluation stands at the same place, so that runs of unequal length match.
    """
    from matplotlib.figure import Figure

    runs = [_evaluations(workdir) for workdir in workdirs]
    stages = [stage for stage in runs[0] if len(runs[0][stage]) > 1]
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    axes = figure.subplots()
    grid = np.linspace(0, 1, 101)
    for colour, name, label in (
        ("#2f6fb3", "eval/pass@1", "sampled"),
        ("#d9722e", "eval/greedy", "greedy"),
    ):
        for place, stage in enumerate(stages):
            curves = []
            for run in runs:
                steps = np.array([line["step"] for line in run[stage]], float)
                values = np.array([100 * line[name] for line in run[stage]])
                curves.append(np.interp(grid, steps / steps[-1], values))
                axes.plot(place + grid, curves[-1], color=colour, lw=0.8, alpha=0.35)
            axes.plot(
                place + grid,
                np.mean(curves, axis=0),
                color=colour,
                lw=2.2,
                label=f"{label}, mean of {len(runs)} seeds" if place == 0 else None,
            )
    axes.set_xticks([place + 0.5 for place in range(len(stages))], stages)
    for place in range(1, len(stages)):
        axes.axvline(place, color="0.6", lw=0.8)
    axes.set_xlim(0, len(stages))
    axes.set_ylim(0, 101)
    axes.set_ylabel("problems right, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    return figure


def _evaluations(workdir: str | os.PathLike) -> dict[str, list[dict[str, Any]]]:
    stages: dict[str, list[dict[str, Any]]] = {}
    for line in read_metrics(pathlib.Path(workdir)):
        if "eval/pass@1" in line:
            stages.setdefault(line["stage"], []).append(line)
    return stages


def _cell(values: Sequence[float]) -> str:
    mean = f"{100 * np.mean(values):.1f}"
    return mean if len(values) < 2 else f"{mean} ± {100 * np.std(values, ddof=1):.1f}"
