"""Corrections as steps, as whole answers and by imitation, on stories of six sentences.

python -m launch.study --study=configs/studies/step_dpo_wordchain.py --out=DIR
"""

from configs.studies.step_dpo import compare
from reasoning_jax.studies import Study


def get_study() -> Study:
    return compare("step_dpo_wordchain", "wordchain")
