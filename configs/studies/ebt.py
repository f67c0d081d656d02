"""Does thinking help? Energy models beside what costs as much without them.

python -m launch.study --study=configs/studies/ebt.py --out=DIR

Controls: the plain transformer at equal data, at equal FLOPs (five times the updates, for two
thoughts cost 1 + 2 x 2), and with its layers passed five times (equal FLOPs and data). A start of
noise 1 is the paper's; a start from a draft is an ablation of it. Measures are taken on unseen
text, on text of a warmer source and on text with a tenth of its letters drawn anew.
"""

from reasoning_jax.studies import Arm, Budget, Measure, Study, last

CONFIG = "configs/ebt.py"


def get_study() -> Study:
    plain = f"{CONFIG}:baseline,small"
    arms = {
        "transformer": Arm(plain),
        "transformer_equal_flops": Arm(
            plain,
            {"pretrain.steps": 2500, "pretrain.optimizer.schedule.total_steps": 2500},
        ),
        "looped_transformer": Arm(plain, {"pretrain.loops": 5, "study.loops": 5}),
        "ebt": Arm(f"{CONFIG}:small"),
        "ebt_start_of_1": Arm(
            f"{CONFIG}:small", {"pretrain.thinking.init_scale": 1.0, "study.init_scale": 1.0}
        ),
        "ebt_s2": Arm(f"{CONFIG}:s2,small"),
        "ebt_draft": Arm(f"{CONFIG}:draft,small"),
    }
    return Study(
        name="ebt",
        question="What does thinking by energy gain over a transformer of equal data or cost?",
        arms=arms,
        baseline="transformer",
        # One arm trains longer on purpose.
        budget=Budget("steps", stage="pretrain", tolerance=10.0),
        measures=(
            Measure("regret", last("study", "eval/same/regret"), unit="nats"),
            Measure("regret, warmer source", last("study", "eval/warmer/regret"), unit="nats"),
            Measure("loss, noisy context", last("study", "eval/noisy/nll"), unit="nats"),
        ),
    )
