"""Summarises runs of one recipe over seeds: a Markdown table and, with --plot, a figure.

python -m launch.summarize runs/seed0 runs/seed1 runs/seed2 --plot=quickstart.svg
"""

from launch import environment  # isort: skip  (before jax starts)

from absl import flags

METRICS = flags.DEFINE_list(
    "metrics", ["eval/pass@1", "eval/greedy", "eval/maj@8", "eval/pass@8"], "Columns."
)
PLOT = flags.DEFINE_string("plot", None, "File for a figure of accuracy over training.")


def main(argv: list[str]) -> None:
    """Reads, prints, draws."""
    from reasoning_jax.evals.summary import accuracy_over_training, last_evaluations, table

    workdirs = argv[1:]
    print(table(last_evaluations(workdirs), METRICS.value))
    if PLOT.value:
        accuracy_over_training(workdirs).savefig(PLOT.value)


if __name__ == "__main__":
    environment.run(main)
