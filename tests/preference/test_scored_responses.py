"""InfoNCA and NCA over K scored responses to a prompt."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.preference import PairLogprobs, info_nca, nca, pair_losses
from reasoning_jax.preference.soft_labels import soft_labels

LOSSES = {"infonca_k4": info_nca, "nca_k4": nca}


@pytest.mark.parametrize("name", LOSSES)
def test_worked_case(cases, name):
    worked = cases("dpo_family")["expected"][name]
    ratios, scores = jnp.array(worked["log_ratio"]), jnp.array(worked["scores"])
    mask = jnp.ones(ratios.shape, bool)
    temperature = worked["alpha_temperature"]
    labels = soft_labels(scores, mask, temperature)
    np.testing.assert_allclose(labels, worked["soft_label"], atol=1e-7)
    losses = LOSSES[name](ratios, scores, mask, beta=worked["beta"], temperature=temperature)
    np.testing.assert_allclose(losses, worked["per_example"], rtol=1e-6)
    np.testing.assert_allclose(losses.mean(), worked["mean"], rtol=1e-6)


def test_nca_at_the_reference_is_twice_ln2():
    losses = nca(jnp.zeros((1, 3)), jnp.array([[1.0, 5.0, 2.0]]), jnp.ones((1, 3), bool))
    np.testing.assert_allclose(losses, [2 * np.log(2)], rtol=1e-6)


def test_of_two_responses_and_one_good_they_are_the_pair_losses():
    ratios = jnp.array([[0.4, -1.3], [-0.2, 0.9]])
    scores, zeros, ones = jnp.array([[1.0, 0.0]] * 2), jnp.zeros(2), jnp.ones(2)
    pair = PairLogprobs(ratios[:, 0], ratios[:, 1], zeros, zeros, ones, ones)
    keywords = dict(beta=0.7, temperature=1e-3)  # labels [1, 0]
    both = jnp.ones((2, 2), bool)
    ours = info_nca(ratios, scores, both, **keywords)
    np.testing.assert_allclose(ours, pair_losses.dpo(pair, beta=0.7), rtol=1e-6)
    ours = nca(ratios, scores, both, **keywords)
    np.testing.assert_allclose(ours, pair_losses.nca_pair(pair, beta=0.7), rtol=1e-6)


@pytest.mark.parametrize("loss", [info_nca, nca])
def test_what_is_masked_is_not_read(loss):
    """Rows of three, two and no responses; the missing ones hold nan."""
    mask = jnp.array([[1, 1, 1], [1, 0, 1], [0, 0, 0]], bool)
    ratios = jnp.where(mask, jnp.array([[0.4, -1.3, 2.0]]), jnp.nan)
    scores = jnp.where(mask, jnp.array([[1.0, 0.0, 0.5]]), jnp.nan)
    value, gradient = jax.value_and_grad(lambda r: loss(r, scores, mask).sum())(ratios)
    three = loss(ratios[:1], scores[:1], mask[:1])
    two = loss(ratios[1:2, ::2], scores[1:2, ::2], mask[1:2, ::2])
    np.testing.assert_allclose(value, (three + two)[0], rtol=1e-6)
    assert jnp.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[~mask], 0)


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValueError, match="temperature is 0"):
        soft_labels(jnp.zeros((1, 2)), jnp.ones((1, 2), bool), 0.0)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_the_worked_case(cases, name):
    """Closed forms: β (softmax(R) - label), and β ((σ(R) - 1) label + σ(R)/K)."""
    worked = cases("dpo_family")["expected"][name]
    ratios, scores = jnp.array(worked["log_ratio"]), jnp.array(worked["scores"])
    mask, beta = jnp.ones(ratios.shape, bool), worked["beta"]
    temperature = worked["alpha_temperature"]

    def total(ratios):
        return LOSSES[name](ratios, scores, mask, beta=beta, temperature=temperature).sum()

    rewards, labels = beta * np.array(worked["log_ratio"]), np.array(worked["soft_label"])
    if name == "infonca_k4":
        powers = np.exp(rewards)
        expected = beta * (powers / powers.sum(axis=1, keepdims=True) - labels)
    else:
        chance = 1 / (1 + np.exp(-rewards))
        expected = beta * ((chance - 1) * labels + chance / 4)
    np.testing.assert_allclose(jax.grad(total)(ratios), expected, atol=1e-6)


def test_nca_at_the_reference_of_the_worked_case(cases):
    expected = cases("dpo_family")["identities"]["nca_k_at_policy_equals_ref"]
    losses = nca(jnp.zeros((1, 4)), jnp.arange(4.0)[None], jnp.ones((1, 4), bool))
    assert float(losses[0]) == pytest.approx(expected, abs=1e-6)
