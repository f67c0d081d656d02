"""A policy's own corrections against those of another model, which is trained first.

python -m launch.train --config=configs/step_dpo.py:modchain,teacher --workdir=runs/teacher
python -m launch.study --study=configs/studies/step_dpo_foreign.py --out=DIR
"""

import dataclasses

from configs.studies.step_dpo import compare
from reasoning_jax.studies import Arm, Study


def get_study() -> Study:
    return dataclasses.replace(
        compare("step_dpo_foreign", "modchain"),
        question="Do own corrections teach more than those of another, better model?",
        arms={
            "own": Arm("configs/step_dpo.py:modchain,step"),
            "foreign": Arm(
                "configs/step_dpo.py:modchain,foreign",
                {"learn.source.corrector.folder": "runs/teacher"},
            ),
        },
        baseline="own",
    )
