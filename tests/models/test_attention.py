import dataclasses
import functools
import os
import subprocess
import sys

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import Transformer, init_params
from reasoning_jax.models.attention import IMPLEMENTATIONS, attention, folded
from reasoning_jax.models.attention.blockwise import blockwise_attention
from reasoning_jax.models.attention.splash import splash_attention
from reasoning_jax.models.attention.xla import xla_attention
from reasoning_jax.models.config import ModelConfig
from reasoning_jax.parallel.mesh import make_mesh

# Blocks of 4 in 13 tokens: three whole ones and a rest.
SMALL_BLOCKS = functools.partial(blockwise_attention, block=4)
PLAIN = ("xla", "blockwise", "folded")
SEGMENTS = np.array([[0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2], [1] * 9 + [2, 2, 0, 0]])
SCALE = 0.35
CASES = {
    "causal": {},
    "segments": {"segment_ids": SEGMENTS},
    "window": {"window": 3},
    "softcap": {"softcap": 0.8},
    "all": {"segment_ids": SEGMENTS, "window": 5, "softcap": 0.8},
}
MODEL = ModelConfig(
    vocab_size=16,
    d_model=16,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    head_dim=4,
    d_ff=24,
    sliding_window=3,
    sliding_layers=(True, False),
)


@pytest.fixture(params=CASES)
def case(request) -> dict:
    """Each combination of what masks and scores are made of."""
    return CASES[request.param]


@pytest.fixture
def small_blocks(monkeypatch):
    """Makes ``blockwise`` and ``folded`` cut short sequences too."""
    monkeypatch.setitem(IMPLEMENTATIONS, "blockwise", SMALL_BLOCKS)
    monkeypatch.setattr(folded, "SMALLEST_BLOCK", 4)


def qkv(length=13, n_heads=4, n_kv=2, head_dim=6, rows=2, dtype=jnp.float32):
    rng = np.random.default_rng(0)
    return tuple(
        jnp.asarray(rng.normal(size=(rows, length, n, head_dim)), dtype)
        for n in (n_heads, n_kv, n_kv)
    )


def one_by_one(q, k, v, segment_ids=None, window=None, softcap=None):
    """The definition in float64, one query and head at a time; padding queries give 0."""
    q, k, v = (np.asarray(x, np.float64) for x in (q, k, v))
    rows, length, n_heads, _ = q.shape
    segments = np.ones((rows, length)) if segment_ids is None else segment_ids
    out = np.zeros_like(q)
    for b, t, h in np.ndindex(rows, length, n_heads):
        if segments[b, t] == 0:
            continue
        first = 0 if window is None else max(0, t - window + 1)
        seen = [s for s in range(first, t + 1) if segments[b, s] == segments[b, t]]
        head = h // (n_heads // k.shape[2])
        scores = SCALE * k[b, seen, head] @ q[b, t, h]
        if softcap is not None:
            scores = softcap * np.tanh(scores / softcap)
        weights = np.exp(scores)
        out[b, t, h] = weights @ v[b, seen, head] / weights.sum()
    return out


def run(implementation, q, k, v, segment_ids=None, **options):
    segment_ids = None if segment_ids is None else jnp.asarray(segment_ids)
    return attention(q, k, v, segment_ids, scale=SCALE, implementation=implementation, **options)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("implementation", PLAIN)
def test_values_follow_the_definition(implementation, case):
    out = run(implementation, *qkv(), **case)
    np.testing.assert_allclose(out, one_by_one(*qkv(), **case), atol=1e-5)


@pytest.mark.parametrize("block", [1, 5, 13, 64])
def test_any_block_gives_the_same(block):
    out = blockwise_attention(*qkv(), scale=SCALE, block=block)
    np.testing.assert_allclose(out, xla_attention(*qkv(), scale=SCALE), atol=1e-5)


@pytest.mark.usefixtures("small_blocks")
def test_first_derivatives_of_folded(case):
    def gradient(implementation):
        def value(qkv):
            return jnp.sum(jnp.sin(2 * run(implementation, *qkv, **case)))

        return jax.jit(jax.grad(value))(qkv())

    jax.tree.map(
        functools.partial(np.testing.assert_allclose, atol=1e-5),
        gradient("folded"),
        gradient("xla"),
    )


