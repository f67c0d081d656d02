import jax
import numpy as np

from reasoning_jax.models import Transformer, token_logprobs
from reasoning_jax.parallel import make_mesh
from reasoning_jax.serving import Scorer, top_logprobs


def test_rows_of_all_lengths_against_one_padded_forward(scorer, config, params):
    generator = np.random.default_rng(0)
    rows = [generator.integers(2, 27, size).tolist() for size in (1, 2, 3, 17, 40, 5, 60)]
    padded = np.array([row + [0] * (64 - len(row)) for row in rows])
    model = Transformer(config)
    expected = jax.jit(lambda x: token_logprobs(model, params, x).logprobs)(padded)
    whole = jax.nn.log_softmax(jax.jit(lambda x: model.apply({"params": params}, x))(padded))
    whole = np.asarray(whole)
    for i, (row, scores) in enumerate(zip(rows, scorer.score(rows, 5))):
        np.testing.assert_allclose(scores.logprobs, expected[i, : len(row)], atol=2e-6)
        assert scores.top_ids.shape == scores.top_logprobs.shape == (len(row), 5)
        for t in range(1, len(row)):
            best = np.argsort(-whole[i, t - 1, :27])[:5]
            assert scores.top_ids[t].tolist() == best.tolist()
            np.testing.assert_allclose(scores.top_logprobs[t], whole[i, t - 1, best], atol=2e-6)


def test_chunks_of_the_head_change_nothing(config, params):
    model = Transformer(config)
    tokens = np.random.default_rng(1).integers(2, 27, (2, 23))
    whole, small = (
        top_logprobs(model, params, tokens, vocab_size=27, top=2, chunk=chunk) for chunk in (64, 5)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), whole, small)


def test_a_mesh_of_eight_devices_gives_the_same(scorer, config, params):
    mesh = make_mesh()
    over_all = Scorer(Transformer(config, mesh=mesh), params, mesh, 27)
    rows = [[5, 6, 7], [8, 9]]
    for one, many in zip(scorer.score(rows, 1), over_all.score(rows, 1)):
        np.testing.assert_allclose(one.logprobs, many.logprobs, atol=2e-6)
