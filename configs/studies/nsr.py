"""Right and wrong samples apart: what they do to pass@k and to entropy.

python -m launch.study --study=configs/studies/nsr.py --out=DIR
"""

from configs.chains import WARM_UP
from configs.nsr import VARIANTS
from reasoning_jax.studies import Arm, Budget, Curve, Measure, Study, last


def get_study() -> Study:
    return Study(
        name="nsr",
        question="Does learning from wrong samples alone keep pass@k where right ones lose it?",
        arms={name: Arm(f"configs/nsr.py:{name}") for name in VARIANTS},
        baseline="grpo",
        measures=(
            *(
                Measure(f"pass@{k}", last("evaluate_rl", f"eval/pass@{k}"))
                for k in (1, 4, 16, 64, 256)
            ),
            Measure("greedy", last("evaluate_rl", "eval/greedy")),
            Measure("entropy at the end", last("rl", "rl/entropy"), unit="nats"),
        ),
        budget=Budget("completions", stage="rl"),
        curves=(
            Curve("rl", "rl/entropy", "entropy", unit="nats"),
            Curve("rl", "eval/pass@1", "pass@1"),
        ),
        shared=WARM_UP,
        pass_at_k=("evaluate_rl", "evaluate_sft"),
    )
