"""Scaling slopes of pretraining: exponents of the regret over updates, with intervals.

python -m launch.scaling runs/ebt runs/baseline --first=100

Of each workdir the evaluations of one stage are fitted; the source of the text must know its
entropy. Runs over seeds are fitted together when they are joined by commas.
"""

from launch import environment  # isort: skip  (before jax starts)

from absl import flags

STAGE = flags.DEFINE_string("stage", "pretrain", "The stage whose evaluations are fitted.")
FIRST = flags.DEFINE_integer("first", 1, "Leave out evaluations before this update.")


def main(argv: list[str]) -> None:
    """Fits and prints."""
    import rich.console
    import rich.table

    from reasoning_jax.evals.scaling import fit_power_law, regret_over_data
    from reasoning_jax.training.metrics import read_metrics

    if not argv[1:]:
        raise ValueError("which runs? give workdirs, those over seeds joined by commas")
    table = rich.table.Table()
    for name in ("runs", "exponent", "± (95 %)", "regret at the end, nats", "points"):
        table.add_column(name, justify="left" if name == "runs" else "right")
    for group in argv[1:]:
        steps: list[int] = []
        regrets: list[float] = []
        for workdir in group.split(","):
            x, y = regret_over_data(read_metrics(workdir), STAGE.value, FIRST.value)
            if not x:
                raise ValueError(
                    f"{workdir} has no eval/regret of stage {STAGE.value!r} from step "
                    f"{FIRST.value} on; the text needs a source of known entropy (task markov)"
                )
            steps, regrets = steps + x, regrets + y
        law = fit_power_law(steps, regrets)
        last = [regret for step, regret in zip(steps, regrets) if step == max(steps)]
        table.add_row(
            group,
            f"{law.exponent:.3f}",
            f"{law.interval:.3f}",
            f"{sum(last) / len(last):.3f}",
            str(law.points),
        )
    rich.console.Console(width=120).print(table)


if __name__ == "__main__":
    environment.run(main)
