"""A looped decoder is the plain one where it passes its layers once, a deeper one where twice."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from reasoning_jax.models import ModelConfig, Transformer, init_params, token_logprobs
from reasoning_jax.models.looped import looped_logprobs

CONFIG = ModelConfig(
    vocab_size=11, d_model=16, n_layers=2, n_heads=2, n_kv_heads=2, head_dim=8, d_ff=16
)


def test_passes_are_layers_again():
    params = init_params(CONFIG, jax.random.key(0))
    params["embedding"] = 20 * params["embedding"]
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 11, (2, 6)))
    segments = jnp.asarray([[1, 1, 1, 2, 2, 2], [1, 1, 1, 1, 0, 0]])
    positions = jnp.asarray([[0, 1, 2, 0, 1, 2], [0, 1, 2, 3, 0, 0]])
    twice = dataclasses.replace(CONFIG, n_layers=4)
    doubled = jax.tree.map(lambda p: jnp.concatenate([p, p]), params["layers"])
    for loops, config, tree in ((1, CONFIG, params), (2, twice, params | {"layers": doubled})):
        where = {"positions": positions, "segment_ids": segments}
        found = looped_logprobs(Transformer(CONFIG), params, tokens, loops=loops, **where)
        expected = token_logprobs(Transformer(config), tree, tokens, **where).logprobs
        np.testing.assert_allclose(found[segments > 0], expected[segments > 0], atol=1e-5)
