import pytest

from reasoning_jax.curation import Benchmark


def test_worked_case(cases):
    """Light-R1: equal but for digits and punctuation, or a shared run of words."""
    worked = cases("light_r1")["decontamination"]
    benchmark = Benchmark(worked["benchmark"], worked["ngram_n"])
    train = worked["train"]
    assert [benchmark.same(question) for question in train] == worked["exact_without_digits"]
    assert [benchmark.shares_words(question) for question in train] == worked["ngram_hit"]
    assert [benchmark.holds(question) for question in train] == worked["drop"]
    clean = [i for i, drop in enumerate(worked["drop"]) if not drop]
    assert list(benchmark.clean(train)) == clean


def test_runs_are_of_whole_words_in_order():
    benchmark = Benchmark(["one two three"], words=2)
    assert benchmark.shares_words("x ONE\n Two y")
    assert not benchmark.shares_words("two one three")
    assert not benchmark.shares_words("done two")
    assert not Benchmark(["one"], words=2).shares_words("one two")


def test_words_of_none_are_refused():
    with pytest.raises(ValueError, match="words is 0"):
        Benchmark([], words=0)
