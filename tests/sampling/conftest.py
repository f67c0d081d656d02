"""One tiny decoder with peaked distributions, and a tokenizer smaller than its embedding."""

import jax
import pytest

from reasoning_jax.models import init_params, preset
from reasoning_jax.sampling import Sampler
from reasoning_jax.text.char import CharTokenizer

ALPHABET = "0123456789+-*= abcdefghij"  # 25 characters and 2 special ids of 32 rows


@pytest.fixture(scope="session")
def config():
    sizes = {"d_model": 32, "head_dim": 8, "n_kv_heads": 2, "d_ff": 48, "max_position": 64}
    return preset("nano", 32, sizes)


@pytest.fixture(scope="session")
def params(config):
    params = init_params(config, jax.random.key(0))
    # At the initial scale every distribution is nearly uniform; here some tokens are likelier.
    return params | {"embedding": 5 * params["embedding"]}


@pytest.fixture(scope="session")
def make_tokenizer():
    """make_tokenizer(eos_ids): a character tokenizer that ends at these ids."""

    def make(eos_ids=(1,)) -> CharTokenizer:
        tokenizer = CharTokenizer(ALPHABET)
        tokenizer.eos_ids = tuple(eos_ids)
        return tokenizer

    return make


@pytest.fixture(scope="session")
def sampler(config, params, make_tokenizer):
    return Sampler(config, params, make_tokenizer())
