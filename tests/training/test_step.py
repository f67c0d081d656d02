"""One update is the same however it is cut and spread, and moves only what it must."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reasoning_jax.models import Transformer, init_params, param_shardings, preset, token_logprobs
from reasoning_jax.parallel import make_mesh, put_batch, to_host
from reasoning_jax.rl import token_mean, weighted_sum
from reasoning_jax.training.optimizers import adamw, decay_kernels
from reasoning_jax.training.state import abstract_state, create_state, state_shardings
from reasoning_jax.training.step import accumulate, make_update
from reasoning_jax.training.trainable import all_parameters

# Every size another number, so that a shape in the compiled program tells what it is.
ROWS, LENGTH, VOCAB, WIDTH = 24, 10, 368, 32


@pytest.fixture(scope="module")
def config():
    return preset("nano", VOCAB, {"d_model": WIDTH, "head_dim": 8, "n_kv_heads": 2, "d_ff": 56})


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(2, 2, 2)


@pytest.fixture(scope="module")
def one_device():
    return make_mesh(devices=jax.devices()[:1])


@pytest.fixture(scope="module")
def batch():
    """Rows of unequal lengths, so that a mean of means is not the mean."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, LENGTH + 1, ROWS)
    lengths[0::4] = 2  # with 4 micro-batches one has few tokens
    mask = (np.arange(LENGTH) < lengths[:, None]) & (np.arange(LENGTH) > 0)
    return {"tokens": rng.integers(0, VOCAB, (ROWS, LENGTH), dtype=np.int32), "mask": mask}


def prepare(batch):
    return batch | {"weights": token_mean(batch["mask"])}


def make_loss(model):
    def loss(params, batch):
        logprobs, *_ = token_logprobs(model, params, batch["tokens"])
        return weighted_sum(-logprobs, batch["weights"]), logprobs

    return loss


def report(batch, logprobs):
    """Weighted by the number of the row, so that rows out of order would show."""
    order = jnp.arange(logprobs.shape[0], dtype=jnp.float32)[:, None]
    return {"by_row": weighted_sum(order * logprobs, batch["weights"])}


def updater(config, mesh, optimizer, model, micro_batches=1):
    return make_update(
        all_parameters(config, mesh),
        optimizer,
        prepare=prepare,
        loss=make_loss(model),
        report=report,
        micro_batches=micro_batches,
    )


def assert_close(ours, theirs, tolerance):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs)):
        np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.fixture(scope="module")
def whole(config, one_device, batch):
    """(state, metrics) on one device in one piece; the step is half the gradient."""
    optimizer = optax.sgd(0.5)
    state = create_state(
        all_parameters(config, one_device), init_params(config, jax.random.key(0)), optimizer
    )
    update = updater(config, one_device, optimizer, Transformer(config))
    state, metrics = update(state, put_batch(batch, one_device))
    return to_host(state), to_host(metrics)


def test_loss_is_the_mean_over_the_tokens_of_the_batch(config, batch, whole):
    params = init_params(config, jax.random.key(0))
    logits = Transformer(config).apply({"params": params}, batch["tokens"])
    logprobs = jax.nn.log_softmax(logits[:, :-1])
    chosen = np.take_along_axis(np.asarray(logprobs), batch["tokens"][:, 1:, None], axis=2)
    taken = chosen[..., 0][batch["mask"][:, 1:]]
    state, metrics = whole
    assert metrics["loss"] == pytest.approx(-taken.mean(), abs=1e-5)
    gradient = jax.tree.map(lambda before, after: 2 * (before - after), params, state.params)
    assert metrics["grad_norm"] == pytest.approx(float(optax.global_norm(gradient)), rel=1e-4)
    assert state.step == 1


