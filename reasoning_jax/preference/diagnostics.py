"""What to watch while a policy learns from pairs."""

import jax
import jax.numpy as jnp

from reasoning_jax.preference.batch import PairLogprobs
from reasoning_jax.rl.aggregate import weighted_sum


def pair_scalars(pair: PairLogprobs, weights: jax.Array, beta: float) -> dict[str, jax.Array]:
    """Means over pairs, under the names that users of TRL know.

    The implicit reward of a response is β log π/π_ref (arXiv 2305.18290, section 4). A pair is
    ranked right when the chosen reward is strictly above the rejected one.

    Args:
      weights: [B] share of each pair, as of ``pair_mean``.
      beta: of the loss.
    """
    per_pair = {
        "rewards/chosen": beta * pair.chosen_log_ratio,
        "rewards/rejected": beta * pair.rejected_log_ratio,
        "rewards/margins": beta * pair.margin,
        "rewards/accuracies": (pair.margin > 0).astype(jnp.float32),
        "logps/chosen": pair.chosen,
        "logps/rejected": pair.rejected,
    }
    return {name: weighted_sum(values, weights) for name, values in per_pair.items()}
