"""Completions in shared rows give what they give in rows of their own."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reasoning_jax.models import Transformer, init_params, preset
from reasoning_jax.parallel import make_mesh, put_batch
from reasoning_jax.rl import token_mean, weighted_sum
from reasoning_jax.stages.packed_rollouts import (
    PackedRollouts,
    pack_rollouts,
    score_rollouts,
    within,
)
from reasoning_jax.training.state import create_state
from reasoning_jax.training.step import make_update
from reasoning_jax.training.trainable import all_parameters
from reasoning_jax.types import Rollouts

PROMPT = 3
LENGTHS = np.array([16, 5, 7, 4, 9, 6, 5, 12], np.int32)


def rollouts(lengths=LENGTHS, width=16):
    rng = np.random.default_rng(0)
    columns = np.arange(width)
    rows = len(lengths)
    return Rollouts(
        tokens=np.where(columns < lengths[:, None], rng.integers(1, 20, (rows, width)), 0),
        lengths=lengths,
        mask=(columns >= PROMPT) & (columns < lengths[:, None]),
        row_mask=np.arange(rows) != 1,
        group_ids=np.zeros(rows, np.int32),
        rewards=rng.normal(size=rows).astype(np.float32),
        correct=np.zeros(rows, np.int8),
        finished=np.ones(rows, bool),
        sampler_logprobs=np.zeros((rows, width), np.float32),
    )


def packed(batch, **options):
    return pack_rollouts(batch.tokens, batch.lengths, batch.mask, **options)


def test_rows_by_hand():
    # Longest first: 6 opens a row of 10, 5 the next one; 4 fits beside 6, 3 beside 5.
    lengths = np.array([4, 6, 3, 5])
    tokens = 10 * np.arange(1, 5)[:, None] + np.arange(6)
    mask = np.arange(6) >= np.array([2, 5, 1, 3])[:, None]
    rows = pack_rollouts(tokens, lengths, mask, row_tokens=10)
    np.testing.assert_array_equal(
        rows.tokens,
        [[20, 21, 22, 23, 24, 25, 10, 11, 12, 13], [40, 41, 42, 43, 44, 30, 31, 32, 0, 0]],
    )
    np.testing.assert_array_equal(
        rows.owners, [[2, 2, 2, 2, 2, 2, 1, 1, 1, 1], [4, 4, 4, 4, 4, 3, 3, 3, 0, 0]]
    )
    np.testing.assert_array_equal(
        rows.scored, [[0, 0, 0, 0, 0, 1, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0, 1, 1, 0, 0]]
    )
    assert rows.rows.tolist() == [0, 0, 1, 1]
    assert rows.starts.tolist() == [6, 0, 5, 0]


def test_micro_batches_keep_their_own_completions():
    batch = rollouts()
    rows = packed(batch, row_tokens=16, micro_batches=2, ways=2)
    assert len(rows.tokens) % 4 == 0
    for m in range(2):
        owners = np.unique(rows.owners[m::2])
        assert owners.tolist() == [0, 1, 2, 3, 4]
        mine = rows.tokens[m::2]
        for number, completion in enumerate(range(m, 8, 2)):
            length = batch.lengths[completion]
            start = rows.starts[completion]
            assert rows.rows[completion] < len(mine)
            row = rows.rows[completion]
            np.testing.assert_array_equal(
                mine[row, start : start + length], batch.tokens[completion, :length]
            )
            assert (rows.owners[m::2][row, start : start + length] == number + 1).all()


def test_a_completion_longer_than_a_row_widens_the_rows():
    assert packed(rollouts(), row_tokens=8).tokens.shape[1] == 16


def test_geometric_lengths_fill_the_rows():
    rng = np.random.default_rng(0)
    lengths = (64 + np.minimum(rng.geometric(1 / 64, 64), 448)).astype(np.int32)
    batch = rollouts(lengths, 512)
    rows = packed(batch, row_tokens=512)
    # In rows of their own the completions fill a quarter.
    assert lengths.sum() < 0.3 * batch.tokens.size
    assert lengths.sum() > 0.8 * rows.tokens.size


CONFIGS = {
    "plain": preset("nano", 20),
    "window": preset("nano", 20, {"sliding_window": 4, "sliding_layers": (True, False)}),
}


@pytest.mark.parametrize("attention", ["xla", "folded"])
@pytest.mark.parametrize("name", CONFIGS)
def test_scores_are_those_of_rows_of_their_own(name, attention):
    config = CONFIGS[name]
    model = Transformer(config, attention=attention)
    params, batch = init_params(config, jax.random.key(0)), rollouts()

    @jax.jit
    def both(params, batch, rows):
        alone, _ = score_rollouts(model, params, batch, None, 0.7)
        shared, _ = score_rollouts(model, params, batch, rows, 0.7)
        return alone, shared

    alone, shared = both(params, batch, packed(batch, row_tokens=16))
    for a, b in zip(alone, shared):
        np.testing.assert_allclose(a, b, atol=2e-6)
        assert (np.asarray(b)[~batch.mask] == 0).all()
        assert (np.asarray(b)[batch.mask] != 0).all()


@dataclasses.dataclass
class Case:
    micro_batches: int
    devices: int


def one_update(config, case: Case, batch, rows: PackedRollouts | None):
    """Parameters and loss after one step of gradient descent on advantages times ratios."""
    mesh = make_mesh(devices=jax.devices()[: case.devices])
    model = Transformer(config, mesh)
    trainable, optimizer = all_parameters(config, mesh), optax.sgd(1.0)

    def prepare(data):
        batch, rows = data["rollouts"], data["packed"]
        return {
            "rollouts": batch,
            "packed": rows,
            "weights": token_mean(batch.loss_mask),
            "shares": jnp.sum(token_mean(within(batch)), axis=1),
        }

    def loss(params, data):
        batch = data["rollouts"]
        scores, balance = score_rollouts(model, params, batch, data["packed"], 1.0)
        losses = -batch.rewards[:, None] * scores.logprobs - 0.1 * scores.entropy
        value = weighted_sum(losses, data["weights"]) + 0.1 * balance * jnp.sum(data["shares"])
        return value, scores.logprobs

    update = make_update(
        trainable,
        optimizer,
        prepare=prepare,
        loss=loss,
        report=lambda data, logprobs: {"mean": weighted_sum(logprobs, data["weights"])},
        micro_batches=case.micro_batches,
    )
    params = init_params(config, jax.random.key(0), mesh)
    data = put_batch({"rollouts": batch, "packed": rows}, mesh)
    state, metrics = update(create_state(trainable, params, optimizer), data)
    return jax.device_get((state.params, metrics))


@pytest.mark.parametrize("case", [Case(1, 1), Case(2, 2)], ids=str)
def test_an_update_on_shared_rows_is_that_on_rows_of_their_own(case):
    config, batch = CONFIGS["plain"], rollouts()
    rows = packed(batch, row_tokens=16, micro_batches=case.micro_batches, ways=case.devices)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=3e-6),
        one_update(config, case, batch, rows),
        one_update(config, Case(1, 1), batch, None),
    )