def test_blocks_of_folded_leave_out_what_no_query_sees(monkeypatch):
    monkeypatch.setattr(folded, "SMALLEST_BLOCK", 4)
    # 13 tokens, three blocks of 4 and one of 1; with a window of 3 from two keys before a block.
    by_causality = folded._Mask(13, SCALE, None, None).blocks()
    assert [(q.start, q.stop, k.start, k.stop) for q, k in by_causality] == [
        (0, 4, 0, 4),
        (4, 8, 0, 8),
        (8, 12, 0, 12),
        (12, 13, 0, 13),
    ]
    by_window = folded._Mask(13, SCALE, None, 3).blocks()
    assert [(k.start, k.stop) for _, k in by_window] == [(0, 4), (2, 8), (6, 12), (10, 13)]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_folded_keeps_the_dtype_of_its_arguments(dtype):
    arguments = qkv(dtype=dtype)
    out, pull_back = jax.vjp(lambda *x: run("folded", *x), *arguments)
    assert [out.dtype, *(x.dtype for x in pull_back(out))] == [dtype] * 4
    exact = run("folded", *(x.astype(jnp.float32) for x in arguments))
    np.testing.assert_allclose(out.astype(jnp.float32), exact, atol=2e-2)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", ["causal", "all"])
def test_first_and_second_derivatives_are_equal(name):
    case = CASES[name]
    tangent = tuple(jnp.sin(3 * x) for x in qkv())

    def derivatives(implementation):
        def value(qkv):
            return jnp.sum(jnp.sin(2 * run(implementation, *qkv, **case)))

        def slope(qkv):
            return sum(jnp.vdot(g, t) for g, t in zip(jax.grad(value)(qkv), tangent))

        def all_of(qkv):
            forward_over_reverse = jax.jvp(jax.grad(value), (qkv,), (tangent,))[1]
            return jax.grad(value)(qkv), jax.grad(slope)(qkv), forward_over_reverse

        return jax.jit(all_of)(qkv())

    expected = derivatives("xla")
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, atol=1e-5),
        derivatives("blockwise"),
        expected,
    )
    # Reverse over reverse and forward over reverse are one Hessian.
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-5), *expected[1:])


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("implementation", PLAIN)
def test_nan_in_padding_changes_nothing(implementation):
    padding = jnp.asarray(SEGMENTS == 0)[:, :, None, None]

    def value(qkv):
        out = run(implementation, *qkv, **CASES["all"])
        return jnp.sum(jnp.sin(out), where=~padding), out

    clean = qkv()
    poisoned = tuple(jnp.where(padding, jnp.nan, x) for x in clean)
    both = jax.jit(jax.value_and_grad(value, has_aux=True))
    (_, out), gradient = both(poisoned)
    (_, clean_out), clean_gradient = both(clean)
    np.testing.assert_array_equal(out, clean_out)
    np.testing.assert_array_equal(np.where(padding, out, 0), 0)
    for got, expected in zip(gradient, clean_gradient):
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(np.where(padding, got, 0), 0)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("implementation", PLAIN)
def test_rows_of_padding_alone_are_zero_with_finite_derivatives(implementation):
    def value(qkv):
        return jnp.sum(jnp.cos(run(implementation, *qkv, jnp.zeros((2, 13), jnp.int32))))

    loss, gradient = jax.jit(jax.value_and_grad(value))(qkv())
    assert float(loss) == 2 * 13 * 4 * 6  # the cosine of 0 everywhere
    jax.tree.map(lambda x: np.testing.assert_array_equal(x, 0), gradient)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("implementation", PLAIN)
def test_a_scan_over_layers_chooses_the_window(implementation):
    def layer(_, slides):
        return None, run(implementation, *qkv(), window=3, slides=slides)

    _, outs = jax.lax.scan(layer, None, jnp.array([True, False]))
    np.testing.assert_allclose(outs[0], one_by_one(*qkv(), window=3), atol=1e-5)
    np.testing.assert_allclose(outs[1], one_by_one(*qkv()), atol=1e-5)


def lengths_of_scans(jaxpr) -> list[int]:
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "scan":
            found.append(equation.params["length"])
        else:
            for inner in jax.extend.core.jaxprs_in_params(equation.params):
                found += lengths_of_scans(inner)
    return found


@pytest.mark.parametrize(
    ("window", "key_blocks"),
    [
        (None, [1, 2, 3, 4]),
        (4, [1, 2, 2, 2]),  # the first query of a block sees the three keys before it
        (5, [1, 2, 2, 2]),
        (6, [1, 2, 3, 3]),  # query 8 sees keys 3 to 8
        (1, [1, 1, 1, 1]),
    ],
)
def test_invisible_blocks_are_not_computed(window, key_blocks):
    attend = functools.partial(SMALL_BLOCKS, scale=SCALE, window=window)
    assert lengths_of_scans(jax.make_jaxpr(attend)(*qkv(16)).jaxpr) == key_blocks


