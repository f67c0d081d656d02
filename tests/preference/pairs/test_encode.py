"""Ids and masks of pairs, and the loss of Step-DPO on a closed-form causal model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import score_logits
from reasoning_jax.preference import pair_logprobs, pair_losses, pair_scalars, response_logprobs
from reasoning_jax.preference.pairs import Pair, PairIds, collate_pairs, encode_pair
from reasoning_jax.text import CharTokenizer

TOKENIZER = CharTokenizer("0123456789+-*=,")


def toy_logprobs(tokens, model, phase):
    """Closed form: logits at t are amp sin(0.7 (v + 1) + 0.31 (t + 1) + 0.53 token_t + phase)."""
    time = np.arange(tokens.shape[-1])[:, None]
    symbols = np.arange(model["V"])
    angle = 0.7 * (symbols + 1) + 0.31 * (time + 1) + 0.53 * tokens[..., None] + phase
    scores = score_logits(model["amp"] * jnp.sin(angle)[..., :-1, :], tokens[..., 1:])
    return jnp.pad(scores.logprobs, ((0, 0), (0, 0), (1, 0)))


def scored(batch, model):
    reference = toy_logprobs(batch.tokens, model, model["phase_ref"])
    batch = batch.replace(ref_logprobs=response_logprobs(reference, batch.mask))
    return pair_logprobs(toy_logprobs(batch.tokens, model, model["phase_policy"]), batch)


def ids(pair, whole=False):
    context = (*pair["prompt"], *pair["prefix"])
    rests = (pair["win_rest"], pair["lose_rest"]) if whole else ([], [])
    return PairIds(context, (*pair["win"], *rests[0]), (*pair["lose"], *rests[1]))


def test_rows_of_the_worked_case(cases):
    worked = cases("step_dpo")
    batch = collate_pairs([ids(pair) for pair in worked["pairs"]], width=12)
    pair = scored(batch, worked["model"])
    sides = {"win": (pair.chosen, pair.ref_chosen), "lose": (pair.rejected, pair.ref_rejected)}
    for row, expected in enumerate(worked["rows"]):
        for side, name in enumerate(("win", "lose")):
            np.testing.assert_array_equal(batch.tokens[row, side], expected[f"{name}_ids"])
            np.testing.assert_array_equal(
                batch.mask[row, side], expected[f"{name}_loss_mask_on_targets"]
            )
            policy, reference = sides[name]
            for model, phase in (("policy", "phase_policy"), ("ref", "phase_ref")):
                logprobs = toy_logprobs(batch.tokens, worked["model"], worked["model"][phase])
                np.testing.assert_allclose(
                    logprobs[row, side][batch.mask[row, side]],
                    expected[f"{name}_{model}_token_logps"],
                    atol=1e-5,
                )
            np.testing.assert_allclose(policy[row], expected[f"{name}_policy_logp"], atol=1e-5)
            np.testing.assert_allclose(reference[row], expected[f"{name}_ref_logp"], atol=1e-5)


@pytest.mark.parametrize("name", ["expected_beta_0p5", "expected_beta_0p4"])
def test_loss_of_the_worked_case(cases, name):
    worked = cases("step_dpo")
    expected, beta = worked[name], worked[name]["beta"]
    batch = collate_pairs([ids(pair) for pair in worked["pairs"]], width=12)
    pair = scored(batch, worked["model"])
    np.testing.assert_allclose(pair.margin, expected["logit_h"], atol=1e-5)
    np.testing.assert_allclose(
        pair_losses.dpo(pair, beta=beta), expected["per_pair_loss"], atol=1e-5
    )

    def mean(chosen, rejected):
        return pair_losses.dpo(pair.replace(chosen=chosen, rejected=rejected), beta=beta).mean()

    value, gradients = jax.value_and_grad(mean, (0, 1))(pair.chosen, pair.rejected)
    np.testing.assert_allclose(value, expected["loss"], atol=1e-5)
    np.testing.assert_allclose(gradients[0], expected["dloss_dlogp_win"], atol=1e-6)
    np.testing.assert_allclose(gradients[1], expected["dloss_dlogp_lose"], atol=1e-6)
    np.testing.assert_allclose(beta * pair.chosen_log_ratio, expected["reward_win"], atol=1e-5)
    np.testing.assert_allclose(beta * pair.rejected_log_ratio, expected["reward_lose"], atol=1e-5)
    scalars = pair_scalars(pair, jnp.full(2, 0.5), beta)
    assert scalars["rewards/accuracies"] == expected["accuracy"]


def test_the_shared_prefix_may_be_in_the_mask_but_the_rest_of_the_response_may_not(cases):
    worked = cases("step_dpo")
    batch = collate_pairs([ids(pair) for pair in worked["pairs"]], width=12)
    starts = np.array([len(pair["prompt"]) for pair in worked["pairs"]])
    prefix = np.arange(12) >= starts[:, None, None]
    shared = batch.replace(mask=prefix & (np.arange(12) < batch.lengths[..., None]))
    assert (shared.mask != batch.mask).any()
    pair = scored(shared, worked["model"])
    expected = worked["invariance"]
    np.testing.assert_allclose(pair.margin, expected["h_prefix_in_mask"], atol=1e-5)
    loss = pair_losses.dpo(pair, beta=0.5).mean()
    np.testing.assert_allclose(loss, expected["loss_beta_0p5"], atol=1e-5)

    whole = collate_pairs([ids(pair, whole=True) for pair in worked["pairs"]], width=12)
    pair, expected = scored(whole, worked["model"]), worked["contrast_full_response"]
    np.testing.assert_allclose(pair.margin, expected["h"], atol=1e-5)
    loss = pair_losses.dpo(pair, beta=0.5).mean()
    np.testing.assert_allclose(loss, expected["loss_beta_0p5"], atol=1e-5)


def test_a_step_has_no_end_of_sequence_and_a_response_has():
    step = encode_pair(TOKENIZER, Pair("7+5*4=", "8", "7", prefix="2,", complete=False))
    assert step.context == tuple(TOKENIZER.encode_prompt("7+5*4=") + TOKENIZER.encode("2,"))
    assert step.chosen == tuple(TOKENIZER.encode("8"))
    assert step.rejected == tuple(TOKENIZER.encode("7"))
    whole = encode_pair(TOKENIZER, Pair("7+5*4=", "2,8", "2,7"))
    assert whole.context == tuple(TOKENIZER.encode_prompt("7+5*4="))
    assert whole.chosen == (*TOKENIZER.encode("2,8"), TOKENIZER.eos_id)
    assert whole.rejected == (*TOKENIZER.encode("2,7"), TOKENIZER.eos_id)


def test_an_empty_side_is_refused():
    with pytest.raises(ValueError, match="has an empty part"):
        encode_pair(TOKENIZER, Pair("7+5=", "", "7", complete=False))


def test_long_pairs_lose_the_start_of_their_context_then_the_end_of_their_responses():
    pair = PairIds((1, 2, 3, 4, 5), (6, 7, 8, 9), (10,))
    assert pair.truncate(9, 4) == pair
    assert pair.truncate(8, 4) == PairIds((2, 3, 4, 5), (6, 7, 8, 9), (10,))
    assert pair.truncate(5, 3) == PairIds((3, 4, 5), (6, 7), (10,))
    with pytest.raises(ValueError, match="max_context 5 and max_length 5"):
        pair.truncate(5, 5)


def test_a_pair_wider_than_the_rows_is_refused():
    with pytest.raises(ValueError, match="pair 0 has 9 tokens, more than the 8 of a row"):
        collate_pairs([PairIds((1, 2, 3, 4, 5), (6, 7, 8, 9), (10,))], width=8)
