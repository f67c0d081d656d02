import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import Transformer, init_params, preset, score_logits, token_logprobs


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
    for chunk in (4, 5):  # the ten scored positions in three chunks and two to spare; in two
        got = value_and_gradient(params, chunk)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), got, expected)


def test_no_array_of_the_whole_sequence_times_the_vocabulary(setup):
    model, params, tokens = setup
    program = jax.make_jaxpr(
        lambda p: jax.grad(lambda p: token_logprobs(model, p, tokens, chunk=2)[0].sum())(p)
    )
    assert "3,2,20]" in str(program(params))
    assert "3,10,20]" not in str(program(params))
    assert "3,11,20]" not in str(program(params))


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
