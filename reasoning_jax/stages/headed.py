"""A model with a linear head as something to train: what of it, where it begins, its folder.

The model is the run's; the head is trained whole, also where adapters are trained of the model.
"""

import dataclasses
import pathlib
from typing import Any

import jax
import jax.numpy as jnp

from reasoning_jax.models import load_reward_model, save_reward_model
from reasoning_jax.models.heads import init_head, zero_head
from reasoning_jax.models.hf import read_config
from reasoning_jax.parallel import is_main_process, put_replicated, replicated
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.keep import source_folder, was_kept
from reasoning_jax.training.trainable import Trainable


def with_head(context: Context, bias: bool) -> Trainable:
    """What is trained of a model with a head of one output: that of the policy, and the head."""
    shapes = {"kernel": (context.model.d_model, 1), **({"bias": (1,)} if bias else {})}
    of_model, whole = context.trainable, replicated(context.mesh)
    return Trainable(
        {
            "model": of_model.abstract,
            "head": {k: jax.ShapeDtypeStruct(s, jnp.float32) for k, s in shapes.items()},
        },
        {"model": of_model.shardings, "head": dict.fromkeys(shapes, whole)},
        context.mesh,
        assemble=lambda trained, frozen: {
            "model": of_model.assemble(trained["model"], frozen),
            "head": trained["head"],
        },
        assemble_update=lambda trained, frozen, step: {
            "model": of_model.assemble_update(trained["model"], frozen, step),
            "head": trained["head"],
        },
        merge=lambda trained, frozen: {
            "model": of_model.merge(trained["model"], frozen),
            "head": trained["head"],
        },
    )


def kept_or_zero_head(context: Context, name: str, policy: Any) -> dict:
    """A head with bias: that of a reward model, see ``source_folder``, or one that says 0."""
    if name:
        return from_reward_model(context, policy, name, bias=True)
    return _with(context, policy, zero_head(context.model.d_model))


def with_fresh_head(context: Context, policy: Any, seed: int) -> dict:
    """The policy's weights and a random head without bias."""
    return _with(context, policy, init_head(jax.random.key(seed), context.model.d_model))


def from_reward_model(context: Context, policy: Any, name: str, bias: bool) -> dict:
    """The weights of a reward model, see ``source_folder``.

    Args:
      policy: gives the head over the vocabulary, which a reward model has not.
      bias: whether the head is to have one; where the model has none it is 0.

    Raises:
      ValueError: the model has a bias that is not 0, and there is to be none.
    """
    folder = source_folder(context, name)
    _, decoder, head = load_reward_model(folder, context.mesh)
    head = {**zero_head(context.model.d_model), **jax.device_get(head)}
    if not bias and head.pop("bias").any():
        raise ValueError(f"{folder} has a bias in its head, and here there is none")
    return _with(context, {**policy, **decoder}, head)


def check_reward_model(context: Context, name: str) -> None:
    """ValueError or FileNotFoundError unless a stage keeps a reward model, or the folder is one."""
    if not was_kept(context, name):
        head = load_reward_model(name)[2]
        if head["kernel"].shape[1] != 1:
            raise ValueError(f"{name} has a head of {head['kernel'].shape[1]} outputs, wanted is 1")


def check_start(context: Context, name: str) -> None:
    """ValueError or FileNotFoundError unless a model of this run can begin as that one.

    The same sizes are asked for, but not a head over the vocabulary, which a reward model has not.
    """
    if context.lora is not None:
        raise ValueError(f"model {name!r} has weights of its own and no adapters; drop lora")
    if was_kept(context, name):
        return
    folder = pathlib.Path(name)
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"model {name!r}: no stage of this run that keeps one, no folder")
    ours, theirs = (
        dataclasses.replace(config, tie_embeddings=True)
        for config in (context.model, read_config(folder))
    )
    if ours != theirs:
        raise ValueError(f"{folder} is of another architecture than the model of this run")


def save_headed(context: Context, folder: pathlib.Path, merged: dict) -> None:
    """Writes model and head as a reward model's folder, with the run's tokenizer."""
    tokenizer = context.tokenizer
    if is_main_process():
        tokenizer.save(folder)
    head = jax.device_get(merged["head"])
    ids = {"eos_token_id": list(tokenizer.eos_ids), "pad_token_id": tokenizer.pad_id}
    save_reward_model(folder, context.model, merged["model"], head, token_ids=ids)


def _with(context: Context, policy: Any, head: dict) -> dict:
    return {"model": policy, "head": put_replicated(jax.device_get(head), context.mesh)}
