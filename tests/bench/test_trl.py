import dataclasses

import pytest

from reasoning_jax.bench.child import Unavailable
from reasoning_jax.bench.folders import model_folder
from reasoning_jax.bench.works import Work

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def contestant():
    pytest.importorskip("torch")
    pytest.importorskip("trl")
    pytest.importorskip("datasets")
    from reasoning_jax.bench.contestants import trl

    return trl


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = model_folder("tiny", tmp_path_factory.mktemp("models"))
    return Work("dpo", str(folder), rows=6, prompt=5, response=7)


def test_its_step_has_the_gradient_of_a_plain_one_and_goes_on(contestant, work):
    from reasoning_jax.bench.contestants import hf_transformers

    ours, about = contestant.prepare(work.to_json())
    plain, _ = hf_transformers.prepare(work.to_json())
    assert set(about["versions"]) == {"torch", "transformers", "trl"}
    first = ours()
    assert first.tokens == work.rows * (work.prompt + work.response)
    assert first.check == pytest.approx(plain().check, rel=1e-5)
    assert ours().tokens == first.tokens


def test_other_tasks_are_told(contestant, work):
    with pytest.raises(Unavailable, match="dpo alone, not in sft"):
        contestant.prepare(dataclasses.replace(work, task="sft").to_json())
