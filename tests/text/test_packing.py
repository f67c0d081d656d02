import time

import numpy as np
import pytest

from reasoning_jax.text import packing


def by_definition(lengths, capacity):
    """First fit decreasing as one says it."""
    bins, free = [], []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        place = next((i for i, room in enumerate(free) if room >= lengths[index]), len(bins))
        if place == len(bins):
            bins.append([])
            free.append(capacity)
        bins[place].append(index)
        free[place] -= lengths[index]
    return bins


def test_worked_bins(cases):
    case = cases("packing")
    lengths, capacity = case["lengths"], case["capacity"]
    assert packing.first_fit_decreasing(lengths, capacity) == case["ffd_bins"]
    assert packing.sequential(lengths, capacity) == case["sequential_bins"]


def test_first_fit_decreasing_by_hand():
    # 6 | 5 | 4 joins 6, 4 joins 5; 1 goes to the first bin with room: 5 + 4 + 1
    assert packing.first_fit_decreasing([4, 6, 1, 5, 4], 10) == [[1, 0], [3, 4, 2]]


@pytest.mark.parametrize("seed", range(20))
def test_first_fit_decreasing_is_exact(seed):
    random = np.random.default_rng(seed)
    capacity = int(random.integers(1, 40))
    lengths = random.integers(1, capacity + 1, random.integers(0, 200)).tolist()
    assert packing.first_fit_decreasing(lengths, capacity) == by_definition(lengths, capacity)


def test_first_fit_decreasing_of_a_training_set_is_quick():
    lengths = np.random.default_rng(0).integers(1, 513, 20_000)
    start = time.process_time()
    bins = packing.first_fit_decreasing(lengths, 512)
    assert time.process_time() - start < 2
    assert sorted(index for members in bins for index in members) == list(range(20_000))
    assert max(sum(lengths[members]) for members in bins) <= 512
    assert len(bins) < 1.02 * lengths.sum() / 512


def test_sequential_keeps_the_order():
    assert packing.sequential([3, 7, 1, 10, 2], 10) == [[0, 1], [2], [3], [4]]


@pytest.mark.parametrize("make", [packing.first_fit_decreasing, packing.sequential])
def test_nothing_makes_no_bins(make):
    assert make([], 10) == []


@pytest.mark.parametrize("make", [packing.first_fit_decreasing, packing.sequential])
@pytest.mark.parametrize("length", [0, 11])
def test_names_the_sequence_that_fits_nowhere(make, length):
    with pytest.raises(ValueError, match=rf"sequence 1 has length {length}.* capacity 10"):
        make([3, length, 12], 10)


@pytest.fixture
def packed():
    """Prompt of 1 token, then the response, in each of three sequences; one row with padding."""
    sequences = [[11, 12, 13], [21, 22, 23, 24], [31, 32]]
    loss_masks = [[0, 1, 1], [0, 1, 1, 1], [0, 1]]
    return packing.pack(sequences, loss_masks, [[0, 1, 2]], 10)


def test_pack(packed):
    np.testing.assert_array_equal(packed.tokens, [[11, 12, 13, 21, 22, 23, 24, 31, 32, 0]])
    np.testing.assert_array_equal(packed.segment_ids, [[1, 1, 1, 2, 2, 2, 2, 3, 3, 0]])
    np.testing.assert_array_equal(packed.positions, [[0, 1, 2, 0, 1, 2, 3, 0, 1, 0]])
    np.testing.assert_array_equal(packed.loss_mask, [[0, 1, 1, 0, 1, 1, 1, 0, 1, 0]])
    assert packed.loss_mask.dtype == bool


def test_pack_case(cases, packed):
    case = cases("packing")
    np.testing.assert_array_equal(packed.segment_ids[0], case["segment_ids"])
    np.testing.assert_array_equal(packed.positions[0], case["positions"])
    # the case marks the input position, one before its target
    at_input = np.append(packed.loss_mask[0, 1:], False)
    np.testing.assert_array_equal(at_input, case["loss_mask_on_input_position"])
    segments = packed.segment_ids[0]
    pairs = (segments[:, None] == segments) & (segments > 0) & np.tri(10, dtype=bool)
    assert pairs.sum() == case["attention_pairs_true"]


def test_no_target_crosses_a_boundary():
    # every token is trained, the first of each sequence has nothing to predict it
    packed = packing.pack([[1, 2], [3], [4, 5]], [[1, 1], [1], [1, 1]], [[2, 1], [0]], 6)
    np.testing.assert_array_equal(packed.tokens, [[4, 5, 3, 0, 0, 0], [1, 2, 0, 0, 0, 0]])
    np.testing.assert_array_equal(packed.loss_mask, [[0, 1, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]])


def test_pack_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"bin 0 holds 4 tokens.* capacity 3"):
        packing.pack([[1, 2], [3, 4]], [[1, 1], [1, 1]], [[0, 1]], 3)
    with pytest.raises(ValueError, match=r"sequence 1 has length 4.* capacity 3"):
        packing.pack([[1], [1, 2, 3, 4]], [[1], [1, 1, 1, 1]], [[0], [1]], 3)
    with pytest.raises(ValueError, match="loss mask 1 has length 1 for 2 tokens"):
        packing.pack([[1], [1, 2]], [[1], [1]], [[0, 1]], 3)
