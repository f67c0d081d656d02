"""Robust DPO: an unbiased estimate of DPO under noisy labels (arXiv 2403.00409)."""

import jax

from reasoning_jax.preference.batch import PairLogprobs
from reasoning_jax.preference.pair_losses.label_noise import check_label_noise


def robust_dpo(pair: PairLogprobs, *, beta: float = 0.1, label_noise: float = 0.1) -> jax.Array:
    """[-(1 - ε) log σ(β h) + ε log σ(-β h)] / (1 - 2 ε), ε = ``label_noise``; [B].

    The expectation over labels flipped with probability ε is the DPO loss of the true ones.

    Raises:
      ValueError: ``label_noise`` outside [0, 0.5).
    """
    check_label_noise(label_noise)
    margin = beta * pair.margin
    right, wrong = jax.nn.log_sigmoid(margin), jax.nn.log_sigmoid(-margin)
    return (label_noise * wrong - (1 - label_noise) * right) / (1 - 2 * label_noise)
