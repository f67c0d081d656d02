"""Stands in for launch.train: `python stand_in.py COMMAND...` writes what a run would leave.

``--config.act=fail`` fails on the first attempt alone, ``--config.act=never`` on all.
"""

import json
import os
import pathlib
import sys

flags = dict(word.removeprefix("--").split("=", 1) for word in sys.argv if word.startswith("--"))
workdir = pathlib.Path(flags["workdir"])
(workdir / "model").mkdir(parents=True, exist_ok=True)
attempts = workdir / "attempts"
attempts.write_text(attempts.read_text() + "x" if attempts.exists() else "x")
(workdir / "cores").write_text(json.dumps(sorted(os.sched_getaffinity(0))))
act = flags.get("config.act")
if act == "never" or (act == "fail" and attempts.read_text() == "x"):
    print("working")
    print("error: nothing to be done")
    sys.exit(1)
value = float(flags.get("config.value", 0.5)) + int(flags["config.seed"]) / 10
with open(workdir / "metrics.jsonl", "a") as file:
    for step in (1, 2):
        line = {"stage": "rl", "step": step, "rl/length": 4.0, "rl/verdict/exact": 8}
        print(json.dumps(line | {"eval/pass@1": value * step / 2}), file=file)
