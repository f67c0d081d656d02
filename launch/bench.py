"""Runs a benchmark suite: prints a table and appends JSON lines to OUT/SUITE.jsonl.

python -m launch.bench --suite=verification --out=runs/bench
"""

from launch import environment  # isort: skip  (before jax starts)

import importlib
import json
import pathlib
import platform
import time

from absl import flags

SUITES = {
    "verification": "reasoning_jax.bench.verification",
}
"""Modules with ``run() -> rows``, a row a flat dictionary."""

SUITE = flags.DEFINE_enum("suite", None, sorted(SUITES), "What to measure.", required=True)
OUT = flags.DEFINE_string("out", None, "Folder for the JSON lines.", required=True)


def main(argv: list[str]) -> None:
    """Measures, writes, prints."""
    del argv
    folder = pathlib.Path(OUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    rows = importlib.import_module(SUITES[SUITE.value]).run()
    stamp = {"suite": SUITE.value, "time": time.time(), "machine": platform.machine()}
    path = folder / f"{SUITE.value}.jsonl"
    with path.open("a") as lines:
        lines.writelines(json.dumps(stamp | row) + "\n" for row in rows)
    show(rows)
    print(f"appended to {path}")


def show(rows: list[dict]) -> None:
    """Prints the rows as one table; columns are the keys of the first row."""
    import rich.console
    import rich.table

    table = rich.table.Table()
    for name in rows[0]:
        table.add_column(name, justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
    rich.console.Console(width=140).print(table)


if __name__ == "__main__":
    environment.run(main)
