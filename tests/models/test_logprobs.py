import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import (
    ModelConfig,
    Transformer,
    init_params,
    preset,
    score_logits,
    token_logprobs,
)
from reasoning_jax.models.chunked_head import Head, chunked_scores
from reasoning_jax.models.logprobs import chunk_tokens
from reasoning_jax.parallel import make_mesh


@pytest.fixture(scope="module")
def setup():
    config = preset("nano", 20)
    params = init_params(config, jax.random.key(0))
    tokens = jax.random.randint(jax.random.key(1), (3, 11), 0, 20)
    return Transformer(config), params, tokens


def numpy_scores(logits, tokens):
    """Log-softmax and entropy of the distribution before each token; zero at position 0."""
    logits = np.asarray(logits, np.float64)[:, :-1]
    probs = np.exp(logits - logits.max(-1, keepdims=True))
    probs /= probs.sum(-1, keepdims=True)
    chosen = np.take_along_axis(np.log(probs), np.asarray(tokens)[:, 1:, None], -1)[..., 0]
    entropy = -(probs * np.log(probs)).sum(-1)
    return (np.pad(x, ((0, 0), (1, 0))) for x in (chosen, entropy))


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_logprobs_and_entropy_by_numpy(setup, temperature):
    model, params, tokens = setup
    logits = model.apply({"params": params}, tokens) / temperature
    expected_logprobs, expected_entropy = numpy_scores(logits, tokens)
    logprobs, entropy, _ = token_logprobs(model, params, tokens, temperature=temperature)
    assert logprobs.dtype == entropy.dtype == jnp.float32
    np.testing.assert_allclose(logprobs, expected_logprobs, atol=1e-5)
    np.testing.assert_allclose(entropy, expected_entropy, atol=1e-5)
    np.testing.assert_array_equal(logprobs[:, 0], 0)


def test_chunks_change_neither_value_nor_gradient(setup):
    model, params, tokens = setup

    @functools.partial(jax.jit, static_argnums=1)
    def value_and_gradient(params, chunk):
        def loss(params):
            logprobs, entropy, _ = token_logprobs(
                model, params, tokens, chunk=chunk, temperature=0.7
            )
            return (logprobs * jnp.arange(11)).sum() + entropy.sum(), (logprobs, entropy)

        return jax.grad(loss, has_aux=True)(params)

    expected = value_and_gradient(params, 256)
    for chunk in (12, 15):  # the eleven columns in three chunks and one to spare; in three
        got = value_and_gradient(params, chunk)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), got, expected)


def test_no_array_of_the_whole_sequence_times_the_vocabulary(setup):
    model, params, tokens = setup
    program = jax.make_jaxpr(
        lambda p: jax.grad(lambda p: token_logprobs(model, p, tokens, chunk=6)[0].sum())(p)
    )
    of_vocabulary = set(re.findall(r"f32\[([\d,]*20)\]", str(program(params))))
    assert "6,20" in of_vocabulary  # two tokens of three rows
    assert not {"33,20", "30,20", "3,11,20", "3,10,20"} & of_vocabulary


HEADS = {
    "tied": Head(0, jnp.dtype(jnp.float32), temperature=0.7),
    "untied": Head(1, jnp.dtype(jnp.float32), temperature=0.7),
    "tied and capped": Head(0, jnp.dtype(jnp.float32), softcap=2.0, temperature=0.7),
    "untied and capped": Head(1, jnp.dtype(jnp.float32), softcap=2.0, temperature=0.7),
}


@functools.cache
def plain_and_arguments(name):
    """A weighted sum of all scores with its gradients by autodiff, and what it is of."""
    head = HEADS[name]
    rng = np.random.default_rng(0)
    shape = (24, 16) if head.vocab_axis == 0 else (16, 24)
    kernel = jnp.asarray(rng.normal(size=shape) / 4, "float32")
    hidden = jnp.asarray(rng.normal(size=(4, 11, 16)), "float32")
    targets = rng.integers(0, 24, (4, 11))
    scored = rng.random((4, 11)) < 0.5
    scored[0], scored[1, 4:], scored[2] = True, False, False
    weights = jnp.asarray(rng.normal(size=(3, 4, 11)), "float32")

    def plain(kernel, hidden):
        logits = hidden @ (kernel.T if head.vocab_axis == 0 else kernel)
        if head.softcap is not None:
            logits = head.softcap * jnp.tanh(logits / head.softcap)
        scores = score_logits(logits / head.temperature, targets)
        return sum(jnp.vdot(w, jnp.where(scored, score, 0)) for w, score in zip(weights, scores))

    expected = jax.jit(jax.value_and_grad(plain, argnums=(0, 1)))(kernel, hidden)
    return expected, (kernel, hidden, targets, scored, weights)


