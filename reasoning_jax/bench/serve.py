"""The suite ``serve``: the server under concurrent clients, beside the engine alone."""

from typing import Any

from reasoning_jax.bench.arena import Arena, Contestant
from reasoning_jax.bench.folders import model_folder
from reasoning_jax.bench.rows import OURS, Case, comparison
from reasoning_jax.bench.settings import Settings
from reasoning_jax.bench.works import Work

SERVER = f"{OURS}:launch.serve"


def run(settings: Settings) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The case ``clients``: as many as there are rows, each with one request of its own.

    ``share`` is the server's throughput over the engine's on the same rows, run in turn.
    """
    folder = model_folder(settings.shape, settings.folders).resolve()
    load, sizes = settings.load, settings.sizes
    work = Work(
        "sample",
        str(folder),
        sizes.dtype,
        load.rows,
        load.prompt,
        load.response,
        options={"vocab_size": sizes.vocab_size},
    ).to_json()
    engine = settings.contestant(OURS)
    server = Contestant(SERVER, "reasoning_jax.bench.contestants.server", ours=True)
    with Arena([engine, server]) as arena:
        turns = [(OURS, "clients"), (SERVER, "clients")]
        abouts = [arena.prepare(*turn, work) for turn in turns]
        found = arena.alternate(turns, max(settings.rounds, 5))
        for turn in turns:
            arena.drop(*turn)
    runs = {who: measurements for (who, _), measurements in found.items()}
    rows = comparison(Case("clients"), runs)
    rows[1]["share"] = 1 / rows[1]["times"]
    for name in ("cpu_s", "cpu_times", "peak_mb", "agrees", "times", "low", "high"):
        rows[1].pop(name)
    versions = {name: v for about in abouts for name, v in about["versions"].items()}
    return rows, {"versions": versions}
