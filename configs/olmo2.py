"""OLMo 2 in the small: architecture, annealing, soup, preference and RLVR (arXiv 2501.00656).

Two tasks in equal parts, chains modulo 10 and equations; a decoder with norms after its branches,
norms of whole queries and keys, a penalty on the softmax's normaliser (1e-5).

  sft        imitation of noisy teachers of both
  clean      their right solutions
  anneal_1   imitation of these, the rate falling to 0; and twice more from the same start in
             another order (anneal_2, anneal_3)
  soup       the mean of the three
  dpo        DPO per token at beta 5 on the policy's own right and wrong answers
  rl         verified rewards of the chains alone

  python -m launch.train --config=configs/olmo2.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/olmo2.py --out=DIR

Variants, after a colon: grpo (RL as of the 1B model: KL 0.01, two updates a batch), ppo (as of 7B
and 13B: 10 for a right answer, -10 without an end, KL 0.05 in the reward, a value model that begins
as a reward model); ``small`` instead or behind is for continuous integration. Every evaluation is
also by task: ``eval/part/chains/pass@1``. Figures: docs/systems/olmo2.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage

VARIANTS = ("grpo", "ppo")
ANNEALS = ("anneal_1", "anneal_2", "anneal_3")
TARGET = "chains"


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("olmo2", variant, VARIANTS)
    config = chains(f"olmo2:{variant or chosen}", __doc__, small)
    _two_tasks(config, small)
    config.model_overrides.update(
        {
            "architecture": "olmo2",
            "norm_placement": "post",
            "qk_norm": "full",
            "norm_scale_in_float32": True,
            "rope_theta": 5e5,
            "tie_embeddings": False,
        }
    )
    config.stages = ("sft", "evaluate_sft")
    _anneal(config, small)
    _dpo(config, small)
    if chosen == "ppo":
        _reward_model(config, small)
    _rlvr(config.rl, chosen, small)
    config.stages = (*config.stages, "rl", "evaluate_rl")
    config.lock()
    return config


def _two_tasks(config: ConfigDict, small: bool) -> None:
    of_chains = config.task_options.to_dict() | ({} if small else {"length": 6})
    equations = {"min_variables": 3, "max_variables": 3 if small else 4, "modulus": 10}
    config.task = "reasoning_jax.tasks.mixture:Mixture"
    config.task_options = ConfigDict(
        {
            "parts": {
                TARGET: {"task": "modchain", **of_chains},
                "equations": {"task": "dag", "noise": 0.1, **equations},
            }
        }
    )
    config.sft.row_tokens = 128
    config.sft.z_loss_coef = 1e-5
    config.sft.gate.metric = ""
    config.sft.steps = 400 if small else 1_500
    for name in ("sft", "rl"):
        config[name].evaluation.max_tokens = 32
    for name in ("rl", "evaluate_sft", "evaluate_rl"):
        config[name].max_tokens = 32
    config.rl.guard.start = 0.0 if small else 0.1


def _anneal(config: ConfigDict, small: bool) -> None:
    clean = add_stage(config, "clean", "reasoning_jax.stages.curate")
    clean.curator = named(
        "reasoning_jax.stages.sources.curators.Solutions", problems=1_000 if small else 8_000
    )
    add_stage(config, "base", "reasoning_jax.stages.keep")
    for number, name in enumerate(ANNEALS):
        if number:
            # The mean with a weight of 0 on what there is: back to the start.
            back = add_stage(config, f"back_{number + 1}", "reasoning_jax.stages.merge")
            back.models = ("base",)
            back.method = named("reasoning_jax.models.merge_methods.linear", weights=(1.0, 0.0))
        stage = add_stage(config, name, "reasoning_jax.stages.sft")
        stage.data = "clean"
        stage.row_tokens, stage.rows = config.sft.row_tokens, 8 if small else 16
        stage.z_loss_coef = config.sft.z_loss_coef
        stage.steps = 20 if small else 150
        stage.optimizer.schedule = named(
            "reasoning_jax.training.schedules.linear", peak=1e-3, total_steps=stage.steps
        )
        stage.evaluate_every = 0
        _evaluate(config, f"evaluate_{name}", small)
        if number + 1 < len(ANNEALS):
            add_stage(config, f"{name}_kept", "reasoning_jax.stages.keep")
    soup = add_stage(config, "soup", "reasoning_jax.stages.merge")
    soup.models = tuple(f"{name}_kept" for name in ANNEALS[:-1])
    _evaluate(config, "evaluate_soup", small)


def _dpo(config: ConfigDict, small: bool) -> None:
    dpo = add_stage(config, "dpo", "reasoning_jax.stages.preference")
    dpo.source = named(
        "reasoning_jax.stages.sources.pairs.SampledOutcomes",
        problems=500 if small else 3_000,
        n=4,
        max_tokens=config.rl.max_tokens,
    )
    dpo.loss = named("reasoning_jax.preference.pair_losses.dpo_length_normalised", beta=5.0)
    dpo.max_length, dpo.max_context = 96, 56
    dpo.pairs = 16 if small else 32
    dpo.steps = 10 if small else 60
    dpo.evaluate_every = 0
    _evaluate(config, "evaluate_dpo", small)


def _reward_model(config: ConfigDict, small: bool) -> None:
    stage = add_stage(config, "rm", "reasoning_jax.stages.reward_model")
    stage.source.update(
        {"problems": 500 if small else 3_000, "max_tokens": config.rl.max_tokens, "most": 2}
    )
    stage.max_length, stage.max_context = 96, 56
    stage.prompts = 16 if small else 32
    stage.steps = 20 if small else 100


def _rlvr(rl: ConfigDict, chosen: str, small: bool) -> None:
    rl.admit = named("reasoning_jax.stages.rl.admit.of_parts", parts=(TARGET,))
    rl.updates = 2
    rl.optimizer.schedule.peak = 2e-4
    if chosen == "grpo":
        rl.kl_coef = 0.01
        return
    rl.shapers = (
        "reasoning_jax.rl.shapers.verified_and_finished",
        named("reasoning_jax.rl.shapers.token_kl", coef=0.05),
    )
    rl.advantage = named("reasoning_jax.rl.advantages.ppo", gamma=1.0, lam=0.95)
    rl.critic.model = "rm"
    rl.head_start = 2 if small else 10  # of the same number of steps


def _evaluate(config: ConfigDict, name: str, small: bool) -> None:
    block = add_stage(config, name, "reasoning_jax.stages.evaluate")
    block.max_tokens = config.rl.max_tokens
    block.problems = 64 if small else 512
