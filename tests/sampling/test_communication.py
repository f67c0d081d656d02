"""What devices that share rows tell each other while they decode."""

import re

import jax

from reasoning_jax.models import init_params, param_shardings, preset
from reasoning_jax.parallel import make_mesh
from reasoning_jax.sampling import Sampler, SamplingParams, decode, slots

SIZES = {"d_model": 16, "head_dim": 8, "n_kv_heads": 2, "d_ff": 16, "max_position": 32}


def test_nothing_but_whether_all_rows_have_ended(make_tokenizer, monkeypatch):
    config = preset("nano", 512, SIZES | {"n_layers": 1})
    mesh = make_mesh(devices=jax.devices()[:2])
    params = jax.device_put(init_params(config, jax.random.key(0)), param_shardings(config, mesh))
    found, advance = [], decode.advance

    def recording(*args, **kwargs):
        found.append(advance.lower(*args, **kwargs).compile().as_text())
        return advance(*args, **kwargs)

    monkeypatch.setattr(decode, "advance", recording)
    monkeypatch.setattr(slots, "_SHARED", 4)
    # Rows that read their prompt together, and a nucleus.
    sampling = SamplingParams(max_tokens=2, n=4, top_p=0.9)
    Sampler(config, params, make_tokenizer(), mesh, max_rows=8).generate(["12345"] * 2, sampling)
    (program,) = found
    collectives = re.findall(r"= (\S+) (all-\w+|collective-\w+|reduce-scatter)\(", program)
    assert collectives == [("s32[]", "all-reduce")]
