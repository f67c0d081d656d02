"""Losses and gradients of GRPO, DAPO, Dr. GRPO, GSPO and RLOO against the code of TRL 1.16.

Conventions that differ, set alike here: TRL adds 1e-4 to the deviation (ours 1e-6, a keyword);
its GRPO keeps rows without a token in the mean, ours drops them; its ratios are not held
within exp(±20); its KL in the loss is k3; its RLOO takes the ratio of the whole response, as
``sequence_clip``, and puts KL into the reward, as ``shapers.sequence_kl``.
"""

import collections
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax import rl
from reasoning_jax.rl.objective import Objective, PolicyBatch
from reasoning_jax.types import Rollouts

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

ROWS, GROUP, PROMPT, TOKENS, CAP = 12, 4, 3, 9, 16


@pytest.fixture(scope="module")
def trainers():
    """TRL's GRPOTrainer and RLOOTrainer, classes alone."""
    trl = pytest.importorskip("trl")
    return trl.GRPOTrainer, trl.RLOOTrainer


def make_batch(seed: int) -> tuple[Rollouts, np.ndarray]:
    """Whole groups of ragged responses off policy, some groups of equal rewards."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, TOKENS + 1, ROWS)
    columns = np.arange(PROMPT + TOKENS)
    mask = (columns >= PROMPT) & (columns < PROMPT + lengths[:, None])
    old = random.normal(-2, 0.5, mask.shape).astype(np.float32)
    rewards = random.integers(0, 2, ROWS).astype(np.float32)
    rewards[:GROUP] = 1
    floats = [old + random.normal(0, 0.3, mask.shape).astype(np.float32) for _ in range(2)]
    rollouts = Rollouts(
        tokens=np.zeros(mask.shape, np.int32),
        lengths=(PROMPT + lengths).astype(np.int32),
        mask=mask,
        row_mask=np.ones(ROWS, bool),
        group_ids=np.repeat(np.arange(ROWS // GROUP), GROUP).astype(np.int32),
        rewards=rewards,
        correct=(rewards > 0.5).astype(np.int8),
        finished=np.ones(ROWS, bool),
        sampler_logprobs=old,
        old_logprobs=old,
        ref_logprobs=floats[0],
    )
    return rollouts, floats[1]


def ours(rollouts, logprobs, advantages, loss, aggregate, beta=0.0):
    batch = PolicyBatch(
        rollouts,
        advantages,
        aggregate(jnp.asarray(rollouts.loss_mask)),
        kl_coef=jnp.full(ROWS, beta),
    )
    objective = Objective(loss, rl.k3)
    return jax.value_and_grad(lambda x: objective(x, jnp.zeros_like(x), batch))(logprobs)


class Off(types.SimpleNamespace):
    """The state of a trainer whose every other feature is off."""

    def __getattr__(self, name):
        return False


def same(x, reduction=None):
    return x


def theirs(trainer, rollouts, logprobs, advantages, **settings):
    """The loss of TRL's ``_compute_loss`` over given log-probabilities, and its gradient."""
    leaf = torch.tensor(logprobs[:, PROMPT:], requires_grad=True)
    mask = torch.tensor(rollouts.mask[:, PROMPT:].astype(np.int64))
    old = torch.tensor(rollouts.old_logprobs[:, PROMPT:])
    trainer_state = Off(
        _get_per_token_logps_and_entropies=lambda *_, **__: (leaf, torch.zeros_like(leaf), None),
        _metrics={"train": collections.defaultdict(list)},
        accelerator=Off(gather=same, gather_for_metrics=same, reduce=same, num_processes=1),
        model=Off(training=True),
        args=Off(delta=None, steps_per_generation=1),
        current_gradient_accumulation_steps=1,
        max_completion_length=CAP,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        **{"importance_sampling_level": "token", "loss_type": "grpo", "beta": 0.0, **settings},
    )
    inputs = {
        "prompt_ids": torch.zeros((ROWS, PROMPT), dtype=torch.long),
        "prompt_mask": torch.ones((ROWS, PROMPT), dtype=torch.long),
        "completion_ids": torch.zeros((ROWS, TOKENS), dtype=torch.long),
        "completion_mask": mask,
        "advantages": advantages,
        "old_per_token_logps": old,
        "old_logps": (old * mask).sum(1),
        "ref_per_token_logps": torch.tensor(rollouts.ref_logprobs[:, PROMPT:]),
        "num_items_in_batch": mask.sum(),
    }
    loss = trainer._compute_loss(trainer_state, None, inputs)
    loss.backward()
    return loss.item(), leaf.grad.numpy()


