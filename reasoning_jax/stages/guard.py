"""Watching a policy under RL: keep the best, stop one that falls."""

from ml_collections import ConfigDict

from reasoning_jax.evals.run import Evaluation
from reasoning_jax.stages.loop import Decision


def judge(
    guard: ConfigDict, first_number: int, step: int, progress: dict, evaluation: Evaluation
) -> Decision:
    """Remembers the best policy; stops after ``patience`` evaluations of a fallen one.

    Fallen is greedy accuracy ``drop`` below its start, or pass@1 ``drop`` below its best. A
    policy counts as best only while greedy has not lost ``slack`` against its start.

    Args:
      guard: ``slack``, ``drop`` and ``patience``.
      first_number: number of the stage's first checkpoint.
      step: steps done.
      progress: ``start_greedy``, ``best``, ``best_number``, ``falls``, ``keep``.
    """
    sampled, greedy = evaluation.metrics["eval/pass@1"], evaluation.metrics["eval/greedy"]
    progress = dict(progress)
    if sampled > progress["best"] and greedy >= progress["start_greedy"] - guard.slack:
        progress["best"], progress["best_number"] = sampled, first_number + step
    fallen = (
        greedy < progress["start_greedy"] - guard.drop or sampled < progress["best"] - guard.drop
    )
    progress["falls"] = progress["falls"] + 1 if fallen else 0
    # The first checkpoint is the reference policy; the best one is what the stage returns.
    progress["keep"] = sorted({first_number, progress["best_number"]})
    return Decision(progress["falls"] >= guard.patience, progress)
