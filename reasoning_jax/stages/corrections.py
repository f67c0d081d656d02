"""Measures how many of its own errors a policy corrects when it is asked to."""

from ml_collections import ConfigDict

from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.responses import build_source
from reasoning_jax.stages.stage import Stage


def default_config() -> ConfigDict:
    """The stage's block."""
    block = ConfigDict()
    block.stage = "reasoning_jax.stages.corrections"
    # makes errors and corrections; its keywords stand beside its name
    block.source = named(
        "reasoning_jax.stages.sources.corrections.CrossCorrections",
        split="test",
        problems=256,
        steps={"name": "reasoning_jax.tasks.templated.Tagged"},
    )
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against the task; raises ValueError."""
    build_source(block).validate(context)


def run(stage: Stage, params: dict) -> dict:
    """Logs ``eval/errors`` and ``eval/corrected``; returns the parameters unchanged."""
    context = stage.context
    found = build_source(stage.config).corrected(context, params, context.config.seed)
    context.log.log(stage.name, 0, {f"eval/{name}": value for name, value in found.items()})
    stage.finish(0, params)
    return params
