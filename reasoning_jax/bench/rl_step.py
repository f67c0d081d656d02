"""The suite ``rl_step``: whole steps of GRPO, and what of a step the host takes for itself."""

import dataclasses
import pathlib
import tempfile
from typing import Any

from reasoning_jax.bench.folders import model_folder
from reasoning_jax.bench.rows import OURS, Case, comparison
from reasoning_jax.bench.settings import Settings
from reasoning_jax.bench.stage import open_stage
from reasoning_jax.bench.works import Work

GROUP = 8
_WARM_UP_STEPS = 100
_QUICKSTART_STEPS = 4  # in a row; one takes half a second


def run(settings: Settings) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of all cases, and what took part.

    - ``grpo``: prompts of one length, groups of 8, a KL term with its reference; beside tunix.
    - ``quickstart``: that recipe's own model and task, whatever the shape.

    Tokens are those sampled at most. ``host`` is the share of a step that is neither sampling nor
    update: problems, verification that sampling does not hide, rewards, metrics, samples written.
    """
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch, open_stage(settings) as stage:
        for name in ("grpo", "quickstart"):
            if not settings.wants(name):
                continue
            work = {"grpo": _grpo, "quickstart": _quickstart}[name](settings)
            options = {**work.options, "workdir": str(pathlib.Path(scratch) / name)}
            work = dataclasses.replace(work, options=options)
            peers = [peer for peer in settings.peers if peer == "tunix" and name == "grpo"]
            runs = stage.run((OURS, *peers), dict.fromkeys((OURS, *peers), work))
            found = comparison(Case(name), runs)
            found[0] |= _shares(found[0], work.rounds)
            rows += found
            stage.restart(OURS)
        return rows, stage.summary()


def _grpo(settings: Settings) -> Work:
    load = settings.load
    return Work(
        "rl_step",
        str(model_folder(settings.shape, settings.folders)),
        settings.sizes.dtype,
        load.rows,
        load.prompt,
        load.response,
        GROUP if load.rows > GROUP else 2,
        options={**settings.options, "micro_batches": load.micro_batches},
    )


def _quickstart(settings: Settings) -> Work:
    small = settings.shape == "tiny"
    steps = 2 if small else _WARM_UP_STEPS
    return Work(
        "rl_step",
        folder="",
        rows=128 if small else 512,
        response=16,
        rounds=_QUICKSTART_STEPS,
        group=GROUP,
        options={"variant": "small" if small else "", "warm_up_steps": steps},
    )


def _shares(row: dict[str, Any], steps: int) -> dict[str, float]:
    """Shares of a step, from its times."""
    step = row["wall_s"] / steps
    shares = {name: row.pop(name) / step for name in ("sample", "update")}
    return {**shares, "host": 1 - shares["sample"] - shares["update"]}