def chunked_value(head, columns, name):
    """The same function of (kernel, hidden) by chunks, with its gradients."""
    _, (*_, targets, scored, weights) = plain_and_arguments(name)

    def value(kernel, hidden):
        scores = chunked_scores(head, columns, kernel, hidden, targets, scored)
        return sum(jnp.vdot(weight, score) for weight, score in zip(weights, scores))

    return jax.jit(jax.value_and_grad(value, argnums=(0, 1)))


def relative(a, b):
    return max(
        float(jnp.linalg.norm(x - y) / jnp.linalg.norm(y))
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


@pytest.mark.parametrize("columns", [2, 11])  # five whole chunks and half a one; all at once
@pytest.mark.parametrize("name", HEADS)
def test_value_and_gradient_are_those_of_plain_autodiff(name, columns):
    expected, (kernel, hidden, *_) = plain_and_arguments(name)
    assert relative(chunked_value(HEADS[name], columns, name)(kernel, hidden), expected) < 1e-6


@pytest.mark.parametrize("name", ["tied and capped", "untied"])
def test_over_a_mesh_the_vocabulary_is_not_gathered(name):
    expected, (kernel, hidden, *_) = plain_and_arguments(name)
    head = dataclasses.replace(HEADS[name], mesh=make_mesh(data=2, fsdp=2, tensor=2))
    compiled = chunked_value(head, 2, name).lower(kernel, hidden).compile()
    assert relative(compiled(kernel, hidden), expected) < 1e-6
    # A device makes the logits of 2 columns of its row for its half of the vocabulary.
    products = re.findall(r"f32\[([\d,]+)\]\S* dot\(", compiled.as_text())
    assert "2,12" in products
    assert not any("24" in sizes.split(",") for sizes in products)


def test_finite_differences_in_float64():
    with jax.enable_x64(True):
        rng = np.random.default_rng(1)
        kernel, hidden = rng.normal(size=(5, 7)), rng.normal(size=(2, 6, 5))
        targets, scored = rng.integers(0, 7, (2, 6)), rng.random((2, 6)) < 0.7
        weights = rng.normal(size=(3, 2, 6))
        head = Head(1, jnp.dtype(jnp.float64), softcap=1.5, temperature=0.8)

        @jax.jit
        def value(kernel, hidden):
            scores = chunked_scores(head, 2, kernel, hidden, targets, scored)
            return sum(jnp.vdot(weight, score) for weight, score in zip(weights, scores))

        gradients = jax.grad(value, argnums=(0, 1))(kernel, hidden)
        for i, x in enumerate((kernel, hidden)):
            for _ in range(3):
                direction = rng.normal(size=x.shape)
                ends = [[kernel, hidden] for _ in range(2)]
                for end, step in zip(ends, (1e-5, -1e-5)):
                    end[i] = x + step * direction
                slope = (value(*ends[0]) - value(*ends[1])) / 2e-5
                assert slope == pytest.approx(float(jnp.vdot(gradients[i], direction)), rel=1e-7)


def test_what_is_not_scored_changes_nothing_and_is_zero():
    kernel, hidden = jax.random.normal(jax.random.key(0), (5, 7)), jnp.ones((2, 6, 5))
    scored = jnp.arange(6) < jnp.array([[2], [3]])
    hidden = jnp.where(scored[..., None], hidden, jnp.nan)
    head = Head(1, jnp.dtype(jnp.float32))

    def value(kernel, hidden):
        scores = chunked_scores(head, 2, kernel, hidden, jnp.zeros((2, 6), int), scored)
        return sum(jnp.sum(score) for score in scores), scores

    gradients, scores = jax.jit(jax.grad(value, argnums=(0, 1), has_aux=True))(kernel, hidden)
    assert all(np.isfinite(x).all() for x in (*gradients, *scores))
    for x in (*scores, gradients[1]):
        assert (x[~scored] == 0).all()
        assert (x[scored] != 0).all()


def test_gradient_of_a_bfloat16_head_is_summed_up_in_float32():
    # 600 tokens whose hidden states are 1: each adds the same to a column of the gradient.
    # bfloat16 has 8 bits: a sum of 256 equal numbers no longer grows.
    hidden = jnp.ones((1, 600, 1), jnp.bfloat16)
    head = Head(1, jnp.dtype(jnp.bfloat16))

    def value(kernel):
        scores = chunked_scores(
            head, 1, kernel, hidden, jnp.zeros((1, 600), int), hidden[..., 0] > 0
        )
        return scores[0].sum()

    gradient = jax.jit(jax.grad(value))(jnp.zeros((1, 2)))
    assert gradient.dtype == jnp.float32
    np.testing.assert_allclose(gradient, [[300, -300]])


def test_memory_is_below_half_of_the_whole_logits():
    config = ModelConfig(
        vocab_size=150_000,
        d_model=16,
        n_layers=1,
        n_heads=2,
        n_kv_heads=1,
        head_dim=8,
        d_ff=24,
    )
    model, tokens = Transformer(config), jnp.zeros((2, 1024), int)
    params = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))

    def whole(params):
        logits = model.apply({"params": params}, tokens)
        return score_logits(logits[:, :-1], tokens[:, 1:]).logprobs.sum()

    def temporary(loss):
        compiled = jax.jit(jax.grad(loss)).lower(params).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    chunked = temporary(lambda params: token_logprobs(model, params, tokens).logprobs.sum())
    assert chunked < 0.5 * temporary(whole)


