"""Order, coverage and exact resumption of batches; what packed examples train."""

import itertools
import json

import numpy as np
import pytest

from reasoning_jax.text import encode_example
from reasoning_jax.text.char import CharTokenizer
from reasoning_jax.training.data import index_batches, pack_examples


def take(batches, count):
    return [np.asarray(batch).tolist() for batch in itertools.islice(batches, count)]


@pytest.mark.parametrize("size, batch", [(12, 4), (10, 4), (5, 5), (7, 1), (1, 1)])
def test_no_epoch_holds_an_index_twice(size, batch):
    # Of 10 indices 2 batches of 4 are an epoch: 2 are left out of it, other ones every time.
    batches = size // batch
    taken = take(index_batches(size, batch, seed=1), 3 * batches)
    epochs = [
        list(itertools.chain.from_iterable(taken[first : first + batches]))
        for first in range(0, 3 * batches, batches)
    ]
    for epoch in epochs:
        assert len(set(epoch)) == len(epoch) == batches * batch
        assert set(epoch) <= set(range(size))
    if size > 1:
        assert epochs[0] != epochs[1] != epochs[2]


def test_the_order_is_the_seeds():
    assert take(index_batches(50, 5, seed=3), 8) == take(index_batches(50, 5, seed=3), 8)
    assert take(index_batches(50, 5, seed=3), 8) != take(index_batches(50, 5, seed=4), 8)
    take(index_batches(50, 5, seed=2**32 - 1), 1)  # the largest seed a stage makes


@pytest.mark.parametrize("done", [0, 1, 6, 17])
def test_goes_on_exactly_from_a_state_that_went_through_json(done):
    batches = index_batches(13, 4, seed=7)
    take(batches, done)
    state = json.loads(json.dumps(batches.get_state()))
    expected = take(batches, 9)
    again = index_batches(13, 4, seed=7)
    take(again, 2)  # wherever it stood
    again.set_state(state)
    assert take(again, 9) == expected


def test_fewer_problems_than_a_batch_are_refused():
    with pytest.raises(ValueError, match="3 problems are fewer than a batch of 4"):
        index_batches(3, 4, seed=0)


@pytest.fixture
def examples():
    tokenizer = CharTokenizer("0123456789+=")
    return [encode_example(tokenizer, f"{a}+{a}=", str(2 * a)) for a in range(0, 40, 3)]


def segments(rows):
    """(tokens, loss mask, positions) of every packed example, as tuples."""
    for tokens, ids, mask, positions in zip(
        rows.tokens, rows.segment_ids, rows.loss_mask, rows.positions
    ):
        for segment in range(1, ids.max() + 1):
            inside = ids == segment
            yield tuple(tuple(x[inside].tolist()) for x in (tokens, mask, positions))


def test_what_follows_the_prompt_is_trained_end_of_sequence_included(examples):
    rows = pack_examples(examples, capacity=20, seed=0)
    found = {tokens: (mask, positions) for tokens, mask, positions in segments(rows)}
    assert set(found) == {tuple(ids) for ids, _ in examples}
    for ids, trained in examples:
        mask, positions = found[tuple(ids)]
        assert ids[-1] == CharTokenizer.eos_ids[0]
        assert mask == tuple(trained) and trained[-1] and not trained[0]
        assert positions == tuple(range(len(ids)))
    assert not rows.loss_mask[rows.segment_ids == 0].any()
    assert rows.tokens.shape[1] == 20 and len(rows.tokens) < len(examples)


@pytest.mark.parametrize("window", [1, 3, 10_000])
def test_windows_lose_and_repeat_nothing(examples, window):
    rows = pack_examples(examples, capacity=24, seed=5, window=window)
    packed = sorted(tokens for tokens, _, _ in segments(rows))
    assert packed == sorted(tuple(ids) for ids, _ in examples)
    if window == 1:
        assert len(rows.tokens) == len(examples)


def test_the_seed_decides_which_go_together(examples):
    one, same, other = (pack_examples(examples, 24, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.tokens, same.tokens)
    assert one.tokens.shape != other.tokens.shape or (one.tokens != other.tokens).any()


def test_an_example_longer_than_a_row_is_refused(examples):
    with pytest.raises(ValueError, match="capacity 5"):
        pack_examples(examples, capacity=5, seed=0)
