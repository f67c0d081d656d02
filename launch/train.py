"""Trains a recipe: python -m launch.train --config=configs/quickstart.py --workdir=DIR."""

from launch import environment  # isort: skip  (before jax starts)

from absl import flags
from ml_collections import config_flags

CONFIG = config_flags.DEFINE_config_file("config", help_string="Config file[:variant].")
WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; resumes what it holds.")
COORDINATOR = flags.DEFINE_string(
    "coordinator", "", "host:port of process 0, or auto on TPU pods and Slurm; empty: one process."
)
PROCESSES = flags.DEFINE_integer("processes", 1, "Number of processes.")
PROCESS = flags.DEFINE_integer("process", 0, "Index of this process.")


def main(_: list[str]) -> None:
    """Runs every stage of the config."""
    from reasoning_jax.parallel import start_processes
    from reasoning_jax.stages.run import run

    start_processes(COORDINATOR.value, PROCESSES.value, PROCESS.value)
    run(CONFIG.value, WORKDIR.value)


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    environment.run(main)