@pytest.mark.parametrize("micro_batches", [2, 4])
def test_micro_batches_change_nothing(config, one_device, batch, whole, micro_batches):
    optimizer = optax.sgd(0.5)
    state = create_state(
        all_parameters(config, one_device), init_params(config, jax.random.key(0)), optimizer
    )
    update = updater(config, one_device, optimizer, Transformer(config), micro_batches)
    state, metrics = update(state, put_batch(batch, one_device))
    assert_close(metrics, whole[1], 1e-6)
    assert_close(state.params, whole[0].params, 1e-6)


def test_arrays_of_other_lengths_are_cut_with_the_rows():
    # Two numbers for every row: rows 0 and 2 meet the first halves, 1 and 3 the second ones.
    batch = {"x": jnp.arange(4.0), "pairs": jnp.array([1.0, 10.0] * 4)}

    def loss(p, part):
        return p * jnp.sum(part["x"]) * jnp.sum(part["pairs"]), part["pairs"]

    value, pairs, slope = accumulate(loss, jnp.float32(2), batch, 2)
    assert float(slope) == (0 + 2) * 4 + (1 + 3) * 40
    assert float(value) == 2 * float(slope)
    assert pairs.tolist() == batch["pairs"].tolist()


@pytest.mark.parametrize("micro_batches", [1, 4])
def test_bfloat16_computes_over_float32_weights_moments_and_sums(
    config, one_device, batch, whole, micro_batches
):
    # A step of a millionth is far below the resolution of the weights in bfloat16, 1 in 256.
    optimizer = adamw(lambda step: 1e-6)
    before = init_params(config, jax.random.key(0))
    state = create_state(all_parameters(config, one_device), before, optimizer)
    model = Transformer(config, dtype=jnp.bfloat16)
    update = updater(config, one_device, optimizer, model, micro_batches)
    before, losses = to_host(before), []
    for _ in range(3):
        state, metrics = update(state, put_batch(batch, one_device))
        losses.append(float(metrics["loss"]))
    floats = [x for x in jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.floating)]
    assert {x.dtype for x in (*floats, *metrics.values())} == {jnp.dtype(jnp.float32)}
    assert losses[0] == pytest.approx(float(whole[1]["loss"]), rel=1e-3)
    moved = jax.tree.map(
        lambda new, old: float(np.abs(new - old).max()), to_host(state.params), before
    )
    for distance in jax.tree.leaves(moved):
        assert 2e-6 < distance < 3.1e-6


def test_accumulate_by_hand():
    # Loss Σ w (p x)², gradient Σ 2 w p x²: with p = 2 and w x² = 1, 8, 9, 0 that is 72 and 72.
    batch = {"x": jnp.array([1.0, 2.0, 3.0, 4.0]), "w": jnp.array([1.0, 2.0, 1.0, 0.0])}

    def loss(params, rows):
        value = params["p"] * rows["x"]
        return jnp.sum(rows["w"] * value**2), value

    for micro_batches in (1, 2, 4):
        value, rows, grads = accumulate(loss, {"p": jnp.float32(2)}, batch, micro_batches)
        assert (float(value), float(grads["p"])) == (72.0, 72.0)
        assert rows.tolist() == [2.0, 4.0, 6.0, 8.0]


def test_rows_that_do_not_divide_are_refused():
    batch = {"x": jnp.zeros((10, 3))}
    with pytest.raises(ValueError, match="a batch of 10 rows does not divide into 4 micro-batches"):
        accumulate(lambda p, b: (jnp.sum(p * b["x"]), None), jnp.ones(()), batch, 4)


@pytest.fixture(scope="module")
def optimizer():
    return adamw(lambda step: 1e-3, weight_decay=0.1, decay_mask=decay_kernels)


@pytest.fixture(scope="module")
def three_steps(config, optimizer, batch):
    """three_steps(mesh, micro_batches, remat) -> (first state and those after it, losses)."""

    def run(mesh, micro_batches, remat):
        state = create_state(
            all_parameters(config, mesh), init_params(config, jax.random.key(0), mesh), optimizer
        )
        update = updater(
            config, mesh, optimizer, Transformer(config, mesh, remat=remat), micro_batches
        )
        states, losses = [state], []
        for _ in range(3):
            state, metrics = update(state, put_batch(batch, mesh))
            states.append(state)
            losses.append(float(metrics["loss"]))
        return states, losses

    return run


