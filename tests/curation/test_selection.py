import numpy as np
import pytest

from reasoning_jax.curation import clusters, select, water_fill


def test_worked_case(cases):
    """InfiAlign: filters, an equal quota per domain, the longest first."""
    worked = cases("infialign")
    pool = worked["candidates"]
    filters = (lambda c: c["answer_ok"], lambda c: c["dup_of"] is None)
    kept = [c["id"] for c in pool if all(test(c) for test in filters)]
    assert kept == worked["kept_after_filters"]
    assert water_fill(worked["counts_by_domain"], worked["budget"]) == worked["quota"]
    chosen = select(
        pool,
        worked["budget"],
        bucket=lambda c: c["domain"],
        difficulty=lambda c: c["length"],
        keep=filters,
    )
    assert [pool[i]["id"] for i in chosen] == worked["selected"]


@pytest.mark.parametrize(
    "counts, budget, quota",
    [
        ({"b": 5, "a": 5}, 3, {"a": 2, "b": 1}),
        ({"a": 1, "b": 9, "c": 3}, 8, {"a": 1, "b": 4, "c": 3}),
        ({"a": 1, "b": 2}, 10, {"a": 1, "b": 2}),
        ({"a": 0, "b": 2}, 1, {"a": 0, "b": 1}),
        ({"a": 2}, 0, {"a": 0}),
        ({}, 4, {}),
    ],
)
def test_quotas_by_hand(counts, budget, quota):
    assert water_fill(counts, budget) == quota


def test_quotas_are_as_equal_as_the_counts_allow():
    random = np.random.default_rng(0)
    for _ in range(200):
        counts = dict(enumerate(random.integers(0, 30, 8).tolist()))
        budget = int(random.integers(0, 200))
        quota = water_fill(counts, budget)
        assert sum(quota.values()) == min(budget, sum(counts.values()))
        open_ = [quota[name] for name in counts if quota[name] < counts[name]]
        assert all(quota[name] <= counts[name] for name in counts)
        assert not open_ or max(quota.values()) - min(open_) <= 1


def test_equally_hard_ones_go_by_their_place():
    chosen = select("abcd", 2, bucket=lambda _: 0, difficulty=lambda c: c == "d")
    assert chosen == (0, 3)


def test_a_negative_budget_is_refused():
    with pytest.raises(ValueError, match="budget is -1"):
        water_fill({"a": 1}, -1)


def test_clusters_part_directions():
    random = np.random.default_rng(0)
    centres = np.eye(3)[[0, 1, 2, 1, 0, 2, 2]]
    points = (centres + random.normal(0, 0.05, centres.shape)) * random.uniform(0.1, 9, (7, 1))
    found = clusters(points, 3, seed=1)
    assert len(set(found)) == 3
    assert found[0] == found[4] and found[1] == found[3] and found[2] == found[5] == found[6]
    np.testing.assert_array_equal(clusters(points, 3, seed=1), found)


def test_equal_embeddings_are_one_cluster():
    assert set(clusters(np.ones((4, 2)), 3, seed=0)) == {0}


@pytest.mark.parametrize("points", [np.zeros(3), np.full((2, 2), np.nan), np.zeros((0, 2))])
def test_embeddings_that_are_none_are_refused(points):
    with pytest.raises(ValueError, match="finite numbers"):
        clusters(points, 2, seed=0)
