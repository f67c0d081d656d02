"""Whole steps of the RL stage, as `launch.train` runs them, one at a time."""

import json
import pathlib
import statistics
from collections.abc import Callable

from ml_collections import ConfigDict

from configs import quickstart
from reasoning_jax.bench import works
from reasoning_jax.bench.child import Done
from reasoning_jax.bench.contestants.updates import unrolled
from reasoning_jax.bench.turnstile import TURNSTILE
from reasoning_jax.bench.works import Work
from reasoning_jax.models.hf import read_config
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.recipe import add_stage, recipe
from reasoning_jax.stages.run import run as run_stages

_NEVER = 1 << 30
_TIMES = ("time/sample", "time/update")  # that of verification holds the wait for a turn


def build_rl_step(work: Work) -> Callable[[], Done]:
    """A function that lets a run go on by one step; a process holds one such run.

    ``work.options``: ``workdir``, an empty folder; ``variant`` of the recipe ``quickstart``, which
    then runs after ``warm_up_steps``, or absent for prompts of one length and the model of
    ``work.folder``.
    """
    workdir = pathlib.Path(work.options["workdir"])
    config = _quickstart(work) if "variant" in work.options else _fixed(work)
    TURNSTILE.start(lambda: run_stages(config, workdir))

    def run() -> Done:
        for _ in range(work.rounds):
            TURNSTILE.step()
        lines = (workdir / "metrics.jsonl").read_text().splitlines()[-work.rounds :]
        steps = [json.loads(line) for line in lines]
        times = {n.removeprefix("time/"): statistics.mean(s[n] for s in steps) for n in _TIMES}
        return Done(work.rows * work.response * work.rounds, extra=times)

    return run


def _fixed(work: Work) -> ConfigDict:
    config = recipe("benchmark")
    config.model = work.folder
    config.dtype = work.dtype
    config.task = "reasoning_jax.bench.fixed_task:FixedPrompts"
    model = read_config(pathlib.Path(work.folder))
    config.task_options.length = work.prompt
    config.task_options.vocab_size = model.vocab_size
    config.unroll = unrolled(model)
    for name in ("attention", "remat"):
        config[name] = work.options.get(name, config[name])
    config.sampler_rows = work.rows
    block = add_stage(config, "rl", "reasoning_jax.stages.rl")
    block.prompts = work.rows // work.group
    block.group_size = work.group
    block.max_tokens = work.response
    block.temperature = work.temperature
    block.kl_coef = works.KL_COEF
    block.micro_batches = work.options["micro_batches"]
    block.reward = named("reasoning_jax.bench.fixed_task.reward_even", each=work.rows)
    block.optimizer.schedule.peak = works.LEARNING_RATE
    block.evaluation.problems = 1
    block.evaluation.n = 1
    block.evaluation.max_tokens = 1
    _without_end(block)
    return config


def _quickstart(work: Work) -> ConfigDict:
    """The recipe with a warm-up that teaches the form of an answer, and no evaluations."""
    config = quickstart.get_config(work.options["variant"])
    with config.unlocked():
        config.stages = ("sft", "rl")
    config.sft.steps = work.options["warm_up_steps"]
    config.sft.evaluate_every = 0
    config.sft.gate.metric = ""
    block = config.rl
    block.prompts = work.rows // work.group
    block.reward.name = "reasoning_jax.bench.fixed_task.reward_outcome"
    with block.reward.unlocked():
        block.reward.each = work.rows
    block.evaluation.problems = 8
    block.guard.start = 0.0
    _without_end(block)
    return config


def _without_end(block: ConfigDict) -> None:
    block.steps = block.evaluate_every = _NEVER
