"""RL on a model of nothing, one stage of a few steps."""

import json

import pytest

from configs.quickstart import get_config


@pytest.fixture
def tiny():
    """tiny(key=value, ...): a config of one stage ``rl`` of two steps, with these of its keys."""

    def make(**keys):
        config = get_config("small").unlock()
        config.stages = ("rl",)
        config.task = "coin_task:CoinChain"
        config.rl.prompts = 8
        config.rl.group_size = 4
        config.rl.steps = config.rl.evaluate_every = 2
        config.rl.max_tokens = 6
        config.rl.evaluation.problems = 8
        config.rl.evaluation.n = 2
        config.rl.evaluation.max_tokens = 6
        config.rl.guard.start = 0.0
        config.rl.guard.patience = 100
        for key, value in keys.items():
            *path, last = key.split("__")
            block = config.rl
            for name in path:
                block = block[name]
            block[last] = value
        return config

    return make


@pytest.fixture
def steps_of():
    """steps_of(workdir): the metrics of its steps, without what measures time."""

    def read(workdir):
        lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
        return [
            {
                name: value
                for name, value in line.items()
                if name != "time" and not name.startswith(("time/", "perf/"))
            }
            for line in lines
            if "rl/reward" in line
        ]

    return read
