import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.preference import PairLogprobs, pair_losses, pair_mean, pair_scalars

BETA = dict(beta=0.1)
LOSSES = {
    "dpo_sigmoid": functools.partial(pair_losses.dpo, **BETA),
    "cdpo": functools.partial(pair_losses.cdpo, **BETA, label_noise=0.1),
    "robust_dpo": functools.partial(pair_losses.robust_dpo, **BETA, label_noise=0.1),
    "hinge_slic": functools.partial(pair_losses.hinge, **BETA),
    "ipo_sum": functools.partial(pair_losses.ipo, tau=0.1),
    "ipo_token_mean": functools.partial(pair_losses.ipo_token_mean, tau=0.1),
    "nca_pair": functools.partial(pair_losses.nca_pair, **BETA),
    "biased_nca_or_bco_without_shift": functools.partial(pair_losses.biased_nca, **BETA),
    "simpo": functools.partial(pair_losses.simpo, beta=2.0, gamma=1.0),
    "orpo": functools.partial(pair_losses.orpo, odds_coef=0.1),
    "rpo_dpo_plus_nll": functools.partial(pair_losses.dpo_nll, **BETA, nll_coef=1.0),
    "dpop": functools.partial(pair_losses.dpop, **BETA, penalty=5.0),
    "apo_zero": functools.partial(pair_losses.apo_zero, **BETA),
}


def pairs(chosen, rejected, ref_chosen, ref_rejected, chosen_length=None, rejected_length=None):
    ones = jnp.ones(len(chosen))
    return PairLogprobs(
        *(jnp.asarray(x, jnp.float32) for x in (chosen, rejected, ref_chosen, ref_rejected)),
        ones if chosen_length is None else jnp.asarray(chosen_length),
        ones if rejected_length is None else jnp.asarray(rejected_length),
    )


def values_and_gradients(pair_loss, pair):
    """Losses [B], and gradients of their mean with respect to the summed log-probabilities."""

    def mean(chosen, rejected):
        losses = pair_loss(pair.replace(chosen=chosen, rejected=rejected))
        return losses.mean(), losses

    gradients, losses = jax.grad(mean, (0, 1), has_aux=True)(pair.chosen, pair.rejected)
    return losses, *gradients


@pytest.mark.parametrize("name", LOSSES)
def test_worked_case(cases, name):
    worked = cases("dpo_family")
    inputs, expected = worked["inputs"], worked["expected"][name]
    pair = pairs(
        inputs["policy_chosen"],
        inputs["policy_rejected"],
        inputs["ref_chosen"],
        inputs["ref_rejected"],
        inputs["len_chosen"],
        inputs["len_rejected"],
    )
    losses, on_chosen, on_rejected = values_and_gradients(LOSSES[name], pair)
    np.testing.assert_allclose(losses, expected["per_example"], rtol=2e-6)
    np.testing.assert_allclose(losses.mean(), expected["mean"], rtol=2e-6)
    np.testing.assert_allclose(on_chosen, expected["grad_mean_wrt_policy_chosen"], atol=1e-6)
    np.testing.assert_allclose(on_rejected, expected["grad_mean_wrt_policy_rejected"], atol=1e-6)


def test_rewards_of_the_worked_case(cases):
    worked = cases("dpo_family")
    inputs, expected = worked["inputs"], worked["expected"]["dpo_sigmoid"]
    pair = pairs(*(inputs[k] for k in ("policy_chosen", "policy_rejected", "ref_chosen")), [0] * 3)
    pair = pair.replace(ref_rejected=jnp.array(inputs["ref_rejected"]))
    scalars = pair_scalars(pair, pair_mean(jnp.ones(3, bool)), beta=0.1)
    assert float(scalars["rewards/chosen"]) == pytest.approx(
        np.mean(expected["chosen_rewards"]), abs=1e-6
    )
    assert float(scalars["rewards/rejected"]) == pytest.approx(
        np.mean(expected["rejected_rewards"]), abs=1e-6
    )
    assert float(scalars["rewards/margins"]) == pytest.approx(expected["margin"], abs=1e-6)
    assert float(scalars["rewards/accuracies"]) == pytest.approx(expected["accuracy"], abs=1e-6)
    assert float(scalars["logps/chosen"]) == pytest.approx((-12 - 30.5 - 8.25) / 3, rel=1e-6)
    assert float(scalars["logps/rejected"]) == pytest.approx((-14 - 28 - 9) / 3, rel=1e-6)


