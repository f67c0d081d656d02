"""Models that learnt beside a policy, kept as folders at the end of their stage."""

from collections.abc import Collection, Mapping

from reasoning_jax.stages.keep import kept_folder
from reasoning_jax.stages.rl.learners.learner import Learner
from reasoning_jax.stages.stage import Stage
from reasoning_jax.training.state import TrainState


def keep_learners(
    stage: Stage, learners: Mapping[str, Learner], states: Mapping[str, TrainState]
) -> None:
    """Writes those that the block's ``keep`` names, as ``WORKDIR/kept/<stage>.<learner>``."""
    context = stage.context
    for name in stage.config.keep:
        learner = learners[name]
        merged = learner.trainable.merge(states[name].params, context.frozen)
        learner.save(kept_folder(context, f"{stage.name}.{name}"), merged)


def check_kept(keep: Collection[str], there: Collection[str]) -> None:
    """ValueError unless all that is to be kept learns here."""
    for name in keep:
        if name not in there:
            raise ValueError(
                f"keep names {name!r}, but beside the policy learns "
                f"{', '.join(there) or 'nothing'}: a model learns where a function asks for its "
                "field"
            )
