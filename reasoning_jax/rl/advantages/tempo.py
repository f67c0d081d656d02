"""TEMPO: GRPO plus the change of a prefix's value at the token (arXiv 2509.18314)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups
from reasoning_jax.rl.numerics import at_least_float32
from reasoning_jax.types import Rollouts


def tempo(rollouts: Rollouts, *, ddof: int = 1, eps: float = 1e-6) -> jax.Array:
    """(reward - group mean + V(prefix with the token) - V(prefix)) / (group std + eps).

    V is ``prefix_values``. [B, T] float32; equal to GRPO wherever the samples of the group that
    share the prefix go on alike. Exactly 0 in a group whose rewards are all equal.
    """
    group = rollouts.group_ids, rollouts.row_mask
    rewards = at_least_float32(rollouts.rewards)
    after = prefix_values(rollouts)
    before = _previous(after, groups.mean(rewards, *group), _inside(rollouts))
    scale = groups.std(rewards, *group, ddof=ddof) + eps
    advantages = (groups.deviation(rewards, *group)[:, None] + after - before) / scale[:, None]
    varies = rollouts.row_mask & ~groups.constant(rewards, *group)
    advantages = jnp.where(rollouts.loss_mask & varies[:, None], advantages, 0)
    return jax.lax.stop_gradient(advantages.astype(jnp.float32))


def prefix_values(rollouts: Rollouts) -> jax.Array:
    """Mean reward of the samples of the group that begin with the response up to the token.

    [B, T] float32, by equality of token ids from the first sampled token to the last, tool
    results between them included; 0 elsewhere. Prefixes are nodes of a tree: a column at a time,
    the pair of node and token becomes the next node, so memory is that of the batch and time
    that of T sorts of B rows.
    """
    inside = _inside(rollouts)
    # Responses of one prompt begin in one column; the shift makes that no condition.
    start = jnp.argmax(inside, axis=1)[:, None]
    columns = (jnp.arange(inside.shape[1]) + start) % inside.shape[1]
    tokens, live = (jnp.take_along_axis(x, columns, axis=1) for x in (rollouts.tokens, inside))
    rewards = at_least_float32(rollouts.rewards)

    def step(nodes: jax.Array, column: tuple) -> tuple[jax.Array, jax.Array]:
        token, here = column
        nodes = jnp.where(here, _pairs(nodes, token, here), nodes)
        return nodes, groups.mean(rewards, nodes, here)

    values = jax.lax.scan(step, rollouts.group_ids, (tokens.T, live.T))[1].T
    rows = jnp.arange(len(values))[:, None]
    return jax.lax.stop_gradient(jnp.zeros_like(values).at[rows, columns].set(values))


def _pairs(nodes: jax.Array, tokens: jax.Array, here: jax.Array) -> jax.Array:
    """A number in [0, B) per distinct (node, token) among the rows that are ``here``."""
    order = jnp.lexsort((tokens, nodes, ~here))
    nodes, tokens = nodes[order], tokens[order]
    new = (nodes[1:] != nodes[:-1]) | (tokens[1:] != tokens[:-1])
    names = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(new, dtype=jnp.int32)])
    return jnp.zeros_like(names).at[order].set(names)


def _inside(rollouts: Rollouts) -> jax.Array:
    """From the first to the last sampled token of rows that take part, [B, T] bool."""
    mask = rollouts.loss_mask.astype(jnp.int32)
    return (jnp.cumsum(mask, axis=1) > 0) & (jax.lax.cumsum(mask, axis=1, reverse=True) > 0)


def _previous(values: jax.Array, first: jax.Array, inside: jax.Array) -> jax.Array:
    """Each value's left neighbour, ``first`` [B] where the response begins."""
    begins = inside & ~jnp.pad(inside, ((0, 0), (1, 0)))[:, :-1]
    return jnp.where(begins, first[:, None], jnp.pad(values, ((0, 0), (1, 0)))[:, :-1])