def test_a_chunk_has_fewer_tokens_the_larger_the_vocabulary():
    assert chunk_tokens(4096, "cpu") == 1024
    assert chunk_tokens(151_936, "tpu") * 151_936 * 4 < 2**28
    assert chunk_tokens(151_936, "gpu") * 151_936 * 4 < 2**30
    assert chunk_tokens(10**7, "cpu") == chunk_tokens(10**7, "gpu") == 256


def test_a_single_token_has_no_context(setup):
    model, params, tokens = setup
    for score in token_logprobs(model, params, tokens[:, :1]):
        np.testing.assert_array_equal(score, np.zeros((3, 1)))


def test_segments_reach_the_model(setup):
    model, params, tokens = setup
    segments = jnp.array([[1] * 6 + [2] * 5] * 3)
    score = jax.jit(token_logprobs, static_argnums=0)
    packed, *_ = score(model, params, tokens, segment_ids=segments)
    second, *_ = score(model, params, tokens[:, 6:])
    np.testing.assert_allclose(packed[:, 7:], second[:, 1:], atol=1e-5)


def test_score_logits_of_two_outcomes():
    # p = (3/4, 1/4): log 3/4 = -0.2876821, H = -(3/4 ln 3/4 + 1/4 ln 1/4) = 0.5623351
    logprob, entropy, normaliser = score_logits(jnp.log(jnp.array([3.0, 1.0])), jnp.array(0))
    assert float(logprob) == pytest.approx(-0.2876821, abs=1e-6)
    assert float(entropy) == pytest.approx(0.5623351, abs=1e-6)
    assert float(normaliser) == pytest.approx(1.3862944, abs=1e-6)  # ln 4


PROBABILITIES = jnp.array([0.5, 0.25, 0.25])


def entropy_of(logits):
    return score_logits(logits, jnp.zeros(logits.shape[:-1], jnp.int32)).entropy


def test_entropy_of_known_distributions():
    # 0.5 ln 2 + 2 * 0.25 ln 4 = 1.5 ln 2; uniform over 4: 2 ln 2
    np.testing.assert_allclose(entropy_of(jnp.log(PROBABILITIES)), 1.5 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(
        entropy_of(jnp.full((2, 3, 4), 7.0)), np.full((2, 3), 2 * np.log(2)), rtol=1e-6
    )


def test_entropy_gradient():
    # -p_v (ln p_v + H) with H = 1.5 ln 2: -0.5 * 0.5 ln 2 and 0.25 * 0.5 ln 2
    gradient = jax.grad(entropy_of)(jnp.log(PROBABILITIES))
    np.testing.assert_allclose(gradient, np.log(2) * np.array([-0.25, 0.125, 0.125]), rtol=1e-5)


def test_impossible_tokens_do_not_change_the_entropy():
    logits = jnp.append(jnp.log(PROBABILITIES), -jnp.inf)
    entropy, gradient = jax.value_and_grad(entropy_of)(logits)
    np.testing.assert_allclose(entropy, 1.5 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(
        gradient, np.log(2) * np.array([-0.25, 0.125, 0.125, 0]), rtol=1e-5, atol=1e-7
    )


def test_entropy_of_bfloat16_logits_is_summed_in_float32():
    entropy = entropy_of(jnp.zeros(1000, jnp.bfloat16))
    assert entropy.dtype == jnp.float32
    np.testing.assert_allclose(entropy, np.log(1000), rtol=1e-6)
