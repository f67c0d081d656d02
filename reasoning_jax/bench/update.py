"""The suite ``update``: optimiser steps of SFT, GRPO and DPO beside peers, and their memory."""

import dataclasses
from typing import Any

from reasoning_jax.bench import floors
from reasoning_jax.bench.arena import Arena, Contestant
from reasoning_jax.bench.folders import model_folder
from reasoning_jax.bench.rows import OURS, Case, comparison
from reasoning_jax.bench.settings import Settings
from reasoning_jax.bench.stage import Stage, open_stage
from reasoning_jax.bench.works import Work

PEERS = {
    "sft": ("transformers",),
    "grpo": ("transformers", "tunix"),
    "dpo": ("transformers", "trl", "tunix"),
}
"""Who has each; tunix's DPO scores with the reference at every step, the others once."""

REMAT = "full"
VOCABULARY = 151_936
_LARGE_HEAD = {"GRPO, 8 x 256 tokens": (8, 256), "DPO, 2 x 1024 tokens": (2, 1024)}


def run(settings: Settings) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of all cases, and what took part.

    - ``sft``, ``grpo``, ``dpo``: one step on the same rows with the same AdamW; the checks are
      norms of gradients.
    - ``remat``: GRPO with blocks computed again in the backward pass, beside ourselves without.
    - ``memory``: temporary memory of a gradient at a vocabulary of 150k, as the compiler plans it,
      with logits in chunks and whole.
    """
    folder = str(model_folder(settings.shape, settings.folders))
    rows: list[dict[str, Any]] = []
    with open_stage(settings) as stage:
        for task, having in PEERS.items():
            if settings.wants(task):
                work = _work(settings, task, folder)
                names = (OURS, *(peer for peer in settings.peers if peer in having))
                rows += _steps(stage, settings, task, dict.fromkeys(names, work))
        if settings.wants("remat"):
            work = _work(settings, "grpo", folder)
            again = dataclasses.replace(work, options={**work.options, "remat": REMAT})
            works = {OURS: work, f"{OURS}:remat {REMAT}": again}
            rows += _steps(stage, settings, "remat", works)
        about = stage.summary()
    if settings.wants("memory"):
        rows += _memory(settings)
    return rows, about


def _work(settings: Settings, task: str, folder: str) -> Work:
    load = settings.load
    return Work(
        task,
        folder,
        settings.sizes.dtype,
        load.update_rows,
        load.prompt,
        load.response,
        options={**settings.options, "micro_batches": load.update_parts},
    )


def _steps(
    stage: Stage, settings: Settings, name: str, works: dict[str, Work]
) -> list[dict[str, Any]]:
    stage.calibrate()
    runs = stage.run(tuple(works), works)
    work = works[OURS]
    floor = floors.update(settings.sizes, stage.calibrate(), work.rows, work.prompt, work.response)
    return comparison(Case(name, floor=floor), runs)


def _memory(settings: Settings) -> list[dict[str, Any]]:
    """``of_full`` is the share of what full logits need."""
    vocab_size = VOCABULARY if settings.shape != "tiny" else 512
    model = settings.sizes.model_fields() | {"vocab_size": vocab_size}
    contestant = Contestant(OURS, "reasoning_jax.bench.contestants.memory", ours=True)
    rows = []
    with Arena([contestant]) as arena:
        for case, (count, length) in _LARGE_HEAD.items():
            sizes = {}
            for logits in ("chunked", "full"):
                work = {"model": model, "rows": count, "length": length, "logits": logits}
                arena.prepare(OURS, logits, work | {"warm_ups": 0})
                sizes[logits] = arena.measure(OURS, logits).extra["temp_mb"]
            rows += [
                {"case": f"memory, {case}", "who": f"{OURS}:{logits} logits", "temp_mb": size}
                | {"of_full": size / sizes["full"]}
                for logits, size in sizes.items()
            ]
    return rows
