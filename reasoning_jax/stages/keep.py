"""Keeps the parameters a run has here, as a model folder that later stages and others may take."""

import pathlib

from ml_collections import ConfigDict

from reasoning_jax.models import save_hf
from reasoning_jax.parallel import is_main_process
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.stage import Stage

KEPT = "kept"
# Stages that keep a model under their name, or under their name and a learner's.
KEEPERS = tuple(f"reasoning_jax.stages.{name}" for name in ("keep", "reward_model", "rl"))


def default_config() -> ConfigDict:
    """The stage's block; the folder is ``WORKDIR/kept/`` and the stage's name."""
    block = ConfigDict()
    block.stage = "reasoning_jax.stages.keep"
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Nothing of the block can be wrong."""


def run(stage: Stage, params: dict) -> dict:
    """Writes the folder; returns the parameters unchanged."""
    context = stage.context
    folder = kept_folder(context, stage.name)
    if is_main_process():
        context.tokenizer.save(folder)
    save_hf(folder, context.model, context.trainable.merge(params, context.frozen))
    stage.finish(0, params)
    return params


def kept_folder(context: Context, name: str) -> pathlib.Path:
    """Where the stage of that name keeps its parameters."""
    return pathlib.Path(context.workdir) / KEPT / name


def was_kept(context: Context, name: str) -> bool:
    """Whether a stage of the run keeps a model under that name, such as ``rm`` or ``rl.critic``."""
    config, stage = context.config, name.partition(".")[0]
    return "/" not in name and stage in config.stages and config[stage].stage in KEEPERS


def source_folder(context: Context, name: str) -> pathlib.Path:
    """The folder of what a stage of the run keeps under a name, else the folder of that name."""
    return kept_folder(context, name) if was_kept(context, name) else pathlib.Path(name)
