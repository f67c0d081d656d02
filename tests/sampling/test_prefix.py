"""Kept states against rows read again from the start."""

import dataclasses

import jax
import numpy as np
import pytest

from reasoning_jax.models import init_params, param_shardings, preset
from reasoning_jax.parallel import make_mesh
from reasoning_jax.sampling import Row, Sampler, SamplingParams

SIZES = {"d_model": 32, "head_dim": 8, "n_kv_heads": 2, "d_ff": 48, "max_position": 64}
WINDOW = {"sliding_window": 6, "sliding_layers": (True, False), "n_layers": 2}
PROMPTS = ["1+2=", "7", "abcabc*9"]
STEP = SamplingParams(seed=4, stop=("3", "b", "+"))


@pytest.fixture(scope="module", params=["one device", "two devices"])
def sampler(request, make_tokenizer):
    config = preset("nano", 32, SIZES | WINDOW)
    params = init_params(config, jax.random.key(2))
    params = params | {"embedding": 4 * params["embedding"]}
    mesh = None
    if request.param == "two devices":
        mesh = make_mesh(devices=jax.devices()[:2])
        params = jax.device_put(params, param_shardings(config, mesh))
    return Sampler(config, params, make_tokenizer(), mesh, max_rows=8)


def equal(out, again):
    assert (out.tokens, out.text) == (again.tokens, again.text)
    np.testing.assert_allclose(out.logprobs, again.logprobs, atol=1e-5)


def test_a_search_forks_and_reads_results(sampler):
    prefixes = sampler.read(PROMPTS)
    # Two samples of each prompt, up to a stop.
    rows = [
        Row(prefix.tokens, i, sample, 0, 20, prefix)
        for i, prefix in enumerate(prefixes)
        for sample in range(2)
    ]
    grown = sampler.grow(rows, STEP, of=8)
    again = sampler.extend([dataclasses.replace(row, prefix=None) for row in rows], STEP, of=8)
    for (out, prefix), row, other in zip(grown, rows, again):
        equal(out, other)
        assert prefix.tokens == (*row.tokens, *out.tokens)
    assert len({len(out.tokens) for out, _ in grown}) > 2  # they stopped at different times

    # The second and the fifth go on, three times each, some after tokens from elsewhere.
    forks = []
    for i in (1, 4, 5):
        prefix = grown[i][1]
        for sample, more in enumerate([(), (5,), (6, 7, 8, 9, 2)]):
            forks.append(Row((*prefix.tokens, *more), i, sample, 3, 12, prefix))
    outs = sampler.grow(forks, STEP, of=8)
    again = sampler.extend([dataclasses.replace(row, prefix=None) for row in forks], STEP, of=8)
    for (out, _), other in zip(outs, again):
        equal(out, other)
    assert len({out.tokens for out, _ in outs}) > 5

    # A prefix may be used again after other rows have grown from it.
    equal(sampler.extend(forks[:1], STEP, of=8)[0], outs[0][0])


def test_prefixes_that_do_not_belong_to_a_row_are_refused(sampler):
    (prefix,) = sampler.read(["12"])
    with pytest.raises(ValueError, match="row 0 does not begin with the 2 tokens of its prefix"):
        sampler.extend([Row((9, 9, 9), 0, 0, 0, 4, prefix)], STEP, of=1)
    other = sampler.with_params(sampler.params)
    with pytest.raises(ValueError, match="row 0 was made with other parameters"):
        other.extend([Row(prefix.tokens, 0, 0, 0, 4, prefix)], STEP, of=1)
    with pytest.raises(ValueError, match="limit of row 0 is 0"):
        sampler.grow([Row((3,), 0, 0, 0, 0)], STEP, of=1)
