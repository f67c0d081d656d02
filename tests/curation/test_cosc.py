import pytest

from reasoning_jax.curation import Segment, keep_trajectory, loss_mask, stop_reason


def test_mask_of_the_worked_case(cases):
    worked = cases("cosc")
    segments = worked["segments"]
    mask = loss_mask([s["kind"] for s in segments], [s["tokens"] for s in segments])
    assert list(mask) == worked["mask"]
    assert (len(mask), sum(mask)) == (worked["total_tokens"], worked["trained_tokens"])


def test_control_of_the_worked_case(cases):
    for case in cases("cosc")["control"]:
        seen = 0
        while stop_reason(case["conclusions"][:seen], case["cap"]) is None:
            seen += 1
        stopped = stop_reason(case["conclusions"][:seen], case["cap"])
        assert {"stages": seen, "stopped": stopped} == case["expected"]


def test_what_is_kept_of_the_worked_case(cases):
    for item in cases("cosc")["keep_rule"]["items"]:
        segments = [
            Segment("question", "Q"),
            Segment("program", "p"),
            Segment("output", "7"),
            Segment("conclusion", "wrong"),
            Segment("output", f" {item['output']}\n"),
            Segment("conclusion", item["last"]),
        ]
        assert keep_trajectory(segments, item["ref"]) is item["keep"]


def test_a_trajectory_without_an_end_is_not_kept():
    assert not keep_trajectory([Segment("question", "Q"), Segment("output", "4")], "4")


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="kind 'answer'"):
        Segment("answer", "4")