def test_blockwise_memory_is_far_below_dense_at_4096_tokens():
    shapes = tuple(jax.ShapeDtypeStruct((1, 4096, n, 32), jnp.float32) for n in (4, 2, 2))

    def compiled(implementation):
        def value(qkv):
            return jnp.sum(run(implementation, *qkv) ** 2)

        return jax.jit(jax.grad(value)).lower(shapes).compile()

    dense, blocks = compiled("xla"), compiled("blockwise")
    assert "4096,4096]" in dense.as_text() and "4096,4096]" not in blocks.as_text()
    # The dense scores alone are 4 x 4096 x 4096 x 4 bytes = 268 MB.
    assert dense.memory_analysis().temp_size_in_bytes > 2.6e8
    assert blocks.memory_analysis().temp_size_in_bytes < 1e8


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", ["llama3", "gemma2", "gemma3"])
def test_whole_models_give_the_same_logits(name, hub_model):
    config, params = hub_model(name)
    tokens = jnp.asarray(np.random.default_rng(0).integers(1, 32, (2, 13)))

    def logits(implementation, segment_ids):
        model = Transformer(config, attention=implementation)
        return jax.jit(model.apply)({"params": params}, tokens, segment_ids=segment_ids)

    for segment_ids in (None, jnp.asarray(SEGMENTS)):
        np.testing.assert_allclose(
            logits("blockwise", segment_ids), logits("xla", segment_ids), atol=2e-5
        )


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("implementation", ["blockwise", "folded"])
def test_a_mesh_changes_nothing(implementation):
    params = init_params(MODEL, jax.random.key(0))
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 16, (4, 13)))
    segment_ids = jnp.asarray(np.tile(SEGMENTS, (2, 1)))

    def gradient(mesh):
        model = Transformer(MODEL, mesh, attention=implementation)

        def value(params):
            return jnp.mean(model.apply({"params": params}, tokens, None, segment_ids) ** 2)

        return jax.jit(jax.grad(value))(params)

    jax.tree.map(
        functools.partial(np.testing.assert_allclose, atol=1e-5),
        gradient(make_mesh(2, 2, 2)),
        gradient(None),
    )


def test_auto_is_folded_on_cpus(monkeypatch):
    arguments = qkv()
    monkeypatch.setitem(IMPLEMENTATIONS, "folded", lambda q, *_, **options: q + 1)
    np.testing.assert_array_equal(run("auto", *arguments), arguments[0] + 1)


@pytest.mark.parametrize(
    ("dtype", "softcap", "expected"),
    [(jnp.bfloat16, None, "cudnn"), (jnp.float32, None, "xla"), (jnp.bfloat16, 30.0, "xla")],
)
def test_auto_on_gpus_is_cudnn_where_it_can(monkeypatch, dtype, softcap, expected):
    for module in ("reasoning_jax.models.attention", "reasoning_jax.models.attention.cudnn"):
        monkeypatch.setattr(sys.modules[module], "platform", lambda mesh: "gpu")
    monkeypatch.setitem(IMPLEMENTATIONS, expected, lambda q, *_, **options: q + 1)
    q, k, v = (jnp.ones((2, 5, heads, 8), dtype) for heads in (4, 2, 2))
    got = attention(q, k, v, scale=0.5, softcap=softcap, implementation="auto")
    np.testing.assert_array_equal(got, q + 1)


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(
        ValueError, match="'flash'; choose one of auto, xla, blockwise, folded, cudnn, splash"
    ):
        run("flash", *qkv())
    with pytest.raises(ValueError, match="'flash'"):
        Transformer(MODEL, attention="flash").init(jax.random.key(0), jnp.zeros((1, 2), int))


def test_cudnn_lists_all_it_cannot_do():
    with pytest.raises(ValueError) as error:
        run("cudnn", *qkv(), **CASES["all"])
    for reason in (
        "runs on gpu, not on cpu",
        "needs bfloat16 or float16, not float32",
        "no soft cap (attention_softcap = 0.8)",
        "head_dim 6 is not a multiple of 8",
        "length must be even, not 13",
        "take 'blockwise'",
    ):
        assert reason in str(error.value)


def test_splash_says_where_it_runs():
    with pytest.raises(
        ValueError, match="'splash' cannot be used here: it runs on tpu, not on cpu"
    ):
        run("splash", *qkv())
    with pytest.raises(ValueError, match="not on cpu"):
        run("splash", *qkv(), mesh=make_mesh())


