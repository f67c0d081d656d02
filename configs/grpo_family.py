"""GRPO and its relatives on equal terms: one advantage, policy loss or aggregation apart.

Each variant takes from its paper what makes it itself; task, model, warm-up, optimiser and number
of samples are those of ``configs/chains.py``. Every batch of 256 completions is used for four
updates, so that ratios leave 1 and what clips them matters; there is no KL term.

  python -m launch.train --config=configs/grpo_family.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/grpo_family.py --out=DIR

Variants, after a colon: grpo (arXiv 2402.03300), dr_grpo (2503.20783), dapo (2503.14476), gspo
(2507.18071), cispo (2506.13585), rloo (2402.14740), reinforce_pp and reinforce_pp_baseline
(2501.03262), opo (2505.23585), gpg (2504.02546), sapo (2511.20347), gmpo (2507.20673), topr
(2503.14286), dual_clip (1912.09729), pass_at_k (2508.10751), remax (2310.10505), clip_cov and
kl_cov (2505.22617), on_policy (grpo with one update), dapo_refill (dapo that samples a second batch
of problems for the groups it leaves out, in half as many steps, so that it samples no more).
``small`` instead or behind, as in ``rloo,small``, is for continuous integration (40 s).
Figures: docs/systems/grpo_family.md.
"""

from collections.abc import Callable

from ml_collections import ConfigDict

from configs.chains import chains, split_variant
from reasoning_jax.stages.blocks import named

_RL = "reasoning_jax.rl"


def _choose(
    rl: ConfigDict,
    advantage: ConfigDict | str = "grpo",
    loss: ConfigDict | str = "clip",
    aggregate: ConfigDict | str = "token_mean",
) -> None:
    """Sets the three functions, by the last part of their names where they keep their defaults."""

    def spec(room: str, given: ConfigDict | str) -> ConfigDict:
        return named(f"{_RL}.{room}{given}") if isinstance(given, str) else given

    rl.advantage = spec("advantages.", advantage)
    rl.policy_loss = spec("policy_losses.", loss)
    rl.aggregate = spec("", aggregate)


def _dr_grpo(rl: ConfigDict) -> None:
    constant = named(f"{_RL}.token_sum_constant", max_length=rl.max_tokens)
    _choose(rl, "dr_grpo", aggregate=constant)


def _dapo(rl: ConfigDict) -> None:
    # Its length shaping has nothing to shape here: all solutions of the task are of one length.
    _choose(rl, loss=named(f"{_RL}.policy_losses.clip", low=0.2, high=0.28))
    rl.filters = (f"{_RL}.nonzero_variance",)


def _dapo_refill(rl: ConfigDict) -> None:
    _dapo(rl)
    rl.reward = named("reasoning_jax.verify.rewards.signed_outcome")
    # Two batches a step: a first one is never all of groups that teach, and with the second the
    # places are full, but for the last steps of a policy that is nearly always right.
    rl.refill.keep = named(f"{_RL}.nonzero_variance")
    rl.refill.most = 2
    rl.filters = ()
    rl.steps //= 2
    rl.evaluate_every //= 2


def _topr(rl: ConfigDict) -> None:
    # It sorts by the sign of the reward: right answers count +1, wrong ones -1, no baseline.
    _choose(rl, named(f"{_RL}.advantages.w_reinforce", positive=1.0), "topr")


def _clip_cov(rl: ConfigDict) -> None:
    _choose(rl, loss="clip_cov")
    rl.selection = named(f"{_RL}.policy_losses.covariances_in_band")


def _kl_cov(rl: ConfigDict) -> None:
    _choose(rl, loss="kl_cov")
    rl.selection = named(f"{_RL}.policy_losses.highest_covariances")


VARIANTS: dict[str, Callable[[ConfigDict], None]] = {
    "grpo": lambda rl: _choose(rl, aggregate="seq_mean_token_mean"),
    "on_policy": lambda rl: _choose(rl, aggregate="seq_mean_token_mean"),
    "dr_grpo": _dr_grpo,
    "dapo": _dapo,
    "dapo_refill": _dapo_refill,
    "gspo": lambda rl: _choose(rl, loss="gspo", aggregate="seq_mean_token_mean"),
    "cispo": lambda rl: _choose(rl, loss="cispo"),
    "rloo": lambda rl: _choose(rl, "rloo", aggregate="seq_mean_token_sum"),
    "reinforce_pp": lambda rl: _choose(rl, "reinforce_plus_plus"),
    "reinforce_pp_baseline": lambda rl: _choose(rl, "reinforce_plus_plus_baseline"),
    "opo": lambda rl: _choose(rl, "opo"),
    "gpg": lambda rl: _choose(rl, "gpg", "reinforce"),
    "sapo": lambda rl: _choose(rl, loss="sapo"),
    "gmpo": lambda rl: _choose(rl, loss="gmpo", aggregate="seq_mean_token_mean"),
    "topr": _topr,
    "dual_clip": lambda rl: _choose(rl, loss="dual_clip"),
    "pass_at_k": lambda rl: _choose(rl, named(f"{_RL}.advantages.pass_at_k", k=4)),
    "remax": lambda rl: _choose(rl, "remax"),
    "clip_cov": _clip_cov,
    "kl_cov": _kl_cov,
}


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("grpo_family", variant, tuple(VARIANTS))
    config = chains(f"grpo_family:{variant or chosen}", __doc__, small)
    config.rl.updates = 1 if chosen == "on_policy" else 4
    # Four updates of a quarter of the batch move a policy further than one of all of it.
    config.rl.optimizer.schedule.peak = 2e-4
    VARIANTS[chosen](config.rl)
    config.lock()
    return config
