"""Runs a benchmark suite beside peers and writes OUT/SUITE.jsonl, .md and .svg.

python -m launch.bench --suite=sample --peer=transformers --peer=tunix --out=runs/bench

Peers are packages that are installed apart; --peer_python=tunix=PATH names an interpreter that has
them. Figures are medians of alternating runs on the same model and work. --against=FILE compares
ratios to peers with stored ones (reasoning_jax/bench/baseline.json, or what --save wrote) and ends
with status 1 where one fell by more than a tenth.
"""

from launch import environment  # isort: skip  (before jax starts)

import importlib
import pathlib
import sys

from absl import flags

from reasoning_jax.bench.settings import PEERS, Settings, interpreters, model_options
from reasoning_jax.bench.shapes import SHAPES

SUITES = {
    "energy": "reasoning_jax.bench.energy",
    "load": "reasoning_jax.bench.load",
    "rl_step": "reasoning_jax.bench.rl_step",
    "sample": "reasoning_jax.bench.sample",
    "scale": "reasoning_jax.bench.scale",
    "serve": "reasoning_jax.bench.serve",
    "update": "reasoning_jax.bench.update",
    "verify": "reasoning_jax.bench.verify",
}
"""Modules with ``run(settings) -> (rows, about)``, a row a flat dictionary."""

SUITE = flags.DEFINE_enum("suite", None, sorted(SUITES), "What to measure.", required=True)
OUT = flags.DEFINE_string("out", None, "Folder for the results.", required=True)
PEER = flags.DEFINE_multi_enum("peer", [], PEERS, "Who takes part beside us; repeat it for more.")
PEER_PYTHON = flags.DEFINE_multi_string(
    "peer_python", [], "Interpreter of the peers, or NAME=PATH of one; by default this one."
)
SHAPE = flags.DEFINE_enum("shape", "small", list(SHAPES), "Sizes of the model.")
ROUNDS = flags.DEFINE_integer("rounds", 3, "Runs of every contestant.", lower_bound=1)
CASE = flags.DEFINE_multi_string("case", [], "Only this case of the suite; repeat it for more.")
OPTION = flags.DEFINE_multi_string(
    "option", [], "NAME=VALUE of our model in updates, such as attention=blockwise."
)
AGAINST = flags.DEFINE_string("against", None, "File of stored ratios to hold against.")
SAVE = flags.DEFINE_string("save", None, "File to store the ratios in.")


def main(argv: list[str]) -> None:
    """Measures, writes, prints, compares."""
    del argv
    from reasoning_jax.bench import gate, results, table

    out = pathlib.Path(OUT.value)
    stored = gate.read(AGAINST.value) if AGAINST.value else {}
    settings = Settings(
        shape=SHAPE.value,
        folders=out / "models",
        peers=tuple(PEER.value),
        pythons=interpreters(PEER_PYTHON.value),
        rounds=ROUNDS.value,
        cases=tuple(CASE.value),
        options=model_options(OPTION.value),
    )
    rows, about = importlib.import_module(SUITES[SUITE.value]).run(settings)
    table.show(rows)
    for path in results.write(out, SUITE.value, SHAPE.value, rows, about):
        print(f"wrote {path}")
    measured = gate.ratios(SUITE.value, SHAPE.value, rows)
    if SAVE.value:
        gate.save(SAVE.value, measured)
    if falls := gate.falls(measured, stored):
        print("ratios that fell by more than a tenth:", *falls, sep="\n  ", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    environment.run(main)
