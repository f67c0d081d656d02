"""The study of energy models one decade larger, in parameters, text and contexts of the source.

python -m launch.study --study=configs/studies/ebt_larger.py --out=DIR

1.6 million parameters in place of 0.11, 160,000 documents in place of 16,000, and letters that
depend on the three before, 4,096 contexts in place of 256. Meant for a GPU.
"""

import dataclasses

from configs.studies import ebt
from reasoning_jax.studies import Arm, Study

STEPS = 1_250
SIZE = {
    "model": "mini",
    "unroll": 0,
    "task_options.order": 3,
    "task_options.train_size": 163_840,
    "pretrain.rows": 128,
}


def get_study() -> Study:
    study = ebt.get_study()
    arms = {name: _larger(arm, 5 if "flops" in name else 1) for name, arm in study.arms.items()}
    return dataclasses.replace(study, name="ebt_larger", arms=arms)


def _larger(arm: Arm, times: int) -> Arm:
    steps = STEPS * times
    length = {"pretrain.steps": steps, "pretrain.optimizer.schedule.total_steps": steps}
    return Arm(arm.config, {**arm.overrides, **SIZE, **length})
