"""ORPO: likelihood of the chosen response and the odds between both (arXiv 2403.07691, eq. 6)."""

import jax
import jax.numpy as jnp

from reasoning_jax.preference.batch import PairLogprobs

_LARGEST = -1e-6  # nats; a token of probability 0.999999


def orpo(pair: PairLogprobs, *, odds_coef: float = 0.1) -> jax.Array:
    """-m_c - λ log σ(log odds(m_c) - log odds(m_r)), odds(m) = eᵐ/(1 - eᵐ), λ ``odds_coef``; [B].

    m is the mean log-probability of a token. Without a reference.
    """
    log_odds = _log_odds(pair.chosen_mean) - _log_odds(pair.rejected_mean)
    return -pair.chosen_mean - odds_coef * jax.nn.log_sigmoid(log_odds)


def _log_odds(mean_logprob: jax.Array) -> jax.Array:
    """m - log(1 - eᵐ); held, without gradient, where eᵐ rounds to 1 and odds are infinite."""
    held = jnp.where(mean_logprob < _LARGEST, mean_logprob, _LARGEST)
    return held - jnp.log(-jnp.expm1(held))
