import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reasoning_jax.models import Transformer, init_params, preset
from reasoning_jax.models.heads import head_logits, init_head
from reasoning_jax.models.hf_reward import save_reward_model
from reasoning_jax.preference.pipeline import ScoreJudge
from reasoning_jax.stages.process_scores import load_process_scores
from reasoning_jax.tasks.modchain import ModChain
from reasoning_jax.text import CharTokenizer

TOKENIZER = CharTokenizer("0123456789+-*=,")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prm")
    config = preset("nano", TOKENIZER.vocab_size, {"max_position": 64})
    params = init_params(config, jax.random.key(0))
    head = init_head(jax.random.key(1), config.d_model)
    save_reward_model(folder, config, params, head)
    TOKENIZER.save(folder)
    return folder, config, params, head


def test_steps_are_scored_at_their_last_token(model):
    folder, config, params, head = model
    scores = load_process_scores(folder, ",")
    prompts, responses = ["1+2=", "7*3+5-1="], ["3", "1,6,5"]
    rows = scores(prompts, responses)
    assert [len(row) for row in rows] == [1, 3]
    for prompt, response, row in zip(prompts, responses, rows):
        ids = jnp.array([[*TOKENIZER.encode_prompt(prompt), *TOKENIZER.encode(response)]])
        hidden = Transformer(config).apply({"params": params}, ids, method="hidden")
        chances = jax.nn.sigmoid(head_logits(head, hidden)[0, :, 0])
        start = len(TOKENIZER.encode_prompt(prompt))
        # A step's separator belongs to it.
        ends = [start] if len(row) == 1 else [start + 1, start + 3, start + 4]
        np.testing.assert_allclose(row, chances[jnp.array(ends)], atol=1e-5)

    # As a judge: the first step below the threshold.
    problem = ModChain(length=3).problem("train", 0)
    low = min(rows[1])
    judge = ScoreJudge(lambda *_: rows[1:], threshold=low + 1e-4)
    assert judge.locate([problem], ["1,6,5"]) == [rows[1].index(low)]
    with pytest.raises(ValueError, match="exceed the context of 64"):
        scores(["1+2="], [",".join("1" * 40)])
