"""An energy-based transformer: predicting is thinking, descent on a learned energy.

Text of a Markov source of order 2 over 16 letters, whose entropy is known, so the regret of every
prediction is exact. S1 of arXiv 2507.02092: two thoughts, each on a landscape of its own, a step
size that is learned. Thinking begins near the uniform distribution (init_scale 0.1): the noise of a
start stays in what it leads to.

  python -m launch.train --config=configs/ebt.py --workdir=runs/ebt

Variants, after a colon: `s2` (random number and size of steps, noise, thoughts that go on from
earlier ones, the loss of the last thought alone), `draft` (thinking begins with what the decoder
says as a language model, which it learns to be along with the energy), `baseline` (the plain
transformer on the same rows in the same order, same optimiser), each also with `,small` behind it,
and `small` alone.

To expect of `small` (500 updates, about a minute on two cores): a regret of 0.24 and 0.27 nats on
unseen text (seeds 1, 2), 0.09 for `baseline,small` (seeds 0, 1, 2). More thoughts than the two of
training gained nothing, and the mean of eight logits was 0.02 nats better than the least energy.
"""

from ml_collections import ConfigDict

from configs.chains import split_variant
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage, recipe

VARIANTS = ("s1", "s2", "draft", "baseline")


def get_config(variant: str = "") -> ConfigDict:
    kind, small = split_variant("ebt", variant, VARIANTS)
    config = recipe("ebt" + (f":{variant}" if variant else ""), __doc__)
    config.task = "markov"
    config.task_options.symbols = 16
    config.task_options.order = 2
    config.task_options.length = 33
    config.model = "nano"
    config.unroll = 2

    if kind == "baseline":
        stage = add_stage(config, "pretrain", "reasoning_jax.stages.pretrain")
    else:
        config.energy.landscapes = 2
        config.energy.step_size = 5.0
        stage = add_stage(config, "pretrain", "reasoning_jax.stages.energy.pretrain")
    stage.row_tokens = 34  # a document and its end
    stage.steps = 1500
    stage.optimizer.schedule = named(
        "reasoning_jax.training.schedules.cosine", peak=3e-3, warmup_steps=50, total_steps=1500
    )
    study = add_stage(config, "study", "reasoning_jax.stages.energy.thinking_study")
    study.row_tokens = 34
    study.texts.warmer = ConfigDict({"temperature": 1.3})
    if kind == "s2":
        config.energy.landscapes = 1
        config.energy.steps = 3
        stage.thinking.steps = 3
        stage.thinking.min_steps = 2
        stage.thinking.step_size_spread = 2.0
        stage.thinking.langevin = 0.03  # the paper's 3 is for 50k ids and a start of 1
        stage.loss = named("reasoning_jax.models.energy.loss_truncated")
        stage.step_size_rate = 0.0
        stage.replay.entries = 192
        study.trained = 3
    if kind == "draft":
        stage.loss = named("reasoning_jax.models.energy.loss_with_draft", coef=1.0)
        stage.thinking.start = named("reasoning_jax.models.energy.Draft")
        study.start = named("reasoning_jax.models.energy.Draft")
        config.energy.start = named("reasoning_jax.models.energy.Draft")
    if small:
        stage.steps = 500
        stage.optimizer.schedule.total_steps = 500
        config.task_options.train_size = 16_384
        study.documents = 128
    config.lock()
    return config
