"""SuperCorrect in the small: thought templates, then cross-model correction (arXiv 2410.09008).

  hsft     imitation of solutions in the hierarchical template; the teacher gets steps wrong, and
           of these sees half and does them anew
  correct  DPO: after a wrong step of the policy's own, a teacher's analysis and step against the
           policy's, where that is wrong again; an inspector lets only right corrections pass
           and rewrites the others

  python -m launch.train --config=configs/supercorrect.py --workdir=DIR

Variants: `exact`, the task as teacher; `imitate`, the same corrections imitated; `other`, another
model that corrects better (--config.correct.source.teacher.folder=DIR, as the variant `teacher`
trains one). The inspector is the task; source.inspector names a model in its place, which has
source.rounds tries, and 0 rounds drop what fails. `small` behind a variant is for continuous
integration. `eval/corrected` is the share of the policy's own first wrong steps that it corrects
when asked to, before and after: the paper says that it rises.
"""

from ml_collections import ConfigDict

from configs.chains import split_variant
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage, recipe

_LOSSES = "reasoning_jax.preference.pair_losses"
VARIANTS = ("exact", "imitate", "other", "teacher")


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("supercorrect", variant, VARIANTS)
    config = recipe(f"supercorrect:{variant or chosen}", __doc__)
    config.task = "reasoning_jax.tasks.templated:TemplatedWordChain"
    config.task_options.length = 2 if small else 3
    config.task_options.maximum = 9 if small else 20
    config.task_options.noise = 0.05 if chosen == "teacher" else 0.2
    config.task_options.seen = 1.0 if chosen == "teacher" else 0.5
    config.model = "nano" if small else "micro"
    config.unroll = 2 if small else 3
    tokens = 192 if small else 256

    hsft = add_stage(config, "hsft", "reasoning_jax.stages.sft")
    hsft.examples = 4_000 if small else 20_000
    hsft.row_tokens = 512
    hsft.drop_longer = True
    hsft.rows = 8
    hsft.steps = 400 if small else 1500
    hsft.evaluate_every = 0
    _evaluate(config, "hsft", tokens, small)
    if chosen != "teacher":
        _correct(config, chosen, tokens, small)
        _evaluate(config, "correct", tokens, small)
    config.lock()
    return config


def _correct(config: ConfigDict, chosen: str, tokens: int, small: bool) -> None:
    stage = add_stage(config, "correct", "reasoning_jax.stages.preference")
    stage.source = named(
        "reasoning_jax.stages.sources.corrections.CrossCorrections",
        problems=200 if small else 2_000,
        n=4,
        max_tokens=tokens,
        corrections=4,
        steps={"name": "reasoning_jax.tasks.templated.Tagged"},
        teacher={},
        rounds=1,
        inspector={},
    )
    if chosen == "other":
        stage.source.teacher = named(
            "reasoning_jax.stages.sources.generators.model_folder", folder=""
        )
    stage.loss = named(f"{_LOSSES}.dpo", beta=0.5)
    if chosen == "imitate":
        stage.loss = named(f"{_LOSSES}.chosen_nll")
    stage.max_length, stage.max_context = 512, 400
    stage.pairs = 8 if small else 16
    stage.micro_batches = 1 if small else 2
    stage.steps = 5 if small else 60
    stage.evaluate_every = 0


def _evaluate(config: ConfigDict, after: str, tokens: int, small: bool) -> None:
    evaluation = add_stage(config, f"evaluate_{after}", "reasoning_jax.stages.evaluate")
    evaluation.max_tokens = tokens
    evaluation.problems = 64 if small else 256
    corrections = add_stage(config, f"corrections_{after}", "reasoning_jax.stages.corrections")
    corrections.source.update(
        {"problems": 64 if small else 256, "n": 4, "max_tokens": tokens, "corrections": 4}
    )
