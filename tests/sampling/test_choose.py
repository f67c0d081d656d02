"""The choice of a token, by inverting grids of uniform numbers against sorted NumPy references."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.sampling import choose

BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))
inverse_cdf = jax.jit(choose.inverse_cdf)
sample = jax.jit(choose.sample, static_argnames=("top_k", "top_p"))
pick = jax.jit(choose.choose, static_argnames="rule")


def wishes(rows, temperature=1.0, greedy=False, top_k=0, top_p=1.0) -> choose.Wishes:
    """The same or other wishes for each row."""
    values = ((temperature, np.float32), (greedy, bool), (top_k, np.int32), (top_p, np.float32))
    return choose.Wishes(*(jnp.asarray(np.broadcast_to(x, rows).astype(t)) for x, t in values))


def invert(weights, uniforms) -> np.ndarray:
    """inverse_cdf of one row of weights at many uniform numbers."""
    rows = jnp.broadcast_to(jnp.asarray(weights, jnp.float32), (len(uniforms), len(weights)))
    return np.asarray(inverse_cdf(rows, jnp.asarray(uniforms, jnp.float32)))


def support(logits, points: int = 4096, **options) -> set[int]:
    """The tokens that sample returns for a fine grid of uniform numbers."""
    rows = jnp.broadcast_to(jnp.asarray(logits, jnp.float32), (points, len(logits)))
    grid = (jnp.arange(points) + 0.5) / points
    return set(np.asarray(sample(rows, grid, **options)).tolist())


def softmax(logits) -> np.ndarray:
    exponents = np.exp(np.asarray(logits, np.float64) - np.max(logits))
    return exponents / exponents.sum()


def nucleus(probs, top_p: float) -> set[int]:
    """Sorted reference: the fewest tokens whose mass reaches top_p, and all ties of the last."""
    ordered = np.sort(probs)[::-1]
    last = ordered[np.searchsorted(np.cumsum(ordered), top_p)]
    return set(np.flatnonzero(probs >= last).tolist())


def test_greedy_takes_the_first_of_the_largest():
    logits = jnp.array([[0.0, 2.0, 1.0], [3.0, -jnp.inf, 3.0]])
    chosen = choose.greedy(logits)
    assert chosen.tolist() == [1, 0] and chosen.dtype == jnp.int32


def test_inverse_cdf_by_hand():
    # Cumulative 0, 1, 1, 4, 4 of a total of 4: [0, 1/4) is index 1 and [1/4, 1) is index 3.
    uniforms = [0.0, 0.2499, 0.25, 0.9, BELOW_ONE]
    assert invert([0, 1, 0, 3, 0], uniforms).tolist() == [1, 1, 3, 3, 3]


@pytest.mark.parametrize("size", [5, 256, 257, 5000])
def test_inverse_cdf_is_the_distribution(size):
    # A total below 2^15 times a fraction of 9 bits is exact in float32, so that the answers
    # must be equal.
    weights = np.random.default_rng(size).integers(0, 9, size)
    weights[[0, -1]] = 0
    points = 512
    grid = np.arange(points) / points
    expected = np.searchsorted(np.cumsum(weights), grid * weights.sum(), side="right")
    np.testing.assert_array_equal(invert(weights, grid), expected)


@pytest.mark.parametrize("size", [5, 200, 5000])
def test_inverse_cdf_never_returns_a_zero_weight(size):
    # Uniform numbers at, just below and just above every partial sum: where rounding bites.
    random = np.random.default_rng(0)
    for _ in range(3):
        weights = random.random(size) ** 8 * (random.random(size) < max(0.1, 2 / size))
        weights[random.integers(size)] = 1.0
        weights = (weights / weights.sum()).astype(np.float32)
        edges = np.unique(np.cumsum(weights))
        uniforms = np.concatenate(
            [[0, BELOW_ONE], edges, np.nextafter(edges, -1), np.nextafter(edges, 2)]
        )
        uniforms = np.clip(uniforms, 0, BELOW_ONE)
        assert (weights[invert(weights, uniforms)] > 0).all()


@pytest.mark.parametrize("size", [5, 5000])
@pytest.mark.parametrize("only", [0, -1])
def test_inverse_cdf_of_one_positive_weight(size, only):
    weights = np.zeros(size)
    weights[only] = 1e-6
    chosen = invert(weights, [0.0, 0.5, BELOW_ONE])
    assert chosen.tolist() == [only % size] * 3


@pytest.mark.parametrize("size, top_k", [(5, 2), (300, 7), (300, 1), (5, 9)])
def test_top_k_keeps_the_k_most_likely(size, top_k):
    logits = np.random.default_rng(top_k).normal(size=size)
    expected = set(np.argsort(logits)[::-1][:top_k].tolist())
    assert support(logits, top_k=top_k) == expected


def test_top_k_keeps_all_ties_of_the_last_and_no_padding():
    assert support([1.0, 3.0, 1.0, 0.0, 1.0], top_k=2) == {0, 1, 2, 4}
    assert support([1.0, -np.inf, 1.0, -np.inf], top_k=3) == {0, 2}


@pytest.mark.parametrize("top_p", [0.001, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("size", [6, 300])
def test_top_p_keeps_the_nucleus(size, top_p):
    logits = 3 * np.random.default_rng(size).normal(size=size)
    probs = jax.nn.softmax(jnp.asarray(logits)[None])
    kept = np.flatnonzero(probs >= choose.nucleus_threshold(probs, jnp.array([top_p])))
    assert set(kept.tolist()) == nucleus(softmax(logits), top_p)


def test_top_p_draws_the_nucleus():
    logits = np.log([0.05, 0.5, 0.15, 0.3])
    drawn = {p: support(logits, top_p=p) for p in (0.45, 0.55, 0.9, 0.96)}
    assert drawn == {0.45: {1}, 0.55: {1, 3}, 0.9: {1, 2, 3}, 0.96: {0, 1, 2, 3}}


def test_top_p_of_ties_and_of_one_that_dominates():
    # Probabilities .4 .2 .2 .2: half the mass needs one of three equal tokens, so all three.
    assert support(np.log([0.2, 0.4, 0.2, 0.2]), top_p=0.5) == {0, 1, 2, 3}
    assert support(np.zeros(4), top_p=0.1) == {0, 1, 2, 3}
    assert support(np.log([0.4, 0.4, 0.1, 0.1]), top_p=0.5) == {0, 1}
    assert support(np.log([0.01, 0.98, 0.01]), top_p=0.9) == {1}
    assert support(np.log([0.01, 0.98, 0.01]), top_p=0.98) == {1}
    assert support([0.0, 0.1, 0.0], top_p=1e-6) == {1}


def test_top_p_counts_the_mass_that_top_k_left():
    # .4 .3 .2 .1; top 3 leave 4/9, 3/9, 2/9: 0.75 is reached by two there, by three of all.
    logits = np.log([0.1, 0.4, 0.2, 0.3])
    assert support(logits, top_k=3, top_p=0.75) == {1, 3}
    assert support(logits, top_p=0.75) == {1, 2, 3}


@pytest.mark.parametrize("top_k", [1, 5, 40])
@pytest.mark.parametrize("top_p", [0.2, 0.8, 0.999])
def test_top_p_within_top_k_is_the_nucleus_of_what_is_left(top_k, top_p):
    logits = 2 * np.random.default_rng(top_k).normal(size=60)
    kept = np.argsort(logits)[::-1][:top_k]
    probs = np.zeros(60)
    probs[kept] = softmax(logits[kept])
    assert support(logits, top_k=top_k, top_p=top_p) == nucleus(probs, top_p)


def test_rows_of_one_batch_have_wishes_of_their_own():
    logits = np.random.default_rng(1).normal(size=50)
    points = 512
    options = {"top_k": [0, 3, 0, 4, 0], "top_p": [1.0, 1.0, 0.5, 0.6, 1.0]}
    greedy = [False] * 4 + [True]
    rows = jnp.asarray(np.tile(logits, (5 * points, 1)), jnp.float32)
    grid = jnp.tile((jnp.arange(points) + 0.5) / points, 5)
    mixed = choose.Rule(50, greedy=True, draws=True, best=4, nucleus=True)
    each = {name: np.repeat(value, points) for name, value in options.items()}
    tokens, _ = pick(
        rows, grid, wishes(5 * points, greedy=np.repeat(greedy, points), **each), rule=mixed
    )
    found = [set(row.tolist()) for row in np.asarray(tokens).reshape(5, points)]
    alone = [
        support(logits, points, top_k=k, top_p=p)
        for k, p in zip(options["top_k"], options["top_p"])
    ]
    assert found == [*alone[:4], {int(logits.argmax())}]


def test_log_probabilities_are_of_everything_at_the_temperature():
    logits = jnp.asarray(np.random.default_rng(2).normal(size=(4, 300)), jnp.float32)
    temperature = np.array([1.0, 0.5, 2.0, 1.0], np.float32)
    uniforms = jnp.array([0.1, 0.5, 0.9, 0.3])
    wanted = wishes(4, temperature=temperature, greedy=[False, False, False, True], top_k=5)
    both = choose.Rule(280, greedy=True, draws=True, best=8, nucleus=False)
    tokens, logprobs = pick(logits, uniforms, wanted, rule=both)
    expected = jax.nn.log_softmax(logits / temperature[:, None], axis=-1)
    np.testing.assert_allclose(logprobs, expected[np.arange(4), tokens], atol=1e-6)
    assert int(tokens[3]) == int(logits[3, :280].argmax()) and int(tokens.max()) < 280


def test_restriction_keeps_the_ratios_inside():
    # Of .4 .3 .2 .1 the top two are drawn 4 : 3.
    logits = jnp.log(jnp.array([0.1, 0.4, 0.2, 0.3]))
    points = 7000
    grid = (jnp.arange(points) + 0.5) / points
    drawn = sample(jnp.broadcast_to(logits, (points, 4)), grid, top_k=2)
    assert np.bincount(np.asarray(drawn), minlength=4).tolist() == [0, 4000, 0, 3000]


def test_draws_follow_the_softmax():
    probs = softmax(np.linspace(-1, 1.5, 10))
    draws = 20_000
    uniforms = jax.random.uniform(jax.random.key(3), (draws,))
    logits = jnp.broadcast_to(jnp.log(jnp.asarray(probs)), (draws, 10))
    counts = np.bincount(np.asarray(sample(logits, uniforms)), minlength=10)
    chi_square = ((counts - draws * probs) ** 2 / (draws * probs)).sum()
    assert chi_square < 27.9  # exceeded once in a thousand seeds at 9 degrees of freedom
