"""Which rows take part: Rollouts -> [B] bool. Shapes stay; ``row_mask`` says who is left."""

import jax

from reasoning_jax.rl import groups
from reasoning_jax.rl.needs import require
from reasoning_jax.rl.rewards.empo import entropy_band
from reasoning_jax.types import Rollouts


def nonzero_variance(rollouts: Rollouts) -> jax.Array:
    """Judged rows of groups with both right and wrong answers (DAPO's dynamic sampling).

    Looks at ``correct``, not at the shaped reward, which length shaping makes vary everywhere.
    Unjudged rows leave their group before it is looked at, and are out.
    """
    taking_part = rollouts.row_mask & judged(rollouts)
    return taking_part & ~groups.constant(rollouts.correct, rollouts.group_ids, taking_part)


def accuracy_band(rollouts: Rollouts, *, low: float = 0.2, high: float = 0.8) -> jax.Array:
    """Judged rows of groups with ``low`` to ``high`` of their answers right, ends included.

    0.2 to 0.8 are PRIME's (arXiv 2502.01456); AceReason's sets are ``low=0`` and ``high`` 14/16,
    10/16 and 6/16.
    """
    taking_part = rollouts.row_mask & judged(rollouts)
    accuracy = groups.mean(rollouts.correct == 1, rollouts.group_ids, taking_part)
    rounding = 1e-6  # 4/5 is not below 0.8 in floating point
    return taking_part & (accuracy >= low - rounding) & (accuracy <= high + rounding)


def cluster_entropy_band(
    rollouts: Rollouts, *, low: float = 0.0, high: float = float("inf")
) -> jax.Array:
    """Rows of groups whose answers have low < entropy < high, in nats (EMPO's thresholds).

    Public code has ``high`` = log(group size) alone, which leaves out groups of all-different
    answers; groups of one answer have entropy 0 and are out.
    """
    require(rollouts, "cluster_entropy_band", "clusters")
    group = rollouts.group_ids, rollouts.row_mask
    return entropy_band(rollouts.clusters, *group, low=low, high=high)


def judged(rollouts: Rollouts) -> jax.Array:
    """Rows whose answer could be judged."""
    return rollouts.correct != -1


def right(rollouts: Rollouts) -> jax.Array:
    """Rows whose answer is right (positive sample reinforcement)."""
    return rollouts.correct == 1


def wrong(rollouts: Rollouts) -> jax.Array:
    """Rows whose answer is wrong (negative sample reinforcement)."""
    return rollouts.correct == 0


def finished(rollouts: Rollouts) -> jax.Array:
    """Rows that ended by themselves, not at the length limit (DAPO's overlong filtering).

    Applied after the advantages it leaves truncated rows in the group statistics, before, not.
    """
    return rollouts.finished


def apply_filter(rollouts: Rollouts, keep: jax.Array) -> Rollouts:
    """The same rollouts with the rows where ``keep`` [B] is False out of groups and loss."""
    return rollouts.replace(row_mask=rollouts.row_mask & keep)
