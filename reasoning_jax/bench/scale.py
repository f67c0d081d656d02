"""The suite ``scale``: what sampling and updates cost as batch, length and devices grow."""

import dataclasses
from typing import Any

from reasoning_jax.bench import floors
from reasoning_jax.bench.arena import Arena, Contestant, median
from reasoning_jax.bench.folders import model_folder
from reasoning_jax.bench.rows import OURS, Case, comparison
from reasoning_jax.bench.settings import Settings
from reasoning_jax.bench.stage import Stage, open_stage
from reasoning_jax.bench.works import Work

DEVICES = (1, 2, 4)
CANARY_STEPS = 100_000
_DEVICES_FLAG = "--xla_force_host_platform_device_count="


def run(settings: Settings) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of all cases, and what took part; ``x`` is what grows.

    - ``rows``: completions decoded at once, and rows of an update.
    - ``length``: tokens of a row, as many tokens in all of an update.
    - ``devices``: on CPU, simulated ones, which share its cores: more than there are cores show
      what sharding costs, not what it gains.
    - ``canary``: one-number updates of an array in a loop, n and 2n of them; ``growth`` near 2 is
      sound, near 4 means that whole arrays are written (jaxlib 0.11.1 on CPU).
    """
    rows: list[dict[str, Any]] = []
    with open_stage(settings) as stage:
        for case, works in _sweeps(settings).items():
            if settings.wants(case):
                for x, work in works:
                    rows += _row(stage, settings, case, x, work)
        about = stage.summary()
    if settings.wants("devices") and settings.sizes.dtype == "float32":
        rows += _devices(settings)
    if settings.wants("canary"):
        rows += _canary(settings)
    return rows, about


def _sweeps(settings: Settings) -> dict[str, list[tuple[int, Work]]]:
    folder = str(model_folder(settings.shape, settings.folders))
    load = settings.load
    plain = Work("sample", folder, settings.sizes.dtype, load.rows, load.prompt, load.response)
    grpo = dataclasses.replace(plain, task="grpo", rows=load.update_rows, options=settings.options)
    tokens = load.update_rows * (load.prompt + load.response)
    by_rows = [(n, dataclasses.replace(plain, rows=n)) for n in load.batches]
    # Rows of an update are split evenly over up to eight devices, where there may be so many.
    step = 8 if load.update_rows % 8 == 0 else 2
    some = load.update_rows
    by_rows += [(n, dataclasses.replace(grpo, rows=n)) for n in (some // 2, some, 2 * some)]
    by_length = [
        (n, dataclasses.replace(plain, rows=max(load.rows // 4, 2), response=n - load.prompt))
        for n in load.lengths
    ]
    by_length += [
        (n, dataclasses.replace(grpo, rows=rows, response=n - load.prompt))
        for n in load.lengths
        for rows in [max(tokens // n // step * step, step)]
    ]
    return {"rows": by_rows, "length": by_length}


def _row(stage: Stage, settings: Settings, case: str, x: int, work: Work) -> list[dict[str, Any]]:
    runs = stage.run((OURS,), {OURS: work}, rounds=min(settings.rounds, 2), warm_ups=1)
    sizes, machine = settings.sizes, stage.calibrate()
    if work.task == "sample":
        floor = floors.sampling(sizes, machine, work.rows, work.prompt, work.response, work.rows)
    else:
        floor = floors.update(sizes, machine, work.rows, work.prompt, work.response)
    name = f"{work.task}, {case}={x}"
    return [{**row, "x": x, "over": case, "of": work.task} for row in _of(name, floor, runs)]


def _of(name: str, floor: floors.Floor | None, runs: dict) -> list[dict[str, Any]]:
    return comparison(Case(name, floor=floor), runs)


def _devices(settings: Settings) -> list[dict[str, Any]]:
    """The plain works with so many simulated devices, in alternation."""
    folder = str(model_folder(settings.shape, settings.folders))
    load = settings.load
    plain = Work("sample", folder, settings.sizes.dtype, load.rows, load.prompt, load.response)
    works = (plain, dataclasses.replace(plain, task="grpo", rows=load.update_rows))
    ours = settings.contestant(OURS)
    contestants = [
        dataclasses.replace(ours, name=str(n), variables={"XLA_FLAGS": f"{_DEVICES_FLAG}{n}"})
        for n in DEVICES
    ]
    rows = []
    with Arena(contestants) as arena:
        for work in works:
            turns = [(contestant.name, work.task) for contestant in contestants]
            for turn in turns:
                arena.prepare(*turn, work.to_json() | {"warm_ups": 1})
            found = arena.alternate(turns, min(settings.rounds, 2))
            for name, task in turns:
                (row,) = _of(f"{task}, devices={name}", None, {OURS: found[name, task]})
                rows.append({**row, "x": int(name), "over": "devices", "of": task})
                arena.drop(name, task)
    return rows


def _canary(settings: Settings) -> list[dict[str, Any]]:
    """Time of n and 2n updates."""
    steps = CANARY_STEPS if settings.shape != "tiny" else 1000
    canary = Contestant("canary", "reasoning_jax.bench.contestants.canary", ours=True)
    with Arena([canary]) as arena:
        turns = [("canary", str(n)) for n in (steps, 2 * steps)]
        for who, key in turns:
            arena.prepare(who, key, {"steps": int(key)})
        found = arena.alternate(turns, max(settings.rounds, 5))
    once, twice = (median(found[turn]).wall for turn in turns)
    return [
        {"case": f"canary, {steps} updates", "who": OURS, "wall_s": once},
        {"case": f"canary, {2 * steps} updates", "who": OURS, "wall_s": twice}
        | {"growth": twice / once},
    ]
