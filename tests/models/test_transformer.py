import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import (
    Transformer,
    abstract_params,
    init_params,
    param_shardings,
    preset,
    token_logprobs,
    transformer,
)
from reasoning_jax.models.config import MixtureOfExperts, ModelConfig
from reasoning_jax.models.transformer import (
    decode_step,
    positions_of,
    prefill,
    suited_unroll,
    unstack_layers,
)
from reasoning_jax.parallel.mesh import make_mesh

TOKENS = [1, 5, 9, 2, 30, 7, 4, 11, 8]

SMALL = ModelConfig(
    vocab_size=16,
    d_model=16,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    head_dim=4,
    d_ff=24,
    tie_embeddings=False,
    qkv_bias=True,
    sliding_window=3,
    sliding_layers=(True, False),
)
SMALL_MOE = dataclasses.replace(SMALL, moe=MixtureOfExperts(4, 2, 12, True, shared_d_ff=8))


@pytest.fixture(scope="module")
def whole(hub_model):
    """whole(family) -> logits [9, V] of TOKENS alone in a row, without segments."""

    @functools.cache
    def run(family):
        config, params = hub_model(family)
        return jax.jit(Transformer(config).apply)({"params": params}, jnp.array([TOKENS]))[0]

    return run


def test_prefill_and_decode_equal_the_full_forward_with_left_padding(family, hub_model, whole):
    config, params = hub_model(family)
    model = Transformer(config)
    # Row 0 is a prompt of six tokens behind two padding columns, row 1 of five behind three.
    lengths = np.array([6, 5])
    start, columns = 8, np.arange(11)
    padding = start - lengths[:, None]
    prompts = np.array([[9, 9, *TOKENS[:6]], [3, 3, 3, *TOKENS[:5]]])
    segment_ids = jnp.asarray(columns[:start] >= padding, jnp.int32)
    caches, logits = jax.jit(prefill, static_argnums=(0, 4))(
        model, params, jnp.asarray(prompts), segment_ids, len(columns)
    )
    layers = unstack_layers(params, config.n_layers)
    step = jax.jit(decode_step, static_argnums=0)
    got = [logits]
    for column in columns[start:]:
        positions = lengths + column - start
        visible = (columns >= padding) & (columns <= column)
        tokens = jnp.asarray(np.array(TOKENS)[positions])
        caches, logits = step(
            model, params, layers, caches, tokens, jnp.asarray(positions), column, visible
        )
        got.append(logits)
    got = np.stack(got, axis=1)
    np.testing.assert_allclose(got[0], whole(family)[5:9], atol=1e-5)
    np.testing.assert_allclose(got[1], whole(family)[4:8], atol=1e-5)


def test_packed_and_padded_rows_equal_a_row_alone(family, hub_model, whole):
    config, params = hub_model(family)
    length = len(TOKENS)
    rows = [
        (TOKENS + TOKENS + [0, 0], [1] * length + [2] * length + [0, 0]),
        (TOKENS + TOKENS + [31, 13], [1] * length + [2] * length + [0, 0]),
        ([0] * 11 + TOKENS, [0] * 11 + [1] * length),
        ([*TOKENS, 3, 1, 2, 3, 1, 2, 4, 9, 9, 8, 5], [1] * length + [0] * 11),
    ]
    tokens, segments = (jnp.array(part) for part in zip(*rows))
    logits = jax.jit(Transformer(config).apply)({"params": params}, tokens, segment_ids=segments)
    for row, begin in ((0, 0), (0, length), (2, 11), (3, 0)):
        got = logits[row, begin : begin + length]
        np.testing.assert_allclose(got, whole(family), atol=1e-5, err_msg=f"row {row}")
    # What padding holds does not matter.
    np.testing.assert_allclose(logits[0, : 2 * length], logits[1, : 2 * length], atol=1e-6)
    assert np.isfinite(logits).all()


def test_positions_restart_in_every_segment():
    segments = jnp.array([[1, 1, 1, 2, 2, 0], [0, 0, 1, 1, 1, 1]])
    expected = [[0, 1, 2, 0, 1, 0], [0, 1, 0, 1, 2, 3]]
    np.testing.assert_array_equal(positions_of(jnp.zeros((2, 6)), segments), expected)
    np.testing.assert_array_equal(positions_of(jnp.zeros((1, 3)), None), [[0, 1, 2]])


def test_the_future_and_what_left_the_window_do_not_matter():
    config = dataclasses.replace(SMALL, n_layers=1, sliding_layers=(True,))
    params = random_params(config, 0)
    rows = np.tile([1, 2, 3, 4, 5, 6], (7, 1))
    rows[np.arange(6), np.arange(6)] = 9  # row i changes token i, the last row none
    logits = np.asarray(jax.jit(Transformer(config).apply)({"params": params}, rows))
    differs = np.abs(logits[:6] - logits[6]).max(axis=-1) > 1e-6
    # One layer of window 3: position t reads the tokens t - 2, t - 1 and t.
    expected = [[changed <= t < changed + 3 for t in range(6)] for changed in range(6)]
    np.testing.assert_array_equal(differs, expected)


