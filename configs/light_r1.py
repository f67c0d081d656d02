"""Light-R1 in the small: curriculum, semi-on-policy preference, merging, RL (arXiv 2503.10460).

  sft       imitation of a noisy teacher on everything
  harder    of the training problems with a right teacher answer, those that fewer than 2 of 4
            samples solve
  sft_2     imitation of these alone
  dpo       NCA pairs at beta 0.3: the teacher's right answer against the policy's own wrong one
  merged    the mean of the policies after sft_2 and after dpo
  rl        GRPO from there

  python -m launch.train --config=configs/light_r1.py --workdir=DIR

Variants leave stages out or change their order: `all`; `no_harder`, `no_dpo`, `no_merge`; and
`dpo_first`, preference before the harder problems. `small` behind one is for continuous
integration. After every stage the policy is evaluated on the same test problems. The paper's
thresholds are not known; 2 of 4 is ours.
"""

from ml_collections import ConfigDict

from configs.chains import split_variant
from configs.quickstart import get_config as quickstart
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage

VARIANTS = ("all", "no_harder", "no_dpo", "no_merge", "dpo_first")
_PARTS = {
    "all": ("harder", "dpo", "merge"),
    "no_harder": ("dpo",),
    "no_dpo": ("harder",),
    "no_merge": ("harder", "dpo"),
    "dpo_first": ("dpo", "harder"),
}


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("light_r1", variant, VARIANTS)
    config = quickstart("small" if small else "hard").unlock()
    config.name, config.header = f"light_r1:{variant or chosen}", __doc__
    config.stages = ("sft", "evaluate_sft")
    tokens = config.evaluate_sft.max_tokens
    if not small:
        config.rl.steps = 60
    for part in _PARTS[chosen]:
        {"harder": _harder, "dpo": _dpo, "merge": _merge}[part](config, tokens, small)
    config.stages = (*config.stages, "rl", "evaluate_rl")
    config.lock()
    return config


def _harder(config: ConfigDict, tokens: int, small: bool) -> None:
    harder = add_stage(config, "harder", "reasoning_jax.stages.curate")
    harder.curator = named(
        "reasoning_jax.stages.sources.curators.Harder",
        problems=1_000 if small else 4_000,
        below=2,
        n=4,
        max_tokens=tokens,
    )
    sft = add_stage(config, "sft_2", "reasoning_jax.stages.sft")
    sft.data = "harder"
    sft.row_tokens = config.sft.row_tokens
    sft.rows = 8 if small else 16
    sft.steps = 10 if small else 60
    sft.evaluate_every = 0
    sft.optimizer.schedule.peak = 2e-4  # a fifth of the first stage's, as in the paper
    _evaluate(config, "evaluate_sft_2", tokens, small)


def _dpo(config: ConfigDict, tokens: int, small: bool) -> None:
    if "sft_2" in config.stages:
        add_stage(config, "before_dpo", "reasoning_jax.stages.keep")
    dpo = add_stage(config, "dpo", "reasoning_jax.stages.preference")
    dpo.source = named(
        "reasoning_jax.stages.sources.pairs.TeacherAgainstOwn",
        problems=500 if small else 2_000,
        n=4,
        max_tokens=tokens,
    )
    dpo.loss = named("reasoning_jax.preference.pair_losses.nca_pair", beta=0.3)
    dpo.max_length, dpo.max_context = 64, 32
    dpo.pairs = 16 if small else 32
    dpo.steps = 10 if small else 60
    dpo.evaluate_every = 0
    _evaluate(config, "evaluate_dpo", tokens, small)


def _merge(config: ConfigDict, tokens: int, small: bool) -> None:
    add_stage(config, "merged", "reasoning_jax.stages.merge").models = ("before_dpo",)
    _evaluate(config, "evaluate_merged", tokens, small)


def _evaluate(config: ConfigDict, name: str, tokens: int, small: bool) -> None:
    block = add_stage(config, name, "reasoning_jax.stages.evaluate")
    block.max_tokens = tokens
    if small:
        block.problems = 64
