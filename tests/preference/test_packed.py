"""Pairs packed into rows give what they give in rows of their own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import Transformer, init_params, preset, token_logprobs
from reasoning_jax.preference import (
    packed_pair_logprobs,
    pair_logprobs,
    pair_losses,
    pair_mean,
    segment_sums,
)
from reasoning_jax.preference.pairs import PairIds, collate_pairs, pack_pairs
from reasoning_jax.rl import weighted_sum

VOCAB = 20
NAMES = pair_losses.__all__


@pytest.fixture(scope="module")
def pairs():
    random = np.random.default_rng(0)
    return [
        PairIds(*(tuple(random.integers(1, VOCAB, n).tolist()) for n in random.integers(1, 6, 3)))
        for _ in range(7)
    ]


@pytest.fixture(scope="module")
def model():
    config = preset("nano", VOCAB)
    return Transformer(config), init_params(config, jax.random.key(0))


def place_of(pairs, packed):
    """(row, place) of each pair, found by its tokens."""
    found = {}
    for row in range(len(packed.tokens)):
        for place in range(packed.row_mask.shape[1]):
            side = packed.segment_ids[row] == 2 * place + 1
            tokens = tuple(np.asarray(packed.tokens)[row][side].tolist())
            for index, pair in enumerate(pairs):
                if side.any() and tokens == (*pair.context, *pair.chosen):
                    found[index] = (row, place)
    return [found[index] for index in range(len(pairs))]


def test_rows_hold_whole_pairs(pairs):
    packed = pack_pairs(pairs, 32)
    assert packed.row_mask.sum() == len(pairs) and len(packed.tokens) < len(pairs)
    for index, (row, place) in enumerate(place_of(pairs, packed)):
        pair = pairs[index]
        for side, response in ((1, pair.chosen), (2, pair.rejected)):
            where = packed.segment_ids[row] == 2 * place + side
            ids = (*pair.context, *response)
            np.testing.assert_array_equal(packed.tokens[row][where], ids)
            assert packed.mask[row][where].tolist() == [False] * len(pair.context) + [True] * len(
                response
            )
    with pytest.raises(ValueError, match=r"sides of pair 0 have .* more than the 3 of a row"):
        pack_pairs(pairs, 3)


def test_every_loss_and_gradient_is_the_same(pairs, model):
    transformer, params = model
    plain, packed = collate_pairs(pairs, 16), pack_pairs(pairs, 32)
    rows, places = np.array(place_of(pairs, packed)).T
    reference = np.random.default_rng(1).normal(-8, 2, (len(pairs), 2)).astype(np.float32)
    packed_reference = np.full((*packed.row_mask.shape, 2), np.nan, np.float32)
    packed_reference[rows, places] = reference
    plain = plain.replace(ref_logprobs=reference)
    packed = packed.replace(ref_logprobs=packed_reference)

    def of_plain(params):
        tokens = plain.tokens.reshape(-1, 16)
        logprobs = token_logprobs(transformer, params, tokens).logprobs
        return pair_logprobs(logprobs.reshape(plain.tokens.shape), plain), plain.row_mask

    def of_packed(params):
        logprobs = token_logprobs(
            transformer,
            params,
            packed.tokens,
            segment_ids=packed.segment_ids,
        ).logprobs
        # Padding may hold anything.
        logprobs = jnp.where(packed.mask, logprobs, jnp.nan)
        return packed_pair_logprobs(logprobs, packed), packed.row_mask

    def losses(of):
        def total(params):
            pair, there = of(params)
            weights = pair_mean(there)
            values = [weighted_sum(getattr(pair_losses, n)(pair), weights) for n in NAMES]
            return sum(values), jnp.stack(values)

        return jax.jit(jax.grad(total, has_aux=True))(params)

    (gradient, values), (expected, plain_values) = losses(of_packed), losses(of_plain)
    np.testing.assert_allclose(values, plain_values, rtol=1e-5)
    for ours, theirs in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected)):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_sums_by_hand():
    packed = pack_pairs([PairIds((1,), (2, 3), (4,)), PairIds((1,), (5,), (6, 7))], 12)
    values = jnp.arange(12.0)[None]
    # 1 2 3 | 1 4 | 1 5 | 1 6 7, positions 0 to 9
    np.testing.assert_array_equal(segment_sums(values, packed), [[[1 + 2, 4], [6, 8 + 9]]])


def test_a_batch_without_reference_is_refused():
    packed = pack_pairs([PairIds((1,), (2,), (3,))], 8)
    with pytest.raises(ValueError, match="ref_logprobs is None"):
        packed_pair_logprobs(jnp.zeros((1, 8)), packed)
