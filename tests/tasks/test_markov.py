"""A source whose entropy is known, against counts over what it draws."""

import collections

import numpy as np
import pytest

from reasoning_jax.tasks import load_task
from reasoning_jax.tasks.markov import Markov


def counted_nll(task, documents, order):
    """Empirical entropy of a letter given ``order`` before it."""
    pairs = collections.Counter()
    for index in range(documents):
        text = task.problem("train", index).solution
        pairs.update((text[i - order : i], text[i]) for i in range(order, len(text)))
    given = collections.Counter()
    for (before, _), n in pairs.items():
        given[before] += n
    total = sum(pairs.values())
    return -sum(n / total * np.log(n / given[before]) for (before, _), n in pairs.items())


def test_the_entropy_is_that_of_what_is_drawn():
    task = Markov(symbols=4, order=2, length=50, seed=3)
    assert task.entropy() == pytest.approx(counted_nll(task, 4_000, 2), abs=0.005)
    # A single letter stands before the second, and the end of the text is certain.
    after_one = counted_nll(task, 4_000, 1)
    assert task.floor() == pytest.approx((after_one + 48 * task.entropy()) / 50, abs=0.005)
    assert after_one > task.entropy() + 0.05


def test_letters_are_alike_wherever_they_stand():
    task = Markov(symbols=3, order=1, length=20)
    texts = [task.problem("test", i).solution for i in range(512)]
    first, last = (collections.Counter(text[i] for text in texts) for i in (0, -1))
    for letter in "abc":
        assert abs(first[letter] - last[letter]) < 0.1 * len(texts)
    assert {len(text) for text in texts} == {20}


def test_documents_differ_by_seed_split_and_index_and_by_nothing_else():
    task = Markov()
    text = task.problem("train", 5).solution
    assert Markov().problem("train", 5).solution == text
    others = [task.problem("train", 6), task.problem("test", 5), Markov(seed=1).problem("train", 5)]
    assert text not in [other.solution for other in others]
    assert len(text) == 33 and set(text) <= set(task.alphabet)


def test_a_warmer_source_has_more_entropy_and_the_same_letters():
    assert (
        Markov(temperature=1.5).entropy() > Markov().entropy() > Markov(temperature=0.7).entropy()
    )


@pytest.mark.parametrize(
    "options", [{"symbols": 1}, {"order": 9}, {"concentration": 0.0}, {"length": 2}]
)
def test_knobs_that_make_no_sense_are_named(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"markov: {name} is"):
        load_task("markov", **options)