def test_eight_devices_equal_one(config, optimizer, mesh, one_device, three_steps):
    single, single_losses = three_steps(one_device, 1, remat=False)
    states, losses = three_steps(mesh, 2, remat=True)
    np.testing.assert_allclose(losses, single_losses, atol=1e-5)
    assert losses[2] < losses[0]
    assert_close(to_host(states[-1]), to_host(single[-1]), 1e-5)

    # The state stays where it was made, and those before are gone.
    shardings = state_shardings(all_parameters(config, mesh), optimizer)
    stays = jax.tree.map(lambda x, s: x.sharding.is_equivalent_to(s, x.ndim), states[-1], shardings)
    assert all(jax.tree.leaves(stays))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(states[:-1]))


def test_moments_are_sharded_like_their_parameters(config, optimizer, mesh):
    shardings = state_shardings(all_parameters(config, mesh), optimizer)
    adam = shardings.opt_state[1][0]
    assert adam.mu == adam.nu == shardings.params == param_shardings(config, mesh)
    assert adam.count.is_fully_replicated
    embedding = (
        abstract_state(all_parameters(config, mesh), optimizer).opt_state[1][0].mu["embedding"]
    )
    assert embedding.sharding.shard_shape(embedding.shape) == (VOCAB // 2, WIDTH // 2)


COLLECTIVE = re.compile(
    r"= (.*?) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\("
)


def collectives(program):
    """(kind, shape, line) of every array that a compiled program moves between devices."""
    for line in program.splitlines():
        if found := COLLECTIVE.search(line):
            for shape in re.findall(r"\w\[([\d,]*)\]", re.sub(r"/\*.*?\*/", "", found[1])):
                size = tuple(int(n) for n in shape.split(",") if n)
                yield found[2], size, line.strip()


def moves_rows(shape, device_rows):
    """Whether an array holds rows of several devices, as they are or with tokens flattened."""
    rows = {2 * device_rows, 4 * device_rows, ROWS}
    return bool(set(shape) & (rows | {n * t for n in rows for t in (LENGTH, LENGTH - 1)}))


def moves_logits(shape):
    is_embedding = len(shape) == 2 and set(shape) & {WIDTH, WIDTH // 2}
    return bool(set(shape) & {VOCAB, VOCAB // 2}) and not is_embedding


@pytest.fixture(scope="module")
def moved(config, mesh, optimizer, batch):
    """moved(mesh of the model, micro_batches) -> what the compiled update moves."""

    def compile(model_mesh, micro_batches):
        model = Transformer(config, model_mesh, remat=True)
        update = updater(config, mesh, optimizer, model, micro_batches)
        state = abstract_state(all_parameters(config, mesh), optimizer)
        return list(collectives(update.lower(state, put_batch(batch, mesh)).compile().as_text()))

    return compile


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_weights_and_own_rows_are_all_that_travels(mesh, moved, micro_batches):
    device_rows = ROWS // 4 // micro_batches
    arrays = moved(mesh, micro_batches)
    # Weights are gathered over fsdp before use, activations of own rows summed over tensor.
    seen = {(kind, shape) for kind, shape, _ in arrays}
    assert ("all-gather", (VOCAB // 2, WIDTH)) in seen
    assert ("all-reduce", (device_rows, LENGTH, WIDTH)) in seen
    for _, shape, line in arrays:
        assert not moves_rows(shape, device_rows), line
        assert not moves_logits(shape), line


def test_the_same_reading_finds_what_an_unpinned_model_moves(moved):
    shapes = [shape for _, shape, _ in moved(None, 1)]
    assert any(moves_rows(shape, ROWS // 4) for shape in shapes)
    assert any(moves_logits(shape) for shape in shapes)
