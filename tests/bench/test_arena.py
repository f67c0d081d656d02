import os
import pathlib

import pytest

from reasoning_jax.bench.arena import Arena, Contestant, Measurement, Missing, compare, median


@pytest.fixture
def arena(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--ours")
    path = os.pathsep.join((str(pathlib.Path(__file__).parent), os.environ.get("PYTHONPATH", "")))
    monkeypatch.setenv("PYTHONPATH", path)
    contestants = [
        Contestant(name, "contestant", variables={"NUMBER": number})
        for name, number in (("one", "1"), ("two", "2"))
    ]
    with Arena(contestants) as arena:
        yield arena


def work(kind="doubles", **more):
    return {"kind": kind, "tokens": 21, "warm_ups": 1, **more}


def test_contestants_alternate_and_report(arena):
    for name in ("one", "two"):
        about = arena.prepare(name, "k", work(sleep=0.02))
        assert about["device"] == "paper" and about["seconds"] > 0.02
    found = arena.alternate([("one", "k"), ("two", "k")], rounds=3)
    assert {name: len(runs) for (name, _), runs in found.items()} == {"one": 3, "two": 3}
    first = found["one", "k"][0]
    assert (first.tokens, first.check, first.extra) == (42, 0.5, {"variable": 1.0})
    assert first.wall > 0.02 > first.cpu >= 0 and first.peak_mb > 1
    assert median(found["two", "k"]).extra == {"variable": 2.0}


def test_a_missing_package_and_an_error_are_told_and_leave_the_process_alive(arena):
    with pytest.raises(Missing, match="one: pip install what-is-missing"):
        arena.prepare("one", "k", work("missing"))
    with pytest.raises(RuntimeError, match=r"one: ValueError: no such work(?s:.*)libraries print"):
        arena.prepare("one", "k", work("refuses"))
    arena.prepare("one", "k", work())
    assert arena.measure("one", "k").tokens == 42
    arena.drop("one", "k")
    with pytest.raises(RuntimeError, match="KeyError"):
        arena.measure("one", "k")


def test_a_contestant_that_dies_is_told_with_its_last_words(arena):
    with pytest.raises(RuntimeError, match=r"two ended with status 3: (?s:.*)last words"):
        arena.prepare("two", "k", work("dies"))


def test_an_interpreter_that_is_not_there_is_named():
    arena = Arena([Contestant("peer", "contestant", python="/no/python")])
    with pytest.raises(RuntimeError, match="peer: /no/python"):
        arena.prepare("peer", "k", work())


def test_only_we_keep_what_the_launch_scripts_set(monkeypatch):
    for name in ("XLA_FLAGS", "GLIBC_TUNABLES"):
        monkeypatch.setenv(name, "--two_devices")
        assert Contestant("us", "m", ours=True).environment()[name] == "--two_devices"
        assert name not in Contestant("peer", "m").environment()
    assert Contestant("peer", "m", variables={"XLA_FLAGS": "x"}).environment()["XLA_FLAGS"] == "x"


def test_ratios_are_medians_of_pairs():
    own = [Measurement(wall, 1.0, 10, 1) for wall in (1.0, 2.0, 4.0)]
    other = [Measurement(wall, 3.0, 10, 1) for wall in (2.0, 6.0, 4.0)]
    found = compare(own, other)
    assert (found.ratio, found.low, found.high, found.cpu_ratio) == (2.0, 1.0, 3.0, 3.0)
    assert median(own).wall == 2.0