@pytest.mark.parametrize("name", ["causal", "segments", "window"])
def test_cudnn_arguments_mean_the_same_to_jax(name, monkeypatch):
    original, names = jax.nn.dot_product_attention, []

    def dense(*arguments, implementation, **options):
        names.append(implementation)
        return original(*arguments, implementation="xla", **options)

    monkeypatch.setattr(jax.nn, "dot_product_attention", dense)
    monkeypatch.setattr("reasoning_jax.models.attention.cudnn.platform", lambda mesh: "gpu")
    case = CASES[name]
    if "segment_ids" in case:
        case = {"segment_ids": case["segment_ids"][:, :12], "window": 3}
    inputs = qkv(12, head_dim=8, dtype=jnp.bfloat16)
    for mesh in (None, make_mesh(2, 1, 4)):  # two key heads over four devices stay whole
        out = run("cudnn", *inputs, **case, mesh=mesh)
        assert out.dtype == jnp.bfloat16
        expected = one_by_one(*inputs, **case)
        np.testing.assert_allclose(out.astype(jnp.float32), expected, atol=3e-2)
    assert names == ["cudnn"] * 2


SPLASH = {
    "causal": {"softcap": 0.8},
    "segments": {"segment_ids": np.repeat([[1, 2, 2, 0]], 40, axis=1)},
    "window": {"window": 30},
}


@pytest.mark.parametrize("name", SPLASH)
def test_interpreted_splash_equals_xla(name, monkeypatch):
    monkeypatch.setitem(
        IMPLEMENTATIONS, "splash", functools.partial(splash_attention, interpret=True)
    )
    inputs = qkv(160, rows=1)  # padded to one block of 256

    def both(implementation):
        def value(qkv):
            out = run(implementation, *qkv, **SPLASH[name])
            return jnp.sum(jnp.sin(out)), out

        return jax.jit(jax.value_and_grad(value, has_aux=True))(inputs)

    jax.tree.map(
        functools.partial(np.testing.assert_allclose, atol=2e-5), both("splash")[1], both("xla")[1]
    )


def test_splash_over_a_mesh_equals_one_device():
    inputs = qkv(20, rows=4)
    segment_ids = jnp.asarray(np.tile(SEGMENTS, (2, 2))[:, :20])
    attend = functools.partial(splash_attention, scale=SCALE, interpret=True)
    expected = xla_attention(*inputs, segment_ids, scale=SCALE)
    for mesh in (make_mesh(2, 2, 2), make_mesh(2, 1, 4)):
        out = jax.jit(functools.partial(attend, mesh=mesh))(*inputs, segment_ids)
        np.testing.assert_allclose(out, expected, atol=1e-5)


def test_splash_lowers_for_a_tpu(monkeypatch):
    monkeypatch.setattr("reasoning_jax.models.attention.splash.platform", lambda mesh: "tpu")
    config = dataclasses.replace(MODEL, head_dim=64, attention_softcap=20.0)
    model = Transformer(config, attention="splash", dtype=jnp.bfloat16)
    params = init_params(config, jax.random.key(0))
    tokens = jnp.zeros((2, 1100), jnp.int32)

    def value(params):
        logits = model.apply({"params": params}, tokens, segment_ids=jnp.ones_like(tokens))
        return jnp.mean(logits)

    exported = jax.export.export(jax.jit(jax.grad(value)), platforms=["tpu"])(params)
    # Forward, and backward for queries and for keys; each with and without the window.
    assert exported.mlir_module().count("tpu_custom_call") >= 6


ON_DEVICE = """
import jax, jax.numpy as jnp, numpy as np
from reasoning_jax.models.attention import attention
if jax.default_backend() != "{platform}":
    print("absent")
    raise SystemExit
q, k, v = (jax.random.normal(jax.random.key(n), (2, 640, n, 64), jnp.bfloat16) for n in (4, 2, 2))
segments = jnp.asarray(np.repeat([[1, 2, 2, 0], [1, 1, 1, 1]], 160, axis=1))
for case in ({{}}, {{"window": 100}}, {{"segment_ids_BxT": segments, "window": 100}}):
    def value(implementation, qkv):
        out = attention(*qkv, **case, scale=0.125, implementation=implementation)
        return jnp.sum(jnp.sin(out.astype(jnp.float32))), out
    both = jax.jit(jax.value_and_grad(value, argnums=1, has_aux=True), static_argnums=0)
    pair = (jax.tree.leaves(both(name, (q, k, v))) for name in ("{name}", "xla"))
    for got, expected in zip(*pair):
        got, expected = (np.asarray(x, np.float32) for x in (got, expected))
        np.testing.assert_allclose(got, expected, atol=0.02 * np.abs(expected).max())
print("equal")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "platform"), [("cudnn", "gpu"), ("splash", "tpu")])
def test_the_kernel_equals_xla_on_its_device(name, platform):
    # A process of its own: this one was started on CPU devices.
    environment = {k: v for k, v in os.environ.items() if k not in ("JAX_PLATFORMS", "XLA_FLAGS")}
    result = subprocess.run(
        [sys.executable, "-c", ON_DEVICE.format(name=name, platform=platform)],
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    if "absent" in result.stdout:
        pytest.skip(f"no {platform}")
    assert "equal" in result.stdout
