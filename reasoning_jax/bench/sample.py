"""The suite ``sample``: tokens a second of decoding, beside peers and our own plainer ways."""

import dataclasses
from typing import Any

from reasoning_jax.bench import floors
from reasoning_jax.bench.folders import model_folder
from reasoning_jax.bench.rows import OURS, Case, comparison
from reasoning_jax.bench.settings import Settings
from reasoning_jax.bench.stage import Stage, open_stage
from reasoning_jax.bench.works import Work

GROUP = 8


def run(settings: Settings) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of all cases, and what took part.

    - ``greedy``: whether all pick the same tokens, in float32; no figure.
    - ``temperature``, ``top-k top-p``: rows of one length, beside the peers.
    - ``lengths``: requests of geometric lengths through slots that are filled again, beside fixed
      batches that run until their longest row has ended.
    - ``group``: eight samples of each long prompt, asked for together, beside as many requests;
      of one prompt, and of several.
    - ``rows=N``: the sweep over batch sizes, beside transformers.
    """
    folder = str(model_folder(settings.shape, settings.folders))
    load = settings.load
    plain = Work("sample", folder, settings.sizes.dtype, load.rows, load.prompt, load.response)
    rows: list[dict[str, Any]] = []
    with open_stage(settings) as stage:
        if settings.wants("greedy") and settings.sizes.dtype == "float32":
            rows += _greedy(stage, settings, plain)
        if settings.wants("temperature"):
            rows += _beside_peers(stage, settings, "temperature", plain, settings.peers)
        if settings.wants("top-k top-p"):
            work = dataclasses.replace(plain, top_k=50, top_p=0.95)
            rows += _beside_peers(stage, settings, "top-k top-p", work, settings.peers)
        if settings.wants("lengths"):
            rows += _lengths(stage, settings, plain)
        if settings.wants("group"):
            for prompts in sorted({1, load.groups}):
                rows += _group(stage, settings, plain, prompts)
        some = [peer for peer in settings.peers if peer == "transformers"]
        for count in load.batches:
            if settings.wants("sweep"):
                work = dataclasses.replace(plain, rows=count)
                rows += _beside_peers(stage, settings, f"rows={count}", work, some)
        return rows, stage.summary()


def _beside_peers(
    stage: Stage, settings: Settings, name: str, work: Work, peers
) -> list[dict[str, Any]]:
    stage.calibrate()
    runs = stage.run((OURS, *peers), dict.fromkeys((OURS, *peers), work))
    machine = stage.calibrate()
    floor = floors.sampling(
        settings.sizes, machine, work.rows, work.prompt, work.response, distinct=work.rows
    )
    return comparison(Case(name, floor=floor), runs)


def _greedy(stage: Stage, settings: Settings, plain: Work) -> list[dict[str, Any]]:
    work = dataclasses.replace(plain, rows=8, response=8, temperature=0.0)
    names = (OURS, *settings.peers)
    runs = stage.run(names, dict.fromkeys(names, work), rounds=1, warm_ups=0)
    told = ("case", "who", "agrees")
    return [
        {key: row[key] for key in told if key in row} for row in comparison(Case("greedy"), runs)
    ]


def _lengths(stage: Stage, settings: Settings, plain: Work) -> list[dict[str, Any]]:
    load = settings.load
    work = dataclasses.replace(
        plain,
        task="stream",
        rows=load.rows * load.per_slot,
        response=load.most_tokens,
        slots=load.rows,
        options={"mean_length": load.mean_length},
    )
    fixed = dataclasses.replace(work, task="fixed")
    runs = stage.run(
        (OURS, f"{OURS}:fixed batches"),
        {OURS: work, f"{OURS}:fixed batches": fixed},
        rounds=min(settings.rounds, 3),
        warm_ups=1,
    )
    return comparison(Case("lengths"), runs)


def _group(stage: Stage, settings: Settings, plain: Work, prompts: int) -> list[dict[str, Any]]:
    load = settings.load
    work = dataclasses.replace(
        plain,
        rows=prompts * GROUP,
        group=GROUP,
        prompt=load.long_prompt,
        response=load.long_response,
    )
    apart = dataclasses.replace(work, shared=False)
    stage.calibrate()
    runs = stage.run(
        (OURS, f"{OURS}:apart"),
        {OURS: work, f"{OURS}:apart": apart},
        rounds=min(settings.rounds, 2),
        warm_ups=1,
    )
    floor = floors.sampling(
        settings.sizes, stage.calibrate(), work.rows, work.prompt, work.response, prompts
    )
    shape = f"{prompts} x {GROUP} x ({work.prompt} + {work.response})"
    rows = comparison(Case(f"group, prompts={prompts}", floor=floor), runs)
    return [{**row, "shape": shape} for row in rows]
