import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import init_params, load_hf, preset, save_hf
from reasoning_jax.models.merging import linear, slerp, ties


def tree(embedding, kernel):
    return {"embedding": jnp.array(embedding), "layers": {"kernel": jnp.array(kernel)}}


A = tree([1.0, 0.0], [[3.0, 4.0], [1.0, 1.0]])
B = tree([0.0, 2.0], [[-4.0, 3.0], [2.0, 2.0]])


def assert_tree(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, expected)


def test_linear_by_hand():
    # 3/4 A + 1/4 B
    assert_tree(linear([A, B], [3, 1]), tree([0.75, 0.5], [[1.25, 3.75], [1.25, 1.25]]))
    # 2 A - B: what B learnt from A, taken away from it
    assert_tree(linear([A, B], [2, -1]), tree([2.0, -2.0], [[10.0, 5.0], [0.0, 0.0]]))


def test_slerp_by_hand():
    """Right angles: the parts are sin 60° and sin 30° at a third; the last layer is parallel."""
    far, near = np.sin(np.pi / 3), np.sin(np.pi / 6)
    merged = slerp(A, B, 1 / 3)
    expected = tree(
        [far, 2 * near],
        [[3 * far - 4 * near, 4 * far + 3 * near], [4 / 3, 4 / 3]],
    )
    assert_tree(merged, expected)
    # Between equal lengths the length stays.
    assert float(jnp.linalg.norm(merged["layers"]["kernel"][0])) == pytest.approx(5, rel=1e-6)


def test_slerp_ends_at_its_ends_and_passes_zeros_and_opposites():
    assert_tree(slerp(A, B, 0), A)
    assert_tree(slerp(A, B, 1), B)
    zeros = jax.tree.map(jnp.zeros_like, A)
    assert_tree(slerp(A, zeros, 0.25), jax.tree.map(lambda x: 0.75 * x, A))
    assert_tree(slerp(A, jax.tree.map(lambda x: -x, A), 0.25), jax.tree.map(lambda x: 0.5 * x, A))


def test_ties_by_hand():
    """Six parameters, half of each task vector kept.

    First: (5, 0.1 | -3, 0.2, 0.1, 4) keeps 5, -3, 4; second: (1, -2 | 6, 0, -7, 0.1) keeps -2, 6,
    -7. Signs of the sums are + - | + · - +, so the -3 has no part.
    """
    base = tree([1.0, 1.0], [[0.0, 0.0], [0.0, 10.0]])
    first = tree([6.0, 1.1], [[-3.0, 0.2], [0.1, 14.0]])
    second = tree([2.0, -1.0], [[6.0, 0.0], [-7.0, 10.1]])
    merged = ties(base, [first, second], density=0.5)
    assert_tree(merged, tree([6.0, -1.0], [[6.0, 0.0], [-7.0, 14.0]]))
    halved = ties(base, [first, second], density=0.5, scale=0.5)
    assert_tree(halved, tree([3.5, 0.0], [[3.0, 0.0], [-3.5, 12.0]]))


def test_ties_means_those_that_agree():
    base = tree([0.0, 0.0], [[0.0, 0.0]])
    models = [tree([x, 1.0], [[1.0, x]]) for x in (3.0, 5.0, -2.0)]
    # 3 + 5 - 2 > 0: the mean of 3 and 5
    assert_tree(ties(base, models, density=1.0), tree([4.0, 1.0], [[1.0, 4.0]]))


def test_ties_of_one_model_in_full_is_that_model():
    assert_tree(ties(A, [B], density=1.0), B)


def test_dtypes_are_those_of_the_first():
    half = jax.tree.map(lambda x: x.astype(jnp.bfloat16), A)
    for merged in (linear([half, B], [1, 1]), slerp(half, B, 0.5), ties(half, [B], density=1.0)):
        assert {leaf.dtype for leaf in jax.tree.leaves(merged)} == {jnp.dtype("bfloat16")}


@pytest.mark.parametrize(
    "merge, fault",
    [
        (lambda: linear([], []), "no models to merge"),
        (lambda: linear([A, B], [1]), "give one each"),
        (lambda: linear([A, B], [1, -1]), "not summing to 0"),
        (lambda: slerp(A, B, 1.5), "t is 1.5"),
        (lambda: ties(A, []), "no models to merge into the base"),
        (lambda: ties(A, [B], density=0.0), r"density is 0\.0"),
        (
            lambda: linear([A, tree([1.0], [[3.0, 4.0], [1.0, 1.0]])], [1, 1]),
            r"model 1 has embedding of shape \(1,\), the first one of \(2,\)",
        ),
        (lambda: slerp(A, {"embedding": A["embedding"]}, 0.5), "layers/kernel of shape None"),
    ],
)
def test_what_cannot_be_merged(merge, fault):
    with pytest.raises(ValueError, match=fault):
        merge()


def test_a_merged_model_is_exported_like_any(tmp_path):
    config = preset("nano", 20)
    models = [init_params(config, jax.random.key(seed)) for seed in range(2)]
    merged = slerp(*models, 0.5)
    save_hf(tmp_path, config, merged)
    assert_tree(load_hf(tmp_path)[1], merged)
    # Each layer has an angle of its own, as if it were a tensor of its own.
    layer = [jax.tree.map(lambda x: x[1], model["layers"]) for model in models]
    assert_tree(slerp(*layer, 0.5), jax.tree.map(lambda x: x[1], merged["layers"]))