def random_params(config, seed):
    """Normal numbers of deviation 0.3 in every parameter; made without compiling anything."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda p: jnp.asarray(0.3 * rng.normal(size=p.shape), jnp.float32), abstract_params(config)
    )


def loss_and_gradient(model, params, tokens):
    def loss(params):
        logprobs, entropy, _ = token_logprobs(model, params, tokens)
        return jnp.mean(logprobs) + 0.1 * jnp.mean(entropy)

    return jax.jit(jax.value_and_grad(loss))(params)


@pytest.fixture(scope="module")
def batch():
    return jnp.asarray(np.random.default_rng(1).integers(0, 16, (4, 8)))


@pytest.fixture(scope="module", params=[SMALL, SMALL_MOE], ids=["dense", "experts"])
def reference(request, batch):
    """(config, params, loss, gradient) on one device."""
    params = random_params(request.param, 0)
    return request.param, params, *loss_and_gradient(Transformer(request.param), params, batch)


def assert_close(a, b, atol=1e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=atol), a, b)


def test_remat_changes_nothing(reference, batch):
    config, params, loss, gradient = reference
    again, again_gradient = loss_and_gradient(Transformer(config, remat=True), params, batch)
    assert again == pytest.approx(float(loss), abs=1e-6)
    assert_close(again_gradient, gradient)


@pytest.mark.parametrize("sizes", [(2, 2, 2, 1), (1, 2, 2, 2), (1, 1, 1, 8)], ids=str)
def test_a_mesh_changes_nothing(reference, batch, sizes):
    config, params, loss, gradient = reference
    mesh = make_mesh(*sizes)
    sharded = jax.device_put(params, param_shardings(config, mesh))
    model = Transformer(config, mesh)
    logits = jax.jit(model.apply)({"params": sharded}, batch)
    np.testing.assert_allclose(
        logits, Transformer(config).apply({"params": params}, batch), atol=1e-5
    )
    sharded_loss, sharded_gradient = loss_and_gradient(model, sharded, batch)
    assert float(sharded_loss) == pytest.approx(float(loss), abs=1e-6)
    assert_close(sharded_gradient, gradient)


def test_initial_parameters_do_not_depend_on_the_mesh():
    mesh = make_mesh(2, 2, 2)
    single = init_params(SMALL, jax.random.key(0))
    split = init_params(SMALL, jax.random.key(0), mesh)
    assert jax.tree.map(lambda x: x.sharding, split) == param_shardings(SMALL, mesh)
    assert_close(split, single, atol=1e-6)


def test_the_gradient_is_a_finite_difference(batch):
    # Every expert is chosen: a change of routing would be a jump, and no slope.
    moe = dataclasses.replace(SMALL_MOE.moe, top_k=4)
    config = dataclasses.replace(SMALL_MOE, moe=moe)
    params, direction = random_params(config, 0), random_params(config, 1)
    _, gradient = loss_and_gradient(Transformer(config), params, batch)
    slope = sum(
        np.vdot(g, d) for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction))
    )

    @jax.jit
    def loss(params):
        logprobs, entropy, _ = token_logprobs(Transformer(config), params, batch)
        return jnp.mean(logprobs) + 0.1 * jnp.mean(entropy)

    size = 1e-3

    def moved(by):
        return loss(jax.tree.map(lambda p, d: p + by * d, params, direction))

    difference = float(moved(size) - moved(-size)) / (2 * size)
    assert difference == pytest.approx(float(slope), rel=1e-2)


@pytest.mark.parametrize("segmented", [False, True])
def test_no_sine_is_worked_out_where_positions_are_counted(batch, segmented):
    config = SMALL
    segment_ids = jnp.ones_like(batch) if segmented else None

    def program(longest):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transformer, "LONGEST_CONSTANT", longest)
            run = Transformer(config, unroll=config.n_layers).apply
            params = abstract_params(config)
            lowered = jax.jit(lambda p: run({"params": p}, batch, None, segment_ids)).lower(params)
            return lowered, str(lowered.as_text())

    (by_table, text), (worked_out, longer) = program(8192), program(1)
    assert "sine" not in text and "sine" in longer
    params = init_params(config, jax.random.key(0))
    np.testing.assert_allclose(by_table.compile()(params), worked_out.compile()(params), atol=1e-5)


@pytest.mark.parametrize(
    ("where", "layers", "expected"), [("gpu", 3, 3), ("gpu", 80, 32), ("cpu", 3, 1)]
)
def test_layers_leave_the_loop_on_gpus(monkeypatch, where, layers, expected):
    monkeypatch.setattr(transformer, "platform", lambda mesh: where)
    config = preset("nano", vocab_size=16, overrides={"n_layers": layers})
    assert suited_unroll(config, None) == expected
