import sys

import pytest

from reasoning_jax.bench.rows import OURS
from reasoning_jax.bench.settings import Settings, interpreters, model_options


def test_interpreters_of_all_peers_and_of_one(tmp_path):
    assert interpreters(["/a"]) == dict.fromkeys(("transformers", "trl", "tunix"), "/a")
    pythons = interpreters(["tunix=/b", "/a"])
    assert pythons == {"transformers": "/a", "trl": "/a", "tunix": "/b"}
    settings = Settings("tiny", tmp_path, pythons=pythons)
    assert settings.contestant("tunix").python == "/b" and not settings.contestant("tunix").ours
    assert settings.contestant(OURS).python == sys.executable and settings.contestant(OURS).ours
    with pytest.raises(ValueError, match="no peer 'torch'; one of transformers, trl, tunix"):
        interpreters(["torch=/a"])


def test_options_of_the_model():
    found = model_options(["attention=blockwise", "remat=full"])
    assert found == {"attention": "blockwise", "remat": "full"}
    with pytest.raises(ValueError, match="--option=depth=3: give attention=NAME or remat=NAME"):
        model_options(["depth=3"])


def test_cases_are_those_named_or_all(tmp_path):
    assert Settings("tiny", tmp_path).wants("sft")
    assert not Settings("tiny", tmp_path, cases=("dpo",)).wants("sft")
