"""EMPO: rewards without labels, from how often an answer recurs (arXiv 2504.05812)."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from reasoning_jax.rl import groups


def cluster_answers(
    answers: Sequence[str], same: Callable[[str, str], bool] = str.__eq__
) -> list[int]:
    """A number per answer, equal for equal ones, in order of appearance; empty ones stay alone.

    An answer joins the first cluster whose first member it is the same as, so nothing is moved
    once it is placed even where ``same`` is not transitive.
    """
    first_members: list[str] = []
    numbers = []
    for answer in answers:
        joined = (k for k, first in enumerate(first_members) if answer and same(first, answer))
        number = next(joined, len(first_members))
        if number == len(first_members):
            first_members.append(answer)
        numbers.append(number)
    return numbers


def cluster_share(clusters: jax.Array, group_ids: jax.Array, row_mask: jax.Array) -> jax.Array:
    """Share of the group's rows in the row's cluster, the reward of EMPO; [B] float32.

    ``clusters`` [B] int are numbers within a group. Compares all pairs of rows.
    """
    together = (clusters == clusters[:, None]) & (group_ids == group_ids[:, None])
    counts = (together & row_mask).sum(axis=1)
    size = groups.size(group_ids, row_mask)
    return jnp.where(row_mask, counts / jnp.maximum(size, 1), 0)


def cluster_entropy(clusters: jax.Array, group_ids: jax.Array, row_mask: jax.Array) -> jax.Array:
    """-Σ p log p over the clusters of the row's group, in nats; [B] float32."""
    share = cluster_share(clusters, group_ids, row_mask)
    surprise = -jnp.log(jnp.where(row_mask, share, 1))
    return groups.mean(surprise, group_ids, row_mask)


def entropy_band(
    clusters: jax.Array, group_ids: jax.Array, row_mask: jax.Array, *, low: float, high: float
) -> jax.Array:
    """Rows of groups with low < entropy < high, in nats; [B] bool."""
    entropy = cluster_entropy(clusters, group_ids, row_mask)
    return row_mask & (entropy > low) & (entropy < high)
