"""The suite ``update``: optimiser steps of SFT, GRPO and DPO beside peers, and their memory."""

from typing import Any

from reasoning_jax.bench import floors
from reasoning_jax.bench.folders import model_folder
from reasoning_jax.bench.rows import OURS, Case, comparison
from reasoning_jax.bench.settings import Settings
from reasoning_jax.bench.stage import open_stage
from reasoning_jax.bench.works import Work

TASKS = {
    "sft": ("transformers",),
    "grpo": ("transformers", "tunix"),
    "dpo": ("transformers", "tunix"),
}
"""Peers that have each; tunix's DPO scores with the reference at every step, the others once."""


def run(settings: Settings) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of all cases, and what took part.

    - ``sft``, ``grpo``, ``dpo``: one step on the same rows with the same AdamW; the checks are
      norms of gradients.
    """
    folder = str(model_folder(settings.shape, settings.folders))
    load, sizes = settings.load, settings.sizes
    rows: list[dict[str, Any]] = []
    with open_stage(settings) as stage:
        for task, having in TASKS.items():
            if not settings.wants(task):
                continue
            work = Work(task, folder, sizes.dtype, load.update_rows, load.prompt, load.response)
            names = (OURS, *(peer for peer in settings.peers if peer in having))
            stage.calibrate()
            runs = stage.run(names, dict.fromkeys(names, work))
            floor = floors.update(sizes, stage.calibrate(), work.rows, work.prompt, work.response)
            rows += comparison(Case(task, floor=floor), runs)
        return rows, stage.summary()
