import pytest

from reasoning_jax.curation import stages_by_passes


def test_worked_case(cases):
    worked = cases("light_r1")["curriculum"]
    pool = worked["pool"]
    stages = stages_by_passes(
        [entry["r1_ok"] for entry in pool],
        [entry["small_pass"] for entry in pool],
        below=(worked["t1"], worked["t2"]),
    )
    found = [[pool[i]["q"] for i in stage] for stage in stages]
    assert found == [worked["stage1"], worked["stage2"]]


def test_stages_that_grow_are_refused():
    with pytest.raises(ValueError, match=r"below is \(2, 7\)"):
        stages_by_passes([True], [1], below=(2, 7))


def test_missing_counts_are_refused():
    with pytest.raises(ValueError, match="2 verdicts for 1 counts"):
        stages_by_passes([True, False], [1], below=(2,))
