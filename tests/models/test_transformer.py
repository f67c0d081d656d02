import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import Transformer, init_params, param_shardings, token_logprobs
from reasoning_jax.models.config import MixtureOfExperts, ModelConfig
from reasoning_jax.models.transformer import decode_step, positions_of, prefill, unstack_layers
from reasoning_jax.parallel.mesh import make_mesh

PROMPT = [1, 5, 9, 2, 30, 7]
TAIL = [4, 11, 8]

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


def test_prefill_and_decode_equal_the_full_forward_with_left_padding(family, hub_model, forward):
    config, params = hub_model(family)
    model = Transformer(config)
    whole = forward(config, params, [PROMPT + TAIL])[0]

    # Row 0 is the prompt behind two padding columns, row 1 its last five tokens behind three.
    tokens = np.array([[9, 9, *PROMPT], [3, 3, 3, *PROMPT[1:]]])
    lengths = np.array([6, 5])
    short = forward(config, params, [PROMPT[1:] + TAIL])[0]
    columns = np.arange(8 + len(TAIL))
    padding = 8 - lengths[:, None]
    with jax.disable_jit():
        caches, logits = prefill(
            model,
            params,
            jnp.asarray(tokens),
            jnp.asarray(columns[:8] >= padding, jnp.int32),
            columns=len(columns),
        )
        layers = unstack_layers(params, config.n_layers)
        got = [logits]
        for step, token in enumerate(TAIL):
            column = 8 + step
            caches, logits = decode_step(
                model,
                params,
                layers,
                caches,
                jnp.full(2, token),
                jnp.asarray(lengths + step),
                column,
                jnp.asarray((columns >= padding) & (columns <= column)),
            )
            got.append(logits)
    got = np.stack(got, axis=1)
    np.testing.assert_allclose(got[0], whole[5:], atol=1e-5)
    np.testing.assert_allclose(got[1], short[4:], atol=1e-5)


def test_packed_and_padded_rows_equal_separate_rows(family, hub_model, forward):
    config, params = hub_model(family)
    first, second = PROMPT, [7, *TAIL]
    rows = [
        ([*first, *second, 0, 0], [1] * 6 + [2] * 4 + [0] * 2),
        ([*first, *second, 31, 13], [1] * 6 + [2] * 4 + [0] * 2),
        ([0] * 6 + first, [0] * 6 + [1] * 6),
        ([*first, 3, 1, 2, 3, 1, 2], [1] * 6 + [0] * 6),
    ]
    tokens, segments = (np.array(part) for part in zip(*rows))
    packed = forward(config, params, tokens, segment_ids=jnp.asarray(segments))
    alone = forward(config, params, [first])[0]
    np.testing.assert_allclose(packed[0, :6], alone, atol=1e-5)
    np.testing.assert_allclose(packed[0, 6:10], forward(config, params, [second])[0], atol=1e-5)
    np.testing.assert_array_equal(packed[0, :10], packed[1, :10])  # padding tokens do not matter
    np.testing.assert_allclose(packed[2, 6:], alone, atol=1e-5)
    np.testing.assert_allclose(packed[3, :6], alone, atol=1e-5)
    assert np.isfinite(packed).all()


def test_positions_restart_in_every_segment():
    segments = jnp.array([[1, 1, 1, 2, 2, 0], [0, 0, 1, 1, 1, 1]])
    expected = [[0, 1, 2, 0, 1, 0], [0, 1, 0, 1, 2, 3]]
    np.testing.assert_array_equal(positions_of(jnp.zeros((2, 6)), segments), expected)
    np.testing.assert_array_equal(positions_of(jnp.zeros((1, 3)), None), [[0, 1, 2]])


def test_the_future_and_what_left_the_window_do_not_matter(forward):
    config = dataclasses.replace(SMALL, n_layers=1, sliding_layers=(True,))
    params = init_params(config, jax.random.key(0))
    tokens = np.array([[1, 2, 3, 4, 5, 6]])
    logits = forward(config, params, tokens)
    for changed in range(6):
        other = tokens.copy()
        other[0, changed] = 9
        differs = np.abs(forward(config, params, other) - logits).max(axis=-1)[0] > 1e-6
        # One layer of window 3: position t reads the tokens t - 2, t - 1 and t.
        np.testing.assert_array_equal(differs, [changed <= t < changed + 3 for t in range(6)])


def loss_and_gradient(model, params, tokens):
    def loss(params):
        logprobs, entropy = token_logprobs(model, params, tokens)
        return jnp.mean(logprobs) + 0.1 * jnp.mean(entropy)

    return jax.jit(jax.value_and_grad(loss))(params)


@pytest.fixture(scope="module")
def batch():
    return jax.random.randint(jax.random.key(1), (4, 8), 0, 16)


@pytest.fixture(scope="module", params=[SMALL, SMALL_MOE], ids=["dense", "experts"])
def reference(request, batch):
    """(config, params, loss, gradient) on one device."""
    params = init_params(request.param, jax.random.key(0))
    return request.param, params, *loss_and_gradient(Transformer(request.param), params, batch)


def assert_close(a, b, atol=1e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=atol), a, b)


def test_remat_changes_nothing(reference, batch):
    config, params, loss, gradient = reference
    again, again_gradient = loss_and_gradient(Transformer(config, remat=True), params, batch)
    assert again == pytest.approx(float(loss), abs=1e-6)
    assert_close(again_gradient, gradient)


def test_a_mesh_changes_nothing(reference, batch):
    config, params, loss, gradient = reference
    mesh = make_mesh(2, 2, 2)
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


def test_the_gradient_is_a_finite_difference(reference, batch):
    config, params, _, gradient = reference
    direction = jax.tree.map(lambda p: jax.random.normal(jax.random.key(p.size), p.shape), params)
    slope = sum(jax.tree.leaves(jax.tree.map(lambda g, d: np.vdot(g, d), gradient, direction)))

    with jax.enable_x64(True):
        to_float64 = lambda tree: jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), tree)  # noqa: E731
        wide, step = to_float64(params), to_float64(direction)
        model = Transformer(config, dtype=jnp.float64)

        @jax.jit
        def loss(size):
            moved = jax.tree.map(lambda p, d: p + size * d, wide, step)
            logprobs, entropy = token_logprobs(model, moved, batch)
            return jnp.mean(logprobs) + 0.1 * jnp.mean(entropy)

        size = 1e-3
        difference = (float(loss(size)) - float(loss(-size))) / (2 * size)
    assert difference == pytest.approx(float(slope), rel=2e-2, abs=1e-3)
