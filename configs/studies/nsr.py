"""Right and wrong samples apart: what they do to pass@k and to entropy.

python -m launch.study --study=configs/studies/nsr.py --out=DIR
"""

from configs.chains import ENTROPY, compare
from configs.nsr import VARIANTS
from reasoning_jax.studies import Measure, Study, last


def get_study() -> Study:
    return compare(
        "nsr",
        "Does learning from wrong samples alone keep pass@k where right ones lose it?",
        VARIANTS,
        baseline="grpo",
        measures=(
            *(
                Measure(f"pass@{k}", last("evaluate_rl", f"eval/pass@{k}"))
                for k in (1, 4, 16, 64, 256)
            ),
            Measure("greedy", last("evaluate_rl", "eval/greedy")),
            ENTROPY,
        ),
        pass_at_k=("evaluate_rl", "evaluate_sft"),
    )