def test_parts_of_orpo_in_the_worked_case(cases):
    worked = cases("dpo_family")
    inputs, expected = worked["inputs"], worked["expected"]["orpo"]
    zeros = [0.0] * 3
    pair = pairs(
        inputs["policy_chosen"],
        inputs["policy_rejected"],
        zeros,
        zeros,
        inputs["len_chosen"],
        inputs["len_rejected"],
    )
    np.testing.assert_allclose(-pair.chosen_mean, expected["nll_mean_per_token"], rtol=1e-6)
    # -λ log σ(odds) = λ ln(1 + e^-odds) is what a coefficient adds.
    odds_term = pair_losses.orpo(pair, odds_coef=1.0) + pair.chosen_mean
    np.testing.assert_allclose(odds_term, np.log1p(np.exp(-np.array(expected["log_odds"]))), 2e-6)


def test_a_tie_is_not_ranked_right():
    pair = pairs([-1.0], [-2.0], [-1.0], [-2.0])
    assert pair_scalars(pair, jnp.ones(1), beta=1.0)["rewards/accuracies"] == 0


def test_dpo_by_hand():
    # h = (-1 + 2) - (-3 + 2.5) = 1.5; -log σ(0.75) = ln(1 + e^-0.75) = 0.386871
    losses = pair_losses.dpo(pairs([-1.0], [-3.0], [-2.0], [-2.5]), beta=0.5)
    np.testing.assert_allclose(losses, [0.386871], atol=1e-6)


def test_length_normalised_dpo_by_hand():
    # log-ratios per token 0.5/10 and -1/12: 5 (0.05 + 0.083333) = 0.666667, whose loss is 0.414368
    pair = pairs([-12.0], [-14.0], [-12.5], [-13.0], [10.0], [12.0])
    losses = pair_losses.dpo_length_normalised(pair, beta=5.0)
    np.testing.assert_allclose(losses, [np.log1p(np.exp(-2 / 3))], rtol=1e-6)
    # At one token a side it is DPO.
    single = pair.replace(chosen_length=jnp.ones(1), rejected_length=jnp.ones(1))
    np.testing.assert_array_equal(
        pair_losses.dpo_length_normalised(single, beta=0.1), pair_losses.dpo(single, beta=0.1)
    )


LN2 = np.log(2)


@pytest.mark.parametrize(
    "pair_loss, expected",
    [
        (pair_losses.dpo, LN2),
        (pair_losses.cdpo, LN2),
        (pair_losses.robust_dpo, LN2),  # (0.9 - 0.1) ln 2 / 0.8
        (pair_losses.hinge, 1.0),
        (pair_losses.ipo, 25.0),  # 1/(4 τ²)
        (pair_losses.ipo_token_mean, 25.0),
        (pair_losses.nca_pair, 2 * LN2),
        (pair_losses.biased_nca, 2 * LN2),
        (pair_losses.apo_zero, 1.0),
        (pair_losses.dpop, LN2),
        (pair_losses.dpo_length_normalised, LN2),
        (pair_losses.dpo_nll, LN2 + 0.75),  # 3 nats over 4 tokens
    ],
)
def test_at_the_reference(pair_loss, expected):
    pair = pairs([-3.0], [-5.0], [-3.0], [-5.0], [4.0], [7.0])
    np.testing.assert_allclose(pair_loss(pair), [expected], rtol=1e-6)


def test_reference_free_losses_at_equal_sides():
    pair = pairs([-3.0], [-6.0], [0.0], [0.0], [4.0], [8.0])  # -0.75 a token on both
    np.testing.assert_allclose(pair_losses.simpo(pair, gamma=1.0), [np.log1p(np.e)], rtol=1e-6)
    np.testing.assert_allclose(pair_losses.orpo(pair, odds_coef=0.1), [0.75 + 0.1 * LN2], rtol=1e-6)


@pytest.mark.parametrize("pair_loss", [pair_losses.cdpo, pair_losses.robust_dpo])
def test_without_noise_it_is_dpo(pair_loss):
    pair = pairs([-1.0], [-3.0], [-2.0], [-2.5])
    np.testing.assert_array_equal(pair_loss(pair, label_noise=0.0), pair_losses.dpo(pair))


def test_robust_dpo_is_unbiased():
    """Over labels flipped with probability ε its mean is the DPO loss of the true labels."""
    true, flipped = pairs([-1.0], [-3.0], [-2.0], [-2.5]), pairs([-3.0], [-1.0], [-2.5], [-2.0])
    loss = functools.partial(pair_losses.robust_dpo, beta=0.7, label_noise=0.2)
    mean = 0.8 * loss(true) + 0.2 * loss(flipped)
    np.testing.assert_allclose(mean, pair_losses.dpo(true, beta=0.7), rtol=1e-6)


