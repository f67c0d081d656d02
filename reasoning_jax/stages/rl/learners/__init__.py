"""Models that learn beside the policy and fill a field of Rollouts.

A critic fills ``values``, an implicit reward model ``token_rewards``, a ranking model
``model_rewards``, a judge of steps ``step_scores``. Each begins as the policy does, or as a model
that was trained before; under adapters it is other adapters over the same base.
"""

from collections.abc import Callable, Mapping

from ml_collections import ConfigDict

from reasoning_jax.stages.context import Context
from reasoning_jax.stages.rl.learners.critic import bound_targets, critic, explained
from reasoning_jax.stages.rl.learners.implicit import implicit
from reasoning_jax.stages.rl.learners.judge import judge
from reasoning_jax.stages.rl.learners.keeping import check_kept, keep_learners
from reasoning_jax.stages.rl.learners.learner import Learner
from reasoning_jax.stages.rl.learners.ranking import ranking

LEARNERS: Mapping[str, tuple[str, Callable[[Context, ConfigDict, int], Learner]]] = {
    "critic": ("values", critic),
    "implicit": ("token_rewards", implicit),
    "ranking": ("model_rewards", ranking),
    "judge": ("step_scores", judge),
}
"""Name of the block -> the field that the model fills, and what builds it."""


def build_learners(
    context: Context, block: ConfigDict, fields: tuple[str, ...], seed: int
) -> dict[str, Learner]:
    """The learners whose fields are asked for, by the name of their block.

    Args:
      seed: of fresh heads.
    """
    return {
        name: build(context, block, seed)
        for name, (field, build) in LEARNERS.items()
        if field in fields
    }


__all__ = [
    "LEARNERS",
    "Learner",
    "bound_targets",
    "build_learners",
    "check_kept",
    "explained",
    "keep_learners",
]
