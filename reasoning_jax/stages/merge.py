"""Merges the parameters of a run with those that earlier stages have kept, or other models."""

import pathlib

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.models import load_model
from reasoning_jax.models.hf import read_config
from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.keep import kept_folder
from reasoning_jax.stages.stage import Stage

_KEEP = "reasoning_jax.stages.keep"


def default_config() -> ConfigDict:
    """The stage's block: the mean of what was kept and what there is."""
    block = ConfigDict()
    block.stage = "reasoning_jax.stages.merge"
    # (list of models) -> model; others: reasoning_jax.models.merge_methods
    block.method = named("reasoning_jax.models.merge_methods.linear")
    # Names of earlier ``keep`` stages, or model folders, in the order in which the method takes
    # them; the run's own parameters come last.
    block.models = ()
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against the run; raises ValueError or FileNotFoundError."""
    if context.lora is not None:
        raise ValueError("adapters are merged by launch.merge, laid over their models; drop lora")
    function(block.method, "method")
    if not block.models:
        raise ValueError("models is empty: name earlier keep stages, or model folders")
    for name in block.models:
        if _kept(context, name):
            continue
        if not (pathlib.Path(name) / "config.json").is_file():
            raise FileNotFoundError(
                f"models names {name!r}: no keep stage of this run and no model folder"
            )
        if read_config(pathlib.Path(name)) != context.model:
            raise ValueError(f"{name} is of another architecture than the model of this run")


def run(stage: Stage, params: dict) -> dict:
    """Returns the merged parameters."""
    context, block = stage.context, stage.config
    models = [
        load_model(
            kept_folder(context, name) if _kept(context, name) else name,
            context.mesh,
            jnp.float32,
        )[1]
        for name in block.models
    ]
    merged = jax.jit(
        lambda models: function(block.method, "method")(models),
        out_shardings=context.trainable.shardings,
    )([*models, params])
    stage.finish(0, merged)
    return merged


def _kept(context: Context, name: str) -> bool:
    config = context.config
    return name in config.stages and config[name].stage == _KEEP
