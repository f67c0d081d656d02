"""Conservative DPO: labels are wrong with a known probability (Mitchell, 2023)."""

import jax

from reasoning_jax.preference.batch import PairLogprobs
from reasoning_jax.preference.pair_losses.label_noise import check_label_noise


def cdpo(pair: PairLogprobs, *, beta: float = 0.1, label_noise: float = 0.1) -> jax.Array:
    """-(1 - ε) log σ(β h) - ε log σ(-β h), ε = ``label_noise`` in [0, 0.5); [B].

    Its minimum is where σ(β h) = 1 - ε: the margin does not grow without bound.

    Raises:
      ValueError: ``label_noise`` outside [0, 0.5).
    """
    check_label_noise(label_noise)
    margin = beta * pair.margin
    right, wrong = jax.nn.log_sigmoid(margin), jax.nn.log_sigmoid(-margin)
    return -(1 - label_noise) * right - label_noise * wrong