def assert_equal(found, expected):
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    np.testing.assert_allclose(found[1][:, PROMPT:], expected[1], atol=1e-5)
    assert not found[1][:, :PROMPT].any() and np.abs(found[1]).max() > 1e-3


def group_advantages(rollouts, scale: bool):
    grouped = torch.tensor(rollouts.rewards).view(-1, GROUP)
    advantages = grouped - grouped.mean(dim=1, keepdim=True)
    scales = grouped.std(dim=1, keepdim=True) + 1e-4 if scale else 1.0
    return (advantages / scales).reshape(-1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("settings", "advantage", "loss", "aggregate"),
    [
        (  # GRPO with KL in the loss
            dict(loss_type="grpo", epsilon_low=0.2, epsilon_high=0.2, beta=0.04),
            dict(eps=1e-4),
            (rl.policy_losses.clip, dict()),
            (rl.seq_mean_token_mean, dict()),
        ),
        (  # DAPO: clip-higher, mean over tokens
            dict(loss_type="dapo", epsilon_low=0.2, epsilon_high=0.28),
            dict(eps=1e-4),
            (rl.policy_losses.clip, dict(high=0.28)),
            (rl.token_mean, dict()),
        ),
        (  # Dr. GRPO: no deviation, a constant denominator
            dict(loss_type="dr_grpo", epsilon_low=0.2, epsilon_high=0.2),
            None,
            (rl.policy_losses.clip, dict()),
            (rl.token_sum_constant, dict(max_length=CAP)),
        ),
        (  # GSPO
            dict(importance_sampling_level="sequence", epsilon_low=0.05, epsilon_high=0.08),
            dict(eps=1e-4),
            (rl.policy_losses.gspo, dict(low=0.05, high=0.08)),
            (rl.seq_mean_token_mean, dict()),
        ),
    ],
    ids=["grpo", "dapo", "dr_grpo", "gspo"],
)
def test_group_losses(trainers, seed, settings, advantage, loss, aggregate):
    rollouts, logprobs = make_batch(seed)
    if advantage is None:
        advantages = rl.advantages.dr_grpo(rollouts)
    else:
        advantages = rl.advantages.grpo(rollouts, **advantage)
    found = ours(
        rollouts,
        logprobs,
        advantages,
        lambda *arguments: loss[0](*arguments, **loss[1]),
        lambda mask: aggregate[0](mask, **aggregate[1]),
        beta=settings.get("beta", 0.0),
    )
    expected_advantages = group_advantages(rollouts, advantage is not None)
    expected = theirs(trainers[0], rollouts, logprobs, expected_advantages, **settings)
    assert_equal(found, expected)


@pytest.mark.parametrize("seed", range(3))
def test_rloo_with_kl_in_the_reward(trainers, seed):
    rollouts, logprobs = make_batch(seed)
    beta = 0.05
    mask = torch.tensor(rollouts.mask)
    kl = torch.tensor(rollouts.old_logprobs) - torch.tensor(rollouts.ref_logprobs)
    rewards = torch.tensor(rollouts.rewards) - beta * (kl * mask).sum(1)
    grouped = rewards.view(-1, GROUP)
    baselines = (grouped.sum(1, keepdim=True) - grouped) / (GROUP - 1)
    expected = theirs(
        trainers[1],
        rollouts,
        logprobs,
        (grouped - baselines).reshape(-1),
        epsilon_low=0.2,
        epsilon_high=0.2,
    )
    shaped = rl.shapers.sequence_kl(rollouts, coef=beta)
    advantages = rl.advantages.rloo(shaped)
    found = ours(
        shaped, logprobs, advantages, rl.policy_losses.sequence_clip, rl.seq_mean_token_sum
    )
    assert_equal(found, expected)
