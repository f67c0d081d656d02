"""Energies of texts that were written: an energy model as a judge of answers and of steps.

One parallel pass gives the energy of every token given those before. Lower is better. Training
settles slopes within one position, not the level of one position against another, so a token is
also measured from where thinking arrives (``token_rises``). It shows soft candidates alone, never
sure ones: energies of tokens need not be calibrated, and a ranking loss (``ranking_loss``) teaches
what they are to tell apart.
"""

import jax
import jax.numpy as jnp

from reasoning_jax.models.energy.model import EnergyModel
from reasoning_jax.models.energy.streams import EnergyContext, embedded_energy, encode
from reasoning_jax.models.energy.thinking import Start, Thinking, begin, think


def token_energies(
    model: EnergyModel, params: dict, tokens: jax.Array, segment_ids: jax.Array | None = None
) -> jax.Array:
    """Energy [B, T] of each token as the sure candidate after those before it.

    Position t is of tokens[:, t], as in ``token_logprobs``; the first of a row has none, 0. It is
    that of a candidate whose softmax is 1 at the token, and no array over the vocabulary is made.
    Landscapes are those of the last thought, at which thinking ends.

    Args:
      segment_ids: [B, T], tokens see only their own segment; 0 is padding, of energy 0, as is the
        first token of every segment.
    """
    if segment_ids is not None:
        tokens = jnp.where(segment_ids > 0, tokens, 0)
    context = encode(model, params, tokens, segment_ids)
    return _at_tokens(_of_following(model, params, context, tokens), segment_ids)


def token_rises(
    model: EnergyModel,
    params: dict,
    tokens: jax.Array,
    segment_ids: jax.Array | None,
    start: Start,
    thinking: Thinking,
) -> jax.Array:
    """Energy [B, T] of each token above that of what thinking arrives at in its place.

    As ``token_energies``, but levels that positions differ by cancel. A pass more for each thought.

    Args:
      start: drawn for the rows (``draw_start``); what ``thinking`` begins with is laid over it.
    """
    if segment_ids is not None:
        tokens = jnp.where(segment_ids > 0, tokens, 0)
    context = encode(model, params, tokens, segment_ids)
    start = begin(model, params, tokens, segment_ids, start, thinking)
    arrived = think(model, params, context, start, thinking).energies[-1]
    return _at_tokens(_of_following(model, params, context, tokens) - arrived, segment_ids)


def _of_following(
    model: EnergyModel, params: dict, context: EnergyContext, tokens: jax.Array
) -> jax.Array:
    """Energies [B, T] of the token after each, as the sure candidate."""
    table = params["candidate_embedding"].astype(model.decoder.dtype)
    x = jnp.take(table, jnp.roll(tokens, -1, axis=1), axis=0)
    x = x * jnp.asarray(model.decoder.config.embed_scale, x.dtype)
    last = jnp.full(tokens.shape[0], model.landscapes - 1)
    return embedded_energy(model, params, context, x, last)


def _at_tokens(of_following_BxT: jax.Array, segment_ids: jax.Array | None) -> jax.Array:
    """From the position before a token to its own; 0 for those that follow none."""
    at_own = jnp.roll(of_following_BxT, 1, axis=1)
    follows = jnp.arange(at_own.shape[1]) > 0
    if segment_ids is not None:
        follows = follows & (segment_ids > 0) & (segment_ids == jnp.roll(segment_ids, 1, axis=1))
    return jnp.where(follows, at_own, 0)


def mean_energy(energies_BxT: jax.Array, mask_BxT: jax.Array) -> jax.Array:
    """Mean over the tokens of each row, [B]; 0 for a row without any."""
    total = jnp.sum(jnp.where(mask_BxT, energies_BxT, 0), axis=1)
    return total / jnp.maximum(mask_BxT.sum(axis=1), 1)


def largest_energy(energies_BxT: jax.Array, mask_BxT: jax.Array) -> jax.Array:
    """Energy [B] of the worst token of each row; 0 for a row without any."""
    worst = jnp.max(jnp.where(mask_BxT, energies_BxT, -jnp.inf), axis=1)
    return jnp.where(mask_BxT.any(axis=1), worst, 0)


def last_energy(energies_BxT: jax.Array, mask_BxT: jax.Array) -> jax.Array:
    """Energy [B] of the last token of each row; 0 for a row without any."""
    columns = jnp.arange(mask_BxT.shape[1])
    last = jnp.max(jnp.where(mask_BxT, columns, 0), axis=1)[:, None]
    at_last = jnp.take_along_axis(energies_BxT, last, axis=1)[:, 0]
    return jnp.where(mask_BxT.any(axis=1), at_last, 0)


def step_energies(energies_BxT: jax.Array, steps_BxT: jax.Array, n_steps: int) -> jax.Array:
    """Mean energy [B, n_steps] of the tokens of each step: a process score, lower is better.

    Args:
      steps_BxT: step of each token from 0; -1 outside of steps. A step without tokens gets 0.
    """
    member = steps_BxT[:, :, None] == jnp.arange(n_steps)
    total = jnp.sum(jnp.where(member, energies_BxT[:, :, None], 0), axis=1)
    return total / jnp.maximum(member.sum(axis=1), 1)


def ranking_loss(energy_right: jax.Array, energy_wrong: jax.Array) -> jax.Array:
    """softplus(E+ - E-) of each pair, any shape: a logistic loss on the gap of energies."""
    return jax.nn.softplus(energy_right - energy_wrong)
