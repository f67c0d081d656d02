import jax
import jax.numpy as jnp
import pytest

from reasoning_jax.models import Transformer, abstract_params, preset
from reasoning_jax.models.remat import POLICIES, remat_policy


@pytest.mark.parametrize(
    "given, policy",
    [("none", None), (None, None), (False, None), ("False", None), (True, "full"), ("True", "full")]
    + [(name, name) for name in POLICIES],
)
def test_names_and_older_spellings(given, policy):
    assert remat_policy(given) == policy


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'dot'; choose one of none, dots, projections, full"):
        remat_policy("dot")
    with pytest.raises(ValueError, match="'dot'"):
        Transformer(preset("nano", 8), remat="dot").init(jax.random.key(0), jnp.zeros((1, 2), int))


@pytest.mark.parametrize("unroll", [1, 4])
def test_each_policy_keeps_less_than_the_one_before(unroll):
    config = preset("nano", 16, {"n_layers": 4})
    params, tokens = abstract_params(config), jax.ShapeDtypeStruct((8, 64), jnp.int32)

    def temporary(remat):
        model = Transformer(config, remat=remat, unroll=unroll)

        def loss(params, tokens):
            hidden = model.apply({"params": params}, tokens, method="hidden")
            return jnp.sum(hidden**2)

        compiled = jax.jit(jax.grad(loss)).lower(params, tokens).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    sizes = [temporary(name) for name in ("none", "dots", "projections", "full")]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.6 * sizes[0]
