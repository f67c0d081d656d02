"""The energy model of a run, as its config names it."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.models import LoraConfig, ModelConfig, Transformer, load_model
from reasoning_jax.models.energy import (
    SETTINGS,
    EnergyModel,
    Thinking,
    energy_param_shardings,
    init_energy_params,
    is_energy_folder,
    load_energy,
)
from reasoning_jax.sampling import EnergySampler
from reasoning_jax.text import Tokenizer
from reasoning_jax.training.trainable import Trainable

# What a run with an energy model may do.
STAGES = tuple(
    f"reasoning_jax.stages.{name}"
    for name in (
        "energy.pretrain",
        "energy.rank",
        "energy.verify",
        "energy.thinking_study",
        "evaluate",
    )
)


def energy_block() -> ConfigDict:
    """An energy model over the layers of the decoder; at its defaults there is none."""
    block = ConfigDict()
    block.landscapes = 0  # steps of thinking that are told apart; 0 is a plain transformer
    block.attention = "xla"  # of candidates; or blockwise, for long rows
    # how they are told apart: by what is added to candidates, or by a time_token before all others
    # as in the paper, which computes the context anew at every thought and cannot sample
    block.conditioning = "candidate"
    # the step size training begins with: 5 to 20 at 100 ids, about 500 at 50,000
    block.step_size = 5.0
    # what sampling does: thoughts, deviation of the logits they begin with, and among how many
    # candidates it takes that of least energy
    block.steps = 2
    block.init_scale = 0.1
    block.candidates = 1
    # what it begins with: noise or Draft; every token or the Likeliest of the draft; steps as
    # learned or WithinCurvature
    block.start = ConfigDict({"name": "reasoning_jax.models.energy.Noise"})
    block.support = ConfigDict({"name": "reasoning_jax.models.energy.Vocabulary"})
    block.size_rule = ConfigDict({"name": "reasoning_jax.models.energy.Learned"})
    return block


def build_energy(block: ConfigDict, decoder: Transformer) -> EnergyModel | None:
    """The energy model that an ``energy_block`` describes, or None; ValueError if it cannot be."""
    if not block.landscapes:
        return None
    try:
        model = EnergyModel(decoder, block.attention, block.landscapes, block.conditioning)
        energy_thinking(block)
    except ValueError as error:
        raise ValueError(f"config.energy: {error}") from error
    if block.candidates < 1:
        raise ValueError(f"config.energy.candidates is {block.candidates}; it is at least 1")
    return model


def energy_thinking(block: Mapping[str, Any]) -> Thinking:
    """How the run's sampler thinks; keys that a model saved before lacks are at their defaults."""
    rules = {
        name: function(block[name], name)()
        for name in ("start", "support", "size_rule")
        if name in block
    }
    return Thinking(steps=block["steps"], init_scale=block["init_scale"], **rules)


def check_energy(config: ConfigDict, model: EnergyModel | None) -> None:
    """ValueError unless the run's model is what its folder, if any, holds, and can do its part."""
    if model is not None and config.tools.use:
        raise ValueError(
            f"config.tools.use is {tuple(config.tools.use)}, but the sampler of an energy model "
            "calls none; leave it empty"
        )
    for name in config.stages if model is not None else ():
        samples = config[name].stage.endswith((".evaluate", ".energy.verify", ".energy.rank"))
        if samples and model.conditioning != "candidate":
            raise ValueError(
                f"config.{name} samples, which takes config.energy.conditioning candidate, not "
                f"{model.conditioning}"
            )
        if config[name].stage not in STAGES:
            raise ValueError(
                f"config.{name}.stage is {config[name].stage}, which takes a plain transformer, "
                f"and energy.landscapes is {model.landscapes}; stages of an energy model are "
                f"{', '.join(STAGES)}"
            )
    folder = pathlib.Path(config.model)
    if not is_energy_folder(folder):
        return
    settings = json.loads((folder / SETTINGS).read_text())
    for key, saved in (
        ("landscapes", settings["landscapes"]),
        ("conditioning", settings.get("conditioning", "candidate")),
    ):
        found = config.energy[key]
        if saved != found:
            raise ValueError(
                f"{folder} holds an energy model of {key} {saved!r} and config.energy.{key} is "
                f"{found!r}; set it to {saved!r}"
            )


def first_energy_params(config: ConfigDict, model: ModelConfig, mesh: Mesh) -> dict:
    """The parameters a run begins with: those of its folder, what it lacks fresh."""
    if is_energy_folder(config.model):
        return load_energy(config.model, mesh)[1]
    block = config.energy
    params = init_energy_params(
        model,
        jax.random.key(config.seed),
        landscapes=block.landscapes,
        step_size=block.step_size,
        conditioning=block.conditioning,
        mesh=mesh,
    )
    if (pathlib.Path(config.model) / "config.json").is_file():
        params["decoder"] = load_model(config.model, mesh, jnp.float32)[1]
    return params


def energy_sampler(
    config: ConfigDict, model: EnergyModel, params: dict, tokenizer: Tokenizer, mesh: Mesh
) -> EnergySampler:
    """A sampler that thinks as ``config.energy`` says."""
    block = config.energy
    return EnergySampler(
        model,
        params,
        tokenizer,
        energy_thinking(block),
        block.candidates,
        mesh,
        config.sampler_rows,
    )


def saved_energy_sampler(
    folder: str | os.PathLike, tokenizer: Tokenizer, mesh: Mesh, dtype: jnp.dtype
) -> EnergySampler:
    """A sampler of a saved energy model, which thinks as the run that left it did."""
    config, params, settings = load_energy(folder, mesh)
    decoder = Transformer(config, mesh, dtype)
    model = EnergyModel(
        decoder,
        settings["attention"],
        settings["landscapes"],
        settings.get("conditioning", "candidate"),
    )
    thinking = energy_thinking(settings)
    return EnergySampler(model, params, tokenizer, thinking, settings["candidates"], mesh)


def all_of_energy(
    block: ConfigDict, config: ModelConfig, mesh: Mesh, lora: LoraConfig | None
) -> Trainable:
    """Every parameter of an energy model is trained; ValueError for adapters."""
    if lora is not None:
        raise ValueError(
            f"config.lora.rank is {lora.rank}, but an energy model trains all of its parameters; "
            "leave it at 0"
        )
    abstract = jax.eval_shape(
        lambda: init_energy_params(config, jax.random.key(0), landscapes=block.landscapes)
    )

    def whole(trained: dict, frozen: Any) -> dict:
        return trained

    return Trainable(
        abstract,
        energy_param_shardings(config, block.landscapes, mesh),
        mesh,
        assemble=whole,
        assemble_update=lambda trained, frozen, step: trained,
        merge=whole,
    )


def energy_settings(block: ConfigDict) -> dict[str, Any]:
    """What a saved energy model must remember, as JSON."""
    known = {name: block[name] for name in energy_block()}
    return ConfigDict(known).to_dict()
