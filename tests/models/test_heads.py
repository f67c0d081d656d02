import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models.heads import (
    HEAD_AXES,
    head_logits,
    init_head,
    prior_values,
    row_logits,
    row_rewards,
    step_logits,
    step_scores,
    token_values,
    zero_head,
)

RNG = np.random.default_rng(0)
HIDDEN = RNG.normal(size=(2, 5, 3)).astype(np.float32)
SCALAR = {"kernel": np.float32([[1], [2], [-1]]), "bias": np.float32([0.5])}
CLASSES = {"kernel": RNG.normal(size=(3, 2)).astype(np.float32)}
LENGTHS = np.array([3, 5])
ENDS = np.array([[0, 2, 99], [1, 4, -7]])
STEPS = np.array([[True, True, False], [True, True, False]])


def test_values_are_a_dot_product_per_token():
    # 1·1 + 2·0.5 - 1·3 + 0.5 = -0.5
    assert token_values(SCALAR, jnp.array([[[1.0, 0.5, 3.0]]])) == -0.5
    expected = HIDDEN[..., 0] + 2 * HIDDEN[..., 1] - HIDDEN[..., 2] + 0.5
    np.testing.assert_allclose(token_values(SCALAR, HIDDEN), expected, atol=1e-6)


def test_rewards_are_read_at_the_last_token():
    last = HIDDEN[[0, 1], [2, 4]]
    np.testing.assert_allclose(
        row_logits(CLASSES, HIDDEN, LENGTHS), last @ CLASSES["kernel"], atol=1e-6
    )
    expected = last @ SCALAR["kernel"][:, 0] + 0.5
    np.testing.assert_allclose(row_rewards(SCALAR, HIDDEN, LENGTHS), expected, rtol=1e-6)
    first = row_logits(CLASSES, HIDDEN, np.array([0, 1]))
    np.testing.assert_allclose(first, HIDDEN[:, 0] @ CLASSES["kernel"], atol=1e-6)


def test_steps_are_read_at_their_ends():
    hidden = np.stack([HIDDEN[0, [0, 2]], HIDDEN[1, [1, 4]]])
    got = step_logits(CLASSES, HIDDEN, ENDS, STEPS)
    np.testing.assert_allclose(got[:, :2], hidden @ CLASSES["kernel"], atol=1e-6)
    np.testing.assert_array_equal(got[:, 2], 0)
    scores = step_scores(SCALAR, HIDDEN, ENDS, STEPS)
    np.testing.assert_allclose(scores[:, :2], (hidden @ SCALAR["kernel"])[..., 0] + 0.5, atol=1e-6)
    np.testing.assert_array_equal(scores[:, 2], 0)


def test_two_classes_and_their_log_odds_are_one_probability():
    probabilities = jax.nn.softmax(step_logits(CLASSES, HIDDEN, ENDS, STEPS))[..., 1]
    scores = step_scores(CLASSES, HIDDEN, ENDS, STEPS)
    np.testing.assert_allclose(jax.nn.sigmoid(scores), probabilities, rtol=1e-5)
    np.testing.assert_array_equal(scores[:, 2], 0)


def test_nan_elsewhere_changes_neither_scores_nor_gradients():
    seen = np.zeros((2, 5), bool)
    seen[[0, 0, 1, 1], [0, 2, 1, 4]] = True
    poisoned = np.where(seen[..., None], HIDDEN, np.nan)

    def value(head, hidden):
        return jnp.sum(step_scores(head, hidden, ENDS, STEPS) ** 2) + jnp.sum(
            row_rewards(head, hidden, LENGTHS) ** 2
        )

    both = jax.value_and_grad(value, argnums=(0, 1))
    jax.tree.map(np.testing.assert_array_equal, both(SCALAR, poisoned), both(SCALAR, HIDDEN))


def test_nan_at_the_ends_of_no_step_changes_nothing():
    hidden, mask = HIDDEN.copy(), np.array([[True, False, False], [False, False, False]])
    hidden[:, 2:] = np.nan
    hidden[1] = np.nan

    def value(head):
        return jnp.sum(step_scores(head, hidden, ENDS, mask))

    loss, gradient = jax.value_and_grad(value)(SCALAR)
    assert float(loss) == pytest.approx(float(HIDDEN[0, 0] @ SCALAR["kernel"][:, 0]) + 0.5)
    np.testing.assert_allclose(gradient["kernel"][:, 0], HIDDEN[0, 0])
    np.testing.assert_array_equal(gradient["bias"], 1)


def test_scores_of_bfloat16_states_are_float32():
    hidden = jnp.asarray(HIDDEN, jnp.bfloat16)
    got = head_logits(CLASSES, hidden)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, hidden.astype(jnp.float32) @ CLASSES["kernel"], atol=1e-6)


def test_initial_heads():
    head = init_head(jax.random.key(0), 399, 5)
    assert head["kernel"].shape == (399, 5)
    assert float(head["kernel"].std()) == pytest.approx(0.05, rel=0.05)  # 1 / sqrt(400)
    zero = zero_head(3)
    np.testing.assert_array_equal(token_values(zero, HIDDEN), 0)
    for made in (head, zero):
        for name, value in made.items():
            assert len(HEAD_AXES[name]) == value.ndim and value.dtype == jnp.float32
    # A zero head learns: the gradient of its kernel is not 0.
    slope = jax.grad(lambda head: jnp.sum((token_values(head, HIDDEN) - 1) ** 2))(zero)
    assert np.abs(slope["kernel"]).min() > 0


def test_heads_of_the_wrong_width_are_refused():
    three = init_head(jax.random.key(0), 3, 3)
    with pytest.raises(ValueError, match="3 outputs, a scalar one has 1"):
        token_values(three, HIDDEN)
    with pytest.raises(ValueError, match="2 outputs"):
        row_rewards(CLASSES, HIDDEN, LENGTHS)
    with pytest.raises(ValueError, match="2 for the classes wrong and right, not 3"):
        step_scores(three, HIDDEN, ENDS, STEPS)


def test_prior_values_are_those_of_the_state_before():
    head = {"kernel": jnp.array([[2.0], [0.0]]), "bias": jnp.array([0.5])}
    hidden = jnp.array([[[1.0, 9], [2, 9], [3, 9]]])
    np.testing.assert_allclose(prior_values(head, hidden), [[0, 2.5, 4.5]])
