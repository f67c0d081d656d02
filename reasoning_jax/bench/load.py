"""The suite ``load``: models in and out of files, and the start of a process."""

import dataclasses
import tempfile
from typing import Any

from reasoning_jax.bench.arena import Arena, Contestant
from reasoning_jax.bench.folders import model_folder
from reasoning_jax.bench.rows import OURS, Case, comparison
from reasoning_jax.bench.settings import Settings
from reasoning_jax.bench.works import Work

_FILES = "reasoning_jax.bench.contestants.files"
_WAYS = ("read hf", "write hf", "read orbax", "write orbax")


def run(settings: Settings) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of all cases, and what took part.

    - ``files``: bytes of parameters a second, beside reading the files raw, warm in the page cache.
    - ``start``: seconds from a new process to its first batch of completions, with an empty cache
      of compiled programs and with the one that this left.
    """
    rows: list[dict[str, Any]] = []
    if settings.wants("files"):
        rows += _files(settings)
    if settings.wants("start"):
        rows += _start(settings)
    return rows, {}


def _files(settings: Settings) -> list[dict[str, Any]]:
    folder = str(model_folder(settings.shape, settings.folders).resolve())
    with Arena([Contestant(OURS, _FILES, ours=True)]) as arena:
        turns = [(OURS, task) for task in ("raw read", *_WAYS)]
        for who, task in turns:
            arena.prepare(who, task, {"folder": folder, "task": task, "warm_ups": 1})
        found = arena.alternate(turns, settings.rounds)
        for turn in turns:
            arena.drop(*turn)
    runs = {f"{OURS}:{task}": measurements for (_, task), measurements in found.items()}
    rows = comparison(Case("files", unit="bytes/s"), runs, reference=f"{OURS}:raw read")
    for row in rows:
        row["MB/s"] = row.pop("bytes/s") / 1e6
        # Reading raw bytes is the floor here: what is slower than it is below 1.
        row["of_raw"] = 1 / row.pop("times") if "times" in row else 1.0
        for name in ("low", "high", "cpu_times", "agrees"):
            row.pop(name, None)
    return rows


def _start(settings: Settings) -> list[dict[str, Any]]:
    folder = str(model_folder(settings.shape, settings.folders))
    load = settings.load
    work = Work("sample", folder, settings.sizes.dtype, load.rows, load.prompt, load.response)
    seconds = []
    with tempfile.TemporaryDirectory() as cache:
        contestant = dataclasses.replace(
            settings.contestant(OURS), variables={"JAX_COMPILATION_CACHE_DIR": cache}
        )
        for _ in range(2):
            with Arena([contestant]) as arena:
                about = arena.prepare(OURS, "start", work.to_json() | {"warm_ups": 1})
            seconds.append(about["seconds"])
    cold, cached = seconds
    return [
        {"case": "start", "who": f"{OURS}:cached", "wall_s": cached},
        {"case": "start", "who": f"{OURS}:cold", "wall_s": cold, "times": cold / cached},
    ]
