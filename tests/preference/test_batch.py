"""Summed log-probabilities of pairs, and what must hold of every pair loss."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reasoning_jax.models import Transformer, init_params, preset, token_logprobs
from reasoning_jax.parallel import make_mesh, put_batch, to_host
from reasoning_jax.preference import (
    PairBatch,
    pair_logprobs,
    pair_losses,
    pair_mean,
    pair_scalars,
    response_logprobs,
)
from reasoning_jax.rl import weighted_sum
from reasoning_jax.training.state import create_state
from reasoning_jax.training.step import make_update
from reasoning_jax.training.trainable import all_parameters

PAIRS, TOKENS, VOCAB = 16, 9, 20
NAMES = pair_losses.__all__


def test_responses_are_summed_by_hand():
    logprobs = jnp.array([[-9.0, -0.5, -1.0, jnp.nan], [-9.0, -9.0, -2.0, -0.25]])
    mask = jnp.array([[0, 1, 1, 0], [0, 0, 1, 1]], bool)
    sums, gradient = jax.value_and_grad(lambda x: response_logprobs(x, mask).sum())(logprobs)
    np.testing.assert_array_equal(response_logprobs(logprobs, mask), [-1.5, -2.25])
    assert sums == -3.75
    np.testing.assert_array_equal(gradient, mask)


def test_bfloat16_is_summed_in_float32():
    logprobs = jnp.full((1, 300), -1.0, jnp.bfloat16)  # which holds no 257
    sums = response_logprobs(logprobs, jnp.ones((1, 300), bool))
    assert sums.dtype == jnp.float32 and sums[0] == -300


def test_pairs_that_take_no_part_weigh_nothing():
    weights = pair_mean(jnp.array([True, False, True, True]))
    np.testing.assert_allclose(weights, [1 / 3, 0, 1 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_array_equal(pair_mean(jnp.zeros(2, bool)), 0)


@pytest.fixture(scope="module")
def batch():
    """Ragged pairs, three of them out; and token log-probabilities [B, 2, T], clean padding."""
    random = np.random.default_rng(0)
    starts = np.repeat(random.integers(1, 4, (PAIRS, 1)), 2, axis=1)
    lengths = random.integers(5, TOKENS + 1, (PAIRS, 2))
    position = np.arange(TOKENS)
    mask = (position >= starts[..., None]) & (position < lengths[..., None])
    row_mask = np.ones(PAIRS, bool)
    row_mask[[2, 3, 11]] = False
    return PairBatch(
        tokens=random.integers(0, VOCAB, (PAIRS, 2, TOKENS), dtype=np.int32),
        lengths=lengths.astype(np.int32),
        mask=mask,
        row_mask=row_mask,
        ref_logprobs=random.normal(-8, 2, (PAIRS, 2)).astype(np.float32),
    )


@pytest.fixture(scope="module")
def logprobs():
    return np.random.default_rng(1).uniform(-3, -0.1, (PAIRS, 2, TOKENS)).astype(np.float32)


def losses(logprobs, batch, weights):
    """Of every pair loss, [len(NAMES)]."""
    pair = pair_logprobs(logprobs, batch)
    return jnp.stack([weighted_sum(getattr(pair_losses, n)(pair), weights) for n in NAMES])


@jax.jit
def values_and_gradients(logprobs, batch):
    weights = pair_mean(batch.row_mask)
    return losses(logprobs, batch, weights), jax.jacrev(losses)(logprobs, batch, weights)


def assert_same(found, expected):
    for left, right in zip(found, expected):
        for name, a, b in zip(NAMES, np.asarray(left), np.asarray(right)):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=name)


def test_nothing_in_padding_changes_a_loss_or_a_gradient(batch, logprobs):
    expected = values_and_gradients(logprobs, batch)
    out = ~(batch.mask & batch.row_mask[:, None, None])
    poisoned = batch.replace(
        tokens=np.where(out, -1, batch.tokens),
        ref_logprobs=np.where(batch.row_mask[:, None], batch.ref_logprobs, np.nan),
    )
    found = values_and_gradients(np.where(out, np.nan, logprobs), poisoned)
    assert_same(found, expected)
    np.testing.assert_array_equal(np.asarray(found[1])[:, out], 0)
    assert (np.abs(np.asarray(found[1])[:, ~out]) > 0).any(axis=1).all()


def test_pairs_that_are_out_are_as_absent(batch, logprobs):
    there = batch.row_mask
    value, gradient = values_and_gradients(logprobs, batch)
    kept = jax.tree.map(lambda x: x[there], batch)
    found = values_and_gradients(logprobs[there], kept)
    assert_same(found, (value, np.asarray(gradient)[:, there]))


def test_the_order_of_pairs_changes_nothing(batch, logprobs):
    order = np.random.default_rng(2).permutation(PAIRS)
    value, gradient = values_and_gradients(logprobs, batch)
    found = values_and_gradients(logprobs[order], jax.tree.map(lambda x: x[order], batch))
    assert_same(found, (value, np.asarray(gradient)[:, order]))


def test_a_shared_prefix_in_the_mask_changes_no_margin(batch, logprobs):
    """Up to the first difference both sides have the same log-probabilities, which cancel."""
    shared = np.array(logprobs)
    starts = np.argmax(batch.mask[:, 0], axis=1)
    prefix = np.arange(TOKENS)[None] < starts[:, None]
    shared[:, 1][prefix] = shared[:, 0][prefix]
    wide = batch.replace(mask=batch.mask | (prefix[:, None] & (np.arange(TOKENS) > 0)))
    apart, together = pair_logprobs(shared, batch), pair_logprobs(shared, wide)
    np.testing.assert_allclose(apart.margin, together.margin, atol=1e-5)


def test_a_batch_without_reference_is_refused(batch, logprobs):
    with pytest.raises(ValueError, match="ref_logprobs is None"):
        pair_logprobs(logprobs, batch.replace(ref_logprobs=None))


def model_logprobs(model, params, batch):
    rows = batch.tokens.reshape(-1, batch.tokens.shape[-1])
    return token_logprobs(model, params, rows).logprobs.reshape(batch.tokens.shape)


def make_loss(model):
    def loss(params, batch):
        pair = pair_logprobs(model_logprobs(model, params, batch), batch)
        return weighted_sum(pair_losses.dpo(pair), batch.weights), pair

    return loss


def prepare(batch):
    return batch.replace(weights=pair_mean(batch.row_mask))


def test_eight_devices_and_micro_batches_equal_one_of_each(batch):
    # The pairs that are out lie unevenly: a mean of means would differ.
    config, optimizer, found = preset("nano", VOCAB), optax.sgd(0.5), []
    for mesh, micro_batches in ((make_mesh(devices=jax.devices()[:1]), 1), (make_mesh(2, 2, 2), 2)):
        trainable = all_parameters(config, mesh)
        update = make_update(
            trainable,
            optimizer,
            prepare=prepare,
            loss=make_loss(Transformer(config, mesh)),
            report=lambda batch, pair: pair_scalars(pair, batch.weights, beta=0.1),
            micro_batches=micro_batches,
        )
        params = init_params(config, jax.random.key(0), mesh)
        state = create_state(trainable, params, optimizer)
        found.append(to_host(update(state, put_batch(batch, mesh))))
    for ours, theirs in zip(jax.tree.leaves(found[1]), jax.tree.leaves(found[0])):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
