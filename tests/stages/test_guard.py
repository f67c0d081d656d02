"""The guard keeps the best policy and stops one that falls."""

from ml_collections import ConfigDict

from reasoning_jax.evals.run import Evaluation
from reasoning_jax.stages.guard import judge

GUARD = ConfigDict({"start": 0.3, "slack": 0.03, "drop": 0.1, "patience": 2})
START = {"start_greedy": 0.9, "best": 0.6, "best_number": 40, "falls": 0, "keep": [40]}


def after(step: int, sampled: float, greedy: float, progress: dict = START):
    evaluation = Evaluation({"eval/pass@1": sampled, "eval/greedy": greedy}, [])
    return judge(GUARD, 40, step, progress, evaluation)


def test_a_better_policy_becomes_the_best_and_both_its_checkpoint_and_the_first_stay():
    decision = after(20, 0.8, 0.9)
    assert not decision.stop
    assert decision.progress["best"] == 0.8
    assert decision.progress["best_number"] == 60
    assert decision.progress["keep"] == [40, 60]


def test_a_policy_that_lost_greedy_accuracy_is_never_the_best():
    assert after(20, 0.8, 0.86).progress["best_number"] == 40  # 0.9 - 0.04 < 0.9 - 0.03
    assert after(20, 0.8, 0.88).progress["best_number"] == 60


def test_it_stops_after_patience_falls_in_a_row():
    first = after(20, 0.6, 0.79)  # greedy 0.11 below its start
    assert not first.stop and first.progress["falls"] == 1
    assert after(40, 0.49, 0.9, first.progress).stop  # pass@1 0.11 below its best
    recovered = after(40, 0.6, 0.9, first.progress)
    assert not recovered.stop and recovered.progress["falls"] == 0


def test_progress_is_not_changed_in_place():
    after(20, 0.8, 0.9)
    assert START["best"] == 0.6