@pytest.mark.parametrize("pair_loss", [pair_losses.cdpo, pair_losses.robust_dpo])
@pytest.mark.parametrize("label_noise", [-0.1, 0.5])
def test_label_noise_that_says_nothing_is_refused(pair_loss, label_noise):
    with pytest.raises(ValueError, match=f"label_noise is {label_noise}"):
        pair_loss(pairs([0.0], [0.0], [0.0], [0.0]), label_noise=label_noise)


def test_nca_against_dpo_at_light_r1s_beta(cases):
    worked = cases("light_r1")["nca"]
    zeros = [0.0] * 4
    pair = pairs(worked["logratio_chosen"], worked["logratio_rejected"], zeros, zeros)
    for name, pair_loss in (("nca", pair_losses.nca_pair), ("dpo", pair_losses.dpo)):
        losses, on_chosen, on_rejected = values_and_gradients(
            functools.partial(pair_loss, beta=worked["beta"]), pair
        )
        np.testing.assert_allclose(losses, worked[f"{name}_loss"], rtol=1e-6)
        # The worked gradients are those of one pair, ours of the mean over four.
        np.testing.assert_allclose(4 * on_chosen, worked[f"{name}_grad_chosen"], atol=1e-6)
        np.testing.assert_allclose(4 * on_rejected, worked[f"{name}_grad_rejected"], atol=1e-6)


def test_nca_pulls_the_chosen_side_to_ln2_over_beta():
    pair = pairs([LN2 / 0.3 - 0.1, LN2 / 0.3, LN2 / 0.3 + 0.1], 3 * [1.0], 3 * [0.0], 3 * [0.0])
    nca_pair = functools.partial(pair_losses.nca_pair, beta=0.3)
    _, on_chosen, _ = values_and_gradients(nca_pair, pair)
    assert on_chosen[0] < -1e-4 and on_chosen[2] > 1e-4
    assert float(on_chosen[1]) == pytest.approx(0, abs=1e-7)


def test_where_the_pull_of_nca_ends(cases):
    worked = cases("light_r1")["nca"]
    zero = worked["zero_of_chosen_gradient_logratio"]
    assert zero == pytest.approx(LN2 / worked["beta"], abs=1e-9)
    nca_pair = functools.partial(pair_losses.nca_pair, beta=worked["beta"])
    _, on_chosen, _ = values_and_gradients(nca_pair, pairs([zero], [1.0], [0.0], [0.0]))
    assert float(on_chosen[0]) == pytest.approx(0, abs=1e-7)


def test_identities_of_the_worked_case(cases):
    expected = cases("dpo_family")["identities"]
    pair = pairs([-3.0], [-5.0], [-3.0], [-5.0])
    for name, pair_loss in (
        ("dpo_at_policy_equals_ref", pair_losses.dpo),
        ("ipo_sum_at_policy_equals_ref", pair_losses.ipo),
        ("nca_pair_at_policy_equals_ref", pair_losses.nca_pair),
    ):
        assert float(pair_loss(pair)[0]) == pytest.approx(expected[name], abs=1e-5)


def test_cross_model_correction_pair(cases):
    """Both traces, error analysis then corrected step, follow the same wrong step."""
    worked = cases("supercorrect")["cross_dpo"]
    numbers = worked["summed"]
    teacher, student = numbers["teacher"], numbers["student"]
    pair = pairs([teacher["policy"]], [student["policy"]], [teacher["ref"]], [student["ref"]])
    np.testing.assert_allclose(pair.margin, [worked["h"]], rtol=1e-6)
    loss = pair_losses.dpo(pair, beta=worked["beta"])
    np.testing.assert_allclose(loss, [worked["loss"]], rtol=1e-6)
    scalars = pair_scalars(pair, jnp.ones(1), worked["beta"])
    assert float(scalars["rewards/chosen"]) == pytest.approx(worked["reward_chosen"], abs=1e-6)
    assert float(scalars["rewards/rejected"]) == pytest.approx(worked["reward_rejected"], abs=1e-6)


@pytest.mark.parametrize("pair_loss", [getattr(pair_losses, n) for n in pair_losses.__all__])
def test_extreme_log_probabilities_stay_finite(pair_loss):
    """Certain tokens (log-probability 0) and abandoned responses (-1e4)."""
    pair = pairs([0.0, -1e4, 0.0], [-1e4, 0.0, 0.0], 3 * [-5.0], 3 * [-5.0])
    for array in values_and_gradients(pair_loss, pair):
        assert jnp.isfinite(array).all()


def test_no_gradient_reaches_the_reference():
    pair = pairs([-1.0], [-3.0], [-2.0], [-2.5])
    for name in pair_losses.__all__:
        gradient = jax.grad(lambda p, name=name: getattr(pair_losses, name)(p).sum())(pair)
        assert gradient.ref_chosen == gradient.ref_rejected == 0, name
        assert gradient.chosen != 0, name
