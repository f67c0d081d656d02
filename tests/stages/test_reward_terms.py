"""A weighted reward in a run: what it adds up to, its terms in the metrics, and at the door."""

import json

import pytest
from ml_collections import ConfigDict

from configs.quickstart import get_config
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.run import run


def tiny(**terms) -> ConfigDict:
    config = get_config("small").unlock()
    config.stages = ("rl",)
    config.rl.steps = config.rl.evaluate_every = 1
    config.rl.evaluation.problems = 8
    config.rl.guard.start = 0.0
    config.rl.reward = named("reasoning_jax.verify.rewards.weighted", terms=ConfigDict(terms))
    return config


def test_every_term_is_a_metric(tmp_path):
    config = tiny(
        outcome=named("reasoning_jax.verify.rewards.outcome", weight=2.0),
        form=named("reasoning_jax.verify.rewards.script_share", script="CJK", weight=0.5),
    )
    run(config, tmp_path)
    lines = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    (line,) = (line for line in lines if "rl/reward" in line)
    outcome, form = line["rl/reward/outcome"], line["rl/reward/form"]
    # The task's texts have no letters, which the share counts as 1.
    assert form == 1.0 and 0 <= outcome <= 1
    assert line["rl/reward"] == pytest.approx(2.0 * outcome + 0.5 * form, abs=1e-5)


def test_a_wrong_term_is_refused_at_the_door(tmp_path):
    config = tiny(form=named("reasoning_jax.verify.rewards.tags", weight="high"))
    with pytest.raises(ValueError, match=r"reward\.terms\.form\.weight is 'high'"):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
