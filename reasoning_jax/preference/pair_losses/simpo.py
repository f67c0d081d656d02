"""SimPO: mean log-probabilities and a target margin (arXiv 2405.14734, equation 6)."""

import jax

from reasoning_jax.preference.batch import PairLogprobs


def simpo(pair: PairLogprobs, *, beta: float = 2.0, gamma: float = 1.0) -> jax.Array:
    """-log σ(β (m_c - m_r) - γ), m the mean log-probability of a token; [B].

    Without a reference; ln(1 + e^γ) where both sides are equally likely.
    """
    margin = beta * (pair.chosen_mean - pair.rejected_mean)
    return -jax.nn.log_sigmoid(margin - gamma)
