"""What must hold of every composition of an advantage, a policy loss, a KL term, an aggregation."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from reasoning_jax import rl
from reasoning_jax.types import Rollouts

ADVANTAGES = {
    "grpo": rl.advantages.grpo,
    "grpo_population": functools.partial(rl.advantages.grpo, ddof=0),
    "dr_grpo": rl.advantages.dr_grpo,
    "rloo": rl.advantages.rloo,
    "leave_one_out": rl.advantages.leave_one_out,
    "opo": rl.advantages.opo,
    "gpg": rl.advantages.gpg,
    "remax": rl.advantages.remax,
    "reinforce_plus_plus_baseline": rl.advantages.reinforce_plus_plus_baseline,
    "best_of_group": rl.advantages.best_of_group,
    "pass_at_k": functools.partial(rl.advantages.pass_at_k, k=2),
    "psr": rl.advantages.psr,
    "nsr": rl.advantages.nsr,
    "w_reinforce": rl.advantages.w_reinforce,
    "t1": functools.partial(rl.advantages.t1, kl_coef=0.1),
}
# Those that differ within a row.
TOKEN_ADVANTAGES = {
    "process_grpo": rl.advantages.process_grpo,
    "reinforce_plus_plus": functools.partial(
        rl.advantages.reinforce_plus_plus, gamma=0.9, kl_coef=0.1
    ),
    "ppo": functools.partial(rl.advantages.ppo, gamma=0.9, lam=0.8, kl_coef=0.1),
    "tempo": rl.advantages.tempo,
    "prime": functools.partial(rl.advantages.prime, gamma=0.9),
    "prime_whitened": rl.advantages.prime_whitened,
    "pure": functools.partial(rl.advantages.pure, temperature=0.5),
    "pure_step": functools.partial(rl.advantages.pure_step, temperature=0.5),
    "pure_capped_whitened": functools.partial(
        rl.advantages.pure_capped_whitened, max_length=8, temperature=0.5
    ),
    "tp_grpo": rl.advantages.tp_grpo,
}
ADVANTAGES |= TOKEN_ADVANTAGES


def shaped(shaper, advantage, **keywords):
    """An advantage of rewards that a shaper has made."""
    return lambda rollouts: advantage(shaper(rollouts, **keywords))


SHAPED_ADVANTAGES = {
    "overlong": shaped(rl.shapers.soft_overlong, rl.advantages.grpo, max_length=7, cache=4),
    "tulu": shaped(rl.shapers.verified_and_finished, rl.advantages.rloo, right=3.0, unfinished=-1),
    "reft": shaped(rl.shapers.graded, rl.advantages.rloo, partial=0.3),
    "otc": shaped(rl.shapers.otc, rl.advantages.dr_grpo),
    "otc_running": shaped(rl.shapers.otc_running, rl.advantages.dr_grpo),
    "otc_ppo": shaped(rl.shapers.otc_few_calls, rl.advantages.dr_grpo),
    "empo": shaped(rl.shapers.cluster_share, rl.advantages.dr_grpo),
    "qwen_math": shaped(rl.shapers.shaped_by_verdict, rl.advantages.dr_grpo),
    "rloo_kl": shaped(rl.shapers.sequence_kl, rl.advantages.rloo, coef=0.3),
    "token_kl": shaped(rl.shapers.token_kl, rl.advantages.reinforce_plus_plus, coef=0.3),
}
ADVANTAGES |= SHAPED_ADVANTAGES
POLICY_LOSSES = {
    "clip": rl.policy_losses.clip,
    "dual_clip": functools.partial(rl.policy_losses.dual_clip, cap=1.5),
    "gspo": functools.partial(rl.policy_losses.gspo, low=0.05, high=0.1),
    "reinforce": rl.policy_losses.reinforce,
    "cispo": functools.partial(rl.policy_losses.cispo, low=0.5),
    "topr": rl.policy_losses.topr,
    "sapo": rl.policy_losses.sapo,
    "gmpo": rl.policy_losses.gmpo,
    "sequence_clip": functools.partial(rl.policy_losses.sequence_clip, low=0.5, high=0.9),
}
# Their gradient is not the derivative of their value; GSPO's is where a row has one advantage.
SURROGATES = {"cispo", "topr"}
KLS = {"k1": rl.k1, "k2": rl.k2, "k3": rl.k3}
AGGREGATIONS = {
    "token_mean": rl.token_mean,
    "seq_mean_token_mean": rl.seq_mean_token_mean,
    "seq_mean_token_sum": rl.seq_mean_token_sum,
    "token_sum_constant": functools.partial(rl.token_sum_constant, max_length=8),
}
# Every advantage under a loss of tokens and of sequences, every loss under an advantage of rows
# and of tokens; of the KL terms one each, in turns.
PAIRS = [
    (advantage, loss)
    for loss, advantage in itertools.product(POLICY_LOSSES, ADVANTAGES)
    if advantage in ("grpo", "process_grpo")
    or loss == "clip"
    or (loss == "gspo" and advantage not in SHAPED_ADVANTAGES)
]
COMPOSITIONS = [
    (*pair, list(KLS)[(index + turn) % len(KLS)], aggregation)
    for index, pair in enumerate(PAIRS)
    for turn, aggregation in enumerate(AGGREGATIONS)
]
KL_COEFFICIENT = 0.1

ROWS, TOKENS, STEPS = 16, 7, 3


def whole_batch(rollouts):
    """What is computed once from the whole batch: advantages [A, B, T] and weights [G, B, T]."""
    advantages = [advantage(rollouts) for advantage in ADVANTAGES.values()]
    weights = [aggregate(rollouts.loss_mask) for aggregate in AGGREGATIONS.values()]
    return jnp.stack(advantages), jnp.stack(weights)


def losses(logprobs, rollouts, advantages, weights):
    """The loss of every composition, [len(COMPOSITIONS)]."""
    mask = rollouts.loss_mask

    policy = []
    for name, policy_loss in POLICY_LOSSES.items():
        chosen = [list(ADVANTAGES).index(advantage) for advantage, loss in PAIRS if loss == name]
        over_advantages = jax.vmap(policy_loss, in_axes=(None, None, 0, None))
        with_all = over_advantages(
            logprobs, rollouts.old_logprobs, advantages[np.array(chosen)], mask
        )
        policy.append(with_all)
    kls = jnp.stack([kl(logprobs, rollouts.ref_logprobs, mask) for kl in KLS.values()])
    used = np.array([list(KLS).index(kl) for _, _, kl, _ in COMPOSITIONS])
    tokens = (
        jnp.repeat(jnp.concatenate(policy), len(AGGREGATIONS), axis=0) + KL_COEFFICIENT * kls[used]
    )
    return jax.vmap(rl.weighted_sum)(tokens, jnp.tile(weights, (len(PAIRS), 1, 1)))


@jax.jit
def values_and_gradients(logprobs, rollouts, advantages, weights):
    """Of every composition, with respect to the current log-probabilities: [C] and [C, B, T]."""
    arguments = logprobs, rollouts, advantages, weights
    return losses(*arguments), jax.jacrev(losses)(*arguments)


@jax.jit
def evaluate(rollouts, logprobs):
    return values_and_gradients(logprobs, rollouts, *whole_batch(rollouts))


def assert_same(found, expected, atol=2e-6):
    for what, left, right in zip(("value", "gradient"), found, expected):
        for composition, a, b in zip(COMPOSITIONS, np.asarray(left), np.asarray(right)):
            np.testing.assert_allclose(a, b, atol=atol, err_msg=f"{what} of {composition}")


def make_batch(dtype=jnp.float32) -> tuple[Rollouts, jax.Array]:
    """Ragged rows in groups of 1, 3, 5 (all equal) and 5, two rows out, clean padding."""
    random = np.random.default_rng(0)
    starts, lengths = random.integers(0, 3, ROWS), random.integers(4, TOKENS + 1, ROWS)
    position = np.arange(TOKENS)
    mask = (position >= starts[:, None]) & (position < lengths[:, None])
    group_ids = random.permutation([2] + 3 * [7] + 5 * [0] + 7 * [12])
    row_mask = np.ones(ROWS, bool)
    row_mask[np.flatnonzero(group_ids == 12)[[1, 4]]] = False
    rewards = np.where(group_ids == 0, 0.1, random.integers(0, 3, ROWS) / 2)
    rewards[np.flatnonzero(group_ids == 7)[0]] = 1.5  # a leader
    step_ends = starts[:, None] + np.arange(STEPS)

    def floats(*shape):
        return jnp.asarray(random.normal(size=shape), dtype)

    old = -2 + floats(ROWS, TOKENS) / 3
    rollouts = Rollouts(
        tokens=jnp.asarray(random.integers(0, 2, (ROWS, TOKENS)), jnp.int32),
        lengths=jnp.asarray(lengths, jnp.int32),
        mask=jnp.asarray(mask),
        row_mask=jnp.asarray(row_mask),
        group_ids=jnp.asarray(group_ids, jnp.int32),
        rewards=jnp.asarray(rewards, dtype),
        correct=jnp.asarray(rewards > 0.5, jnp.int8),
        finished=jnp.asarray(random.random(ROWS) < 0.8),
        sampler_logprobs=old,
        old_logprobs=old,
        ref_logprobs=old + floats(ROWS, TOKENS) / 3,
        step_ends=jnp.asarray(step_ends, jnp.int32),
        step_mask=jnp.asarray(step_ends < lengths[:, None]) & (random.random((ROWS, STEPS)) < 0.8),
        step_rewards=floats(ROWS, STEPS),
        values=floats(ROWS, TOKENS),
        token_rewards=floats(ROWS, TOKENS) / 3,
        greedy_rewards=jnp.asarray(rewards / 3 + 0.2, dtype),
        model_rewards=floats(ROWS),
        tool_calls=jnp.asarray(random.integers(0, 4, ROWS), jnp.int32),
        fewest_calls=jnp.asarray(random.integers(0, 3, ROWS), jnp.int32),
        extracted=jnp.asarray(random.random(ROWS) < 0.7),
        clusters=jnp.asarray(random.integers(0, 3, ROWS), jnp.int32),
    )
    return rollouts, old + 0.7 * floats(ROWS, TOKENS)


@pytest.fixture(scope="module")
def batch():
    return make_batch()


@pytest.fixture(scope="module")
def baseline(batch):
    return evaluate(*batch)


def poison(rollouts, logprobs, value):
    """``value`` in every float of padding and of rows that are out; nonsense in their integers."""
    padding, out = ~rollouts.loss_mask, ~rollouts.row_mask
    no_step = ~(rollouts.step_mask & rollouts.row_mask[:, None])
    poisoned = rollouts.replace(
        tokens=jnp.where(padding, -1, rollouts.tokens),
        rewards=jnp.where(out, value, rollouts.rewards),
        correct=jnp.where(out, -1, rollouts.correct).astype(jnp.int8),
        group_ids=jnp.where(out, rollouts.group_ids[0], rollouts.group_ids),
        sampler_logprobs=jnp.where(padding, value, rollouts.sampler_logprobs),
        old_logprobs=jnp.where(padding, value, rollouts.old_logprobs),
        ref_logprobs=jnp.where(padding, value, rollouts.ref_logprobs),
        step_ends=jnp.where(no_step, 999, rollouts.step_ends),
        step_rewards=jnp.where(no_step, value, rollouts.step_rewards),
        values=jnp.where(padding, value, rollouts.values),
        token_rewards=jnp.where(padding, value, rollouts.token_rewards),
        greedy_rewards=jnp.where(out, value, rollouts.greedy_rewards),
        model_rewards=jnp.where(out, value, rollouts.model_rewards),
        tool_calls=jnp.where(out, 0, rollouts.tool_calls),
        fewest_calls=jnp.where(out, -1, rollouts.fewest_calls),
        clusters=jnp.where(out, 1, rollouts.clusters),
        extracted=rollouts.extracted | out,
        finished=rollouts.finished & ~out,
    )
    return poisoned, jnp.where(padding, value, logprobs)


def test_the_batch_exercises_every_composition(batch, baseline):
    values, gradients = baseline
    assert np.isfinite(values).all()
    assert np.isfinite(gradients).all()
    assert (np.abs(gradients).max(axis=(1, 2)) > 1e-4).all()
    assert len(np.unique(np.round(values, 7))) == len(COMPOSITIONS)
    ratio = rl.importance_ratio(batch[1], batch[0].old_logprobs, batch[0].loss_mask)
    assert (ratio > 1.2).any()
    assert (ratio < 0.8).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 9.0])
def test_padding_poison(batch, baseline, value):
    found = evaluate(*poison(*batch, value))
    assert_same(found, baseline, atol=0)
    assert not found[1][:, ~batch[0].loss_mask].any()


def test_row_order_and_group_names(batch, baseline):
    random = np.random.default_rng(1)
    order, names = random.permutation(ROWS), random.permutation(ROWS)
    rollouts, logprobs = jax.tree.map(lambda x: x[order], batch)
    rollouts = rollouts.replace(group_ids=jnp.asarray(names)[rollouts.group_ids])
    values, gradients = baseline
    assert_same(evaluate(rollouts, logprobs), (values, gradients[:, order]))


def test_rows_that_are_out_can_be_added(batch, baseline):
    padded = jax.tree.map(lambda x: jnp.concatenate([x, x[:3]]), batch)
    out = jnp.arange(ROWS + 3) >= ROWS
    rollouts = padded[0].replace(row_mask=padded[0].row_mask & ~out)
    values, gradients = evaluate(*poison(rollouts, padded[1], np.nan))
    assert_same((values, gradients[:, :ROWS]), baseline)
    assert not gradients[:, ROWS:].any()


def test_padding_can_be_widened(batch, baseline):
    def widen(x):
        return jnp.pad(x, ((0, 0), (0, 4))) if x.ndim == 2 and x.shape[1] == TOKENS else x

    values, gradients = evaluate(*jax.tree.map(widen, batch))
    assert_same((values, gradients[..., :TOKENS]), baseline)


def test_micro_batches_add_up(batch, baseline):
    rollouts, logprobs = batch
    whole = whole_batch(rollouts)
    parts = []
    for rows in (slice(0, 4), slice(4, 8), slice(8, 12), slice(12, 16)):
        arguments = jax.tree.map(lambda x, rows=rows: x[rows], (logprobs, rollouts))
        parts.append(values_and_gradients(*arguments, *(x[:, rows] for x in whole)))
    values, gradients = zip(*parts)
    assert_same((sum(values), jnp.concatenate(gradients, axis=1)), baseline)


def test_eight_devices_equal_one(batch, baseline):
    mesh = Mesh(np.array(jax.devices()[:8]), ("data",))
    sharded = jax.device_put(batch, NamedSharding(mesh, PartitionSpec("data")))
    assert len(sharded[1].sharding.device_set) == 8
    assert_same(evaluate(*sharded), baseline)


def test_rows_without_a_sampled_token(batch):
    rollouts, logprobs = batch
    empty = rollouts.replace(mask=rollouts.mask & (jnp.arange(ROWS) % 3 > 0)[:, None])
    values, gradients = evaluate(empty, logprobs)
    assert np.isfinite(values).all()
    assert np.isfinite(gradients).all()
    assert not gradients[:, ~empty.loss_mask].any()
    nothing = evaluate(rollouts.replace(mask=jnp.zeros_like(rollouts.mask)), logprobs)
    assert not any(x.any() for x in nothing)


def test_jit_equals_eager(batch, baseline):
    rollouts, logprobs = batch
    values = losses(logprobs, rollouts, *whole_batch(rollouts))
    np.testing.assert_allclose(values, baseline[0], atol=1e-6)


def test_bfloat16_rollouts_are_computed_in_float32():
    narrow = make_batch(jnp.bfloat16)
    wide = jax.tree.map(lambda x: x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x, narrow)
    advantages, weights = whole_batch(narrow[0])
    assert advantages.dtype == weights.dtype == jnp.float32
    values, gradients = evaluate(*narrow)
    expected_values, expected_gradients = evaluate(*wide)
    assert values.dtype == jnp.float32
    np.testing.assert_allclose(values, expected_values, atol=1e-6)
    # a gradient with respect to bfloat16 is itself rounded to 8 bits
    gap = jnp.abs(gradients.astype(jnp.float32) - expected_gradients).max(axis=(1, 2))
    assert (gap <= 2**-7 * jnp.abs(expected_gradients).max(axis=(1, 2))).all()


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize(
    "policy_loss",
    [
        rl.policy_losses.reinforce,
        rl.policy_losses.cispo,
        rl.policy_losses.topr,
        rl.policy_losses.sapo,
        rl.policy_losses.gmpo,
        rl.policy_losses.sequence_clip,
        *(
            functools.partial(policy_loss, low=low, high=high)
            for policy_loss in (
                rl.policy_losses.clip,
                rl.policy_losses.dual_clip,
                rl.policy_losses.gspo,
            )
            for low, high in [(0.2, 0.2), (0.2, 0.28), (3e-4, 4e-4), (0.0, 0.0)]
        ),
    ],
)
def test_on_policy_gradient_is_minus_advantage_times_weight(batch, policy_loss, aggregation):
    rollouts, logprobs = batch
    weights = AGGREGATIONS[aggregation](rollouts.loss_mask)
    advantages = rl.advantages.grpo(rollouts)

    def loss(x):
        return rl.weighted_sum(policy_loss(x, logprobs, advantages, rollouts.loss_mask), weights)

    np.testing.assert_allclose(jax.grad(loss)(logprobs), -advantages * weights, rtol=1e-6)


def test_only_the_current_logprobs_carry_gradient(batch):
    rollouts, logprobs = batch

    def total(constants, advantage_scale):
        changed = rollouts.replace(**constants)
        advantages, weights = whole_batch(changed)
        return losses(logprobs, changed, advantages * advantage_scale, weights).sum()

    fields = (
        *("rewards", "old_logprobs", "ref_logprobs", "step_rewards"),
        *("values", "token_rewards", "sampler_logprobs", "greedy_rewards", "model_rewards"),
    )
    constants = {field: getattr(rollouts, field) for field in fields}
    for gradient in jax.tree.leaves(jax.grad(total, argnums=(0, 1))(constants, 1.0)):
        np.testing.assert_array_equal(gradient, np.zeros(gradient.shape))


def test_gradients_against_finite_differences():
    with jax.enable_x64(True):
        rollouts, logprobs = make_batch(jnp.float64)
        rest = rollouts, *jax.jit(whole_batch)(rollouts)
        gradients = values_and_gradients(logprobs, *rest)[1]
        assert gradients.dtype == jnp.float64
        for seed in range(4):
            nudge = 1e-6 * np.random.default_rng(seed).normal(size=logprobs.shape)
            forward, backward = (
                values_and_gradients(logprobs + signed, *rest)[0] for signed in (nudge, -nudge)
            )
            for index, composition in enumerate(COMPOSITIONS):
                advantage, policy_loss = composition[:2]
                if policy_loss not in SURROGATES and (
                    policy_loss != "gspo" or advantage not in TOKEN_ADVANTAGES
                ):
                    np.testing.assert_allclose(
                        np.sum(gradients[index] * nudge) / 1e-6,
                        (forward - backward)[index] / 2e-6,
                        atol=1e-8,
                        err_msg=str(composition),
                    )
