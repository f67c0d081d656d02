"""Losses and gradients equal those of TRL on random inputs, where TRL has them.

Differences of convention, documented by the calls below: TRL's ``ipo`` is our ``ipo_token_mean``
(it divides log-probabilities by lengths before the loss); its SimPO and ORPO take mean
log-probabilities; its ORPO adds the likelihood over all tokens of the batch, ours by response;
its ``bco_pair`` shifts rewards by a running mean, ours (``biased_nca``) by nothing; its KTO takes
the mean of the processes' mean estimates, ours the mean over all rows.
"""

import importlib
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.preference import PairLogprobs, kl_estimate, kto, pair_losses

pytestmark = pytest.mark.parity

PAIRS = 32
CPU = types.SimpleNamespace(device="cpu", gather_for_metrics=lambda x: x)


@pytest.fixture(scope="module")
def trl():
    pytest.importorskip("torch")
    trl = pytest.importorskip("trl")
    # TRL 0.24 takes for yes what transformers 5 answers where a package is missing: (False, ...).
    utils = importlib.import_module("trl.import_utils")
    for name, value in list(vars(utils).items()):
        if name.endswith("_available") and isinstance(value, tuple):
            setattr(utils, name, value[0])
    return trl


@pytest.fixture(scope="module")
def numbers():
    """Policy, reference and lengths of random pairs, [PAIRS] each."""
    random = np.random.default_rng(0)
    policy = random.normal(-30, 12, (2, PAIRS)).clip(max=-1)
    lengths = random.integers(5, 60, (2, PAIRS))
    reference = policy + random.normal(0, 3, (2, PAIRS))
    return [x.astype(np.float32) for x in (*policy, *reference, *lengths)]


def theirs(loss, chosen, rejected, scale=(1.0, 1.0)):
    """Losses [PAIRS], and gradients of their sum with respect to summed log-probabilities."""
    import torch

    sides = [torch.tensor(x, requires_grad=True) for x in (chosen, rejected)]
    losses = loss(*(side * torch.tensor(s) for side, s in zip(sides, scale)))
    losses.sum().backward()
    return [losses.detach().numpy(), *(side.grad.numpy() for side in sides)]


def ours(pair_loss, numbers):
    pair = PairLogprobs(*map(jnp.asarray, numbers))

    def total(chosen, rejected):
        losses = pair_loss(pair.replace(chosen=chosen, rejected=rejected))
        return losses.sum(), losses

    gradients, losses = jax.grad(total, (0, 1), has_aux=True)(pair.chosen, pair.rejected)
    return [losses, *gradients]


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "loss_type, smoothing, pair_loss",
    [
        ("sigmoid", 0.0, lambda p: pair_losses.dpo(p, beta=0.2)),
        ("sigmoid", 0.1, lambda p: pair_losses.cdpo(p, beta=0.2, label_noise=0.1)),
        ("robust", 0.1, lambda p: pair_losses.robust_dpo(p, beta=0.2, label_noise=0.1)),
        ("hinge", 0.0, lambda p: pair_losses.hinge(p, beta=0.2)),
        ("ipo", 0.0, lambda p: pair_losses.ipo_token_mean(p, tau=0.2)),
        ("nca_pair", 0.0, lambda p: pair_losses.nca_pair(p, beta=0.2)),
        ("apo_zero", 0.0, lambda p: pair_losses.apo_zero(p, beta=0.2)),
    ],
)
def test_dpo_family(trl, numbers, loss_type, smoothing, pair_loss):
    import torch
    from trl.trainer.dpo_config import FDivergenceType

    chosen, rejected, ref_chosen, ref_rejected, *lengths = numbers
    scale = [1 / n if loss_type == "ipo" else np.ones_like(n) for n in lengths]
    trainer = types.SimpleNamespace(
        accelerator=CPU,
        reference_free=False,
        f_divergence_type=FDivergenceType.REVERSE_KL,
        f_divergence_params=None,
        beta=0.2,
        label_smoothing=smoothing,
    )
    reference = [torch.tensor(r * s) for r, s in zip((ref_chosen, ref_rejected), scale)]

    def loss(policy_chosen, policy_rejected):
        return trl.DPOTrainer.dpo_loss(
            trainer, policy_chosen, policy_rejected, *reference, loss_type
        )[0]

    assert_same(ours(pair_loss, numbers), theirs(loss, chosen, rejected, scale))


def test_simpo(trl, numbers):
    chosen, rejected, _, _, *lengths = numbers
    trainer = types.SimpleNamespace(
        accelerator=CPU, alpha=0.0, beta=2.0, simpo_gamma=1.0, label_smoothing=0, loss_type="simpo"
    )

    def loss(*means):
        return trl.CPOTrainer.cpo_loss(trainer, *means)[0]

    expected = theirs(loss, chosen, rejected, [1 / n for n in lengths])
    assert_same(ours(lambda p: pair_losses.simpo(p, beta=2.0, gamma=1.0), numbers), expected)


def test_orpo(trl, numbers):
    chosen, rejected, _, _, *lengths = numbers
    trainer = types.SimpleNamespace(accelerator=CPU, beta=0.1)

    def loss(mean_chosen, mean_rejected):
        # TRL subtracts what its function gives from the likelihood of the chosen responses.
        odds = trl.ORPOTrainer.odds_ratio_loss(trainer, mean_chosen, mean_rejected)[0]
        return -mean_chosen - odds

    expected = theirs(loss, chosen, rejected, [1 / n for n in lengths])
    assert_same(ours(lambda p: pair_losses.orpo(p, odds_coef=0.1), numbers), expected)


@pytest.mark.parametrize("shift", [2.0, -2.0])  # an estimate above and below 0
def test_kto(trl, numbers, shift):
    import torch

    chosen, rejected, ref_chosen, ref_rejected, *_ = numbers
    kl_policy, kl_reference = ref_chosen + shift, ref_chosen
    trainer = types.SimpleNamespace(
        accelerator=CPU,
        calculate_KL=True,
        loss_type="kto",
        beta=0.2,
        desirable_weight=1.3,
        undesirable_weight=0.7,
    )

    def loss(policy_chosen, policy_rejected):
        return trl.KTOTrainer.kto_loss(
            trainer,
            policy_chosen,
            policy_rejected,
            torch.tensor(kl_policy),
            torch.tensor(ref_chosen),
            torch.tensor(ref_rejected),
            torch.tensor(kl_reference),
        )[0]

    kl = kl_estimate(jnp.asarray(kl_policy - kl_reference), jnp.ones(PAIRS, bool))
    good = jnp.arange(2 * PAIRS) < PAIRS

    def total(chosen, rejected):
        ratios = jnp.concatenate([chosen - ref_chosen, rejected - ref_rejected])
        keywords = {"beta": 0.2, "desirable_weight": 1.3, "undesirable_weight": 0.7}
        losses = kto(ratios, good, kl, **keywords)
        return losses.sum(), losses

    gradients, losses = jax.grad(total, (0, 1), has_aux=True)(chosen, rejected)
    assert_same([losses, *gradients], theirs(loss, chosen, rejected))
