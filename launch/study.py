"""Runs a study: several arms over seeds, then a table with paired differences, and figures.

python -m launch.study --study=configs/studies/grpo_family.py --out=DIR --jobs=2

Each run is a launch.train command in DIR/runs/ARM/seedN, with its log beside it. The same command
goes on where it was left: finished runs are not repeated. Arms whose first stages are equal begin
from one warm-up per seed, which studies may share too (--warm_ups). DIR/results.json,
DIR/results.md and DIR/*.svg are written at the end, of what has finished.
"""

from launch import environment  # isort: skip  (before jax starts)

import importlib.util
import json
import pathlib
import shlex
import signal
import subprocess
import sys

from absl import flags

STUDY = flags.DEFINE_string("study", None, "Python file whose get_study() gives the study.")
OUT = flags.DEFINE_string("out", None, "Folder of the study; goes on with what it holds.")
WARM_UPS = flags.DEFINE_string("warm_ups", "", "Folder of warm-ups; empty: with the runs.")
JOBS = flags.DEFINE_integer("jobs", 1, "Most runs at once; each gets a share of the cores.")
SEEDS = flags.DEFINE_integer("seeds", 0, "Runs of each arm; 0: as the study says.")
ARMS = flags.DEFINE_list("arms", [], "Only these arms and the baseline; empty: all.")
PREFIX = flags.DEFINE_string("prefix", "", "Words before each command, such as 'nice -n 10'.")
CHECK = flags.DEFINE_boolean("check", False, "Only check the config of every arm.")


def main(_: list[str]) -> None:
    """Checks all arms, runs what is missing, compares."""
    study = load_study(STUDY.value, ARMS.value)
    if CHECK.value:
        check(study)
        return
    if not OUT.value:
        raise ValueError("where to? give --out=DIR")
    if JOBS.value < 1 or SEEDS.value < 0:
        raise ValueError(f"--jobs={JOBS.value} --seeds={SEEDS.value}: give positive numbers")
    # In a process of its own, which gives the accelerators back to the runs.
    flags_again = [f"--study={STUDY.value}", f"--arms={','.join(ARMS.value)}", "--check"]
    if subprocess.run([sys.executable, "-m", "launch.study", *flags_again]).returncode:
        raise ValueError(f"{STUDY.value} was not started: see the message above")
    out = pathlib.Path(OUT.value).absolute()
    sys.exit(1 if run(study, out, SEEDS.value or study.seeds) else 0)


def load_study(path: str, arms: list[str]):
    """The study a file describes, with only the arms asked for and its baseline.

    Raises:
      ValueError, FileNotFoundError: no such file, function or arm.
    """
    import dataclasses

    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(f"no study file {path}; see configs/studies/")
    spec = importlib.util.spec_from_file_location("study_file", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_study"):
        raise ValueError(f"{path} has no function get_study()")
    study = module.get_study()
    unknown = [name for name in arms if name not in study.arms]
    if unknown:
        raise ValueError(f"{path} has no arm {unknown[0]!r}; arms are {', '.join(study.arms)}")
    wanted = {*arms, study.baseline} if arms else set(study.arms)
    chosen = {name: arm for name, arm in study.arms.items() if name in wanted}
    return dataclasses.replace(study, arms=chosen)


def check(study) -> None:
    """ValueError unless the config of every arm could run."""
    from launch.resolve import resolve
    from reasoning_jax.stages.run import check as check_run

    for name, arm in study.arms.items():
        try:
            check_run(resolve(arm.flags()), pathlib.Path("unused"))
        except (ValueError, OSError) as error:
            raise ValueError(f"arm {name!r}: {error}") from error


def run(study, out: pathlib.Path, seeds: int) -> dict[str, str]:
    """Runs and compares; returns the failures."""
    from launch.resolve import resolve
    from reasoning_jax.studies.jobs import run_jobs
    from reasoning_jax.studies.plan import plan
    from reasoning_jax.studies.results import collect, finished_lines

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    configs = {name: resolve(arm.flags()) for name, arm in study.arms.items()}
    runs = out / "runs"
    warm_ups = pathlib.Path(WARM_UPS.value).absolute() if WARM_UPS.value else runs
    jobs = plan(study, configs, runs, warm_ups, seeds)
    out.mkdir(parents=True, exist_ok=True)

    def tell(line: str) -> None:
        print(line, flush=True)

    failures = run_jobs(jobs, shlex.split(PREFIX.value), JOBS.value, tell)
    results = collect(study, jobs, seeds, failures)
    write(study, results, finished_lines(study, jobs), out)
    return failures


def write(study, results: dict, runs: dict, out: pathlib.Path) -> None:
    """results.json, results.md and the figures; prints the page."""
    from reasoning_jax.studies.figures import figures
    from reasoning_jax.studies.tables import page

    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    text = page(study, results)
    (out / "results.md").write_text(text)
    print(f"\n{text}")
    for stem, figure in figures(study, results, runs).items():
        figure.savefig(out / f"{stem}.svg")
        print(f"figure: {out / f'{stem}.svg'}")


if __name__ == "__main__":
    flags.mark_flags_as_required(["study"])
    environment.run(main)
