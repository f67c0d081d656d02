"""A pair of 2 x 1024 tokens at a vocabulary of 150,000 never makes all of its logits."""

import jax
import jax.numpy as jnp
import pytest

from reasoning_jax.models import Transformer, abstract_params, preset, token_logprobs
from reasoning_jax.preference import PairBatch, pair_logprobs, pair_losses

TOKENS, VOCAB = 1024, 150_000
LOGITS = 2 * TOKENS * VOCAB * 4  # bytes of both sides' logits in float32


def batch():
    def array(shape, dtype):
        return jax.ShapeDtypeStruct(shape, dtype)

    sides = (1, 2, TOKENS)
    return PairBatch(
        tokens=array(sides, jnp.int32),
        lengths=array((1, 2), jnp.int32),
        mask=array(sides, bool),
        row_mask=array((1,), bool),
        ref_logprobs=array((1, 2), jnp.float32),
    )


def temporary_bytes(logprobs_of):
    """Of the compiled gradient of DPO."""
    config = preset("nano", VOCAB)
    model = Transformer(config)

    def loss(params, batch):
        rows = batch.tokens.reshape(-1, TOKENS)
        logprobs = logprobs_of(model, params, rows).reshape(batch.tokens.shape)
        return pair_losses.dpo(pair_logprobs(logprobs, batch)).mean()

    lowered = jax.jit(jax.grad(loss)).lower(abstract_params(config), batch())
    return lowered.compile().memory_analysis().temp_size_in_bytes


def chunked(model, params, rows):
    return token_logprobs(model, params, rows).logprobs


def plain(model, params, rows):
    logits = model.apply({"params": params}, rows)
    scores = jax.nn.log_softmax(logits[:, :-1].astype(jnp.float32))
    picked = jnp.take_along_axis(scores, rows[:, 1:, None], axis=-1)[..., 0]
    return jnp.pad(picked, ((0, 0), (1, 0)))


@pytest.mark.slow
def test_the_gradient_of_a_pair_stays_below_its_logits():
    ours, theirs = temporary_bytes(chunked), temporary_bytes(plain)
    print(f"temporary MB: {ours / 1e6:.0f}, with all logits {theirs / 1e6:.0f}")
    assert ours < LOGITS < theirs
    assert ours < theirs / 2
