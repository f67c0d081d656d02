"""Heimdall: a verifier trained by RL, and choosing answers by its verdicts (arXiv 2504.10337)."""

import jax
import jax.numpy as jnp

from reasoning_jax.rl.numerics import at_least_float32


def verdict_reward(verdicts: jax.Array, labels: jax.Array) -> jax.Array:
    """1 where the verdict is the label, -1 elsewhere; [B].

    ``verdicts`` [B] int are 1, 0 or -1 for a verdict that cannot be read, which never matches.
    """
    return jnp.where((verdicts == labels) & (verdicts >= 0), 1.0, -1.0)


def pessimistic_scores(
    mean_verdicts: jax.Array,
    solutions: jax.Array,
    *,
    verdicts_each: int,
    alpha: float = 0.1,
) -> jax.Array:
    """r(a) - α ln(N M) / (N_a M + 1) of each answer a, whose argmax is the choice; [A].

    Args:
      mean_verdicts: [A] r(a), mean over all verdicts on the solutions with that answer.
      solutions: [A] N_a; their sum is N.
      verdicts_each: M, verdicts per solution.
      alpha: 0 chooses by verdict alone, a large one by majority.
    """
    solutions = at_least_float32(solutions)
    every = jnp.log(solutions.sum() * verdicts_each)
    return at_least_float32(mean_verdicts) - alpha * every / (solutions * verdicts_each + 1)
