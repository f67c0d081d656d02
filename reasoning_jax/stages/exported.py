"""Taking up what a run left: its model, its tokenizer, its task."""

import json
import os
import pathlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from reasoning_jax.models import ModelConfig, load_model, load_peft, merge
from reasoning_jax.models.energy import is_energy_folder
from reasoning_jax.tasks import Task, load_task
from reasoning_jax.text import Tokenizer, load_tokenizer


def model_folder(folder: str | os.PathLike) -> pathlib.Path:
    """The folder itself, or the model folder in it where it is the workdir of a finished run.

    Raises:
      FileNotFoundError: it is the workdir of a run that has not finished.
    """
    folder = pathlib.Path(folder)
    finished = (folder / "model" / "config.json").exists()
    if (folder / "checkpoints").exists() and not finished:
        raise FileNotFoundError(
            f"{folder} holds a run that has not finished: the same launch.train command goes on "
            "with it and leaves the model in its folder model/"
        )
    return folder / "model" if finished else folder


def load_exported(
    folder: str | os.PathLike,
    mesh: Mesh | None = None,
    dtype: jnp.dtype | None = jnp.float32,
    adapter: str | os.PathLike = "",
) -> tuple[ModelConfig, dict, Tokenizer]:
    """What ``load_merged`` gives, and the tokenizer of the folder."""
    config, params = load_merged(folder, mesh, dtype, adapter)
    return config, params, load_tokenizer(model_folder(folder))


def load_merged(
    folder: str | os.PathLike,
    mesh: Mesh | None = None,
    dtype: jnp.dtype | None = jnp.float32,
    adapter: str | os.PathLike = "",
) -> tuple[ModelConfig, dict]:
    """Config and parameters of a model folder, or of the workdir of a finished run.

    Args:
      mesh, dtype: as in ``load_hf``.
      adapter: folder of a LoRA adapter in PEFT's format to merge into the parameters.

    Raises:
      FileNotFoundError: no such folder, or a run that has not finished.
      ValueError: it holds an energy model, which is no language model.
    """
    if is_energy_folder(model_folder(folder)):
        raise ValueError(
            f"{folder} holds an energy model, which this cannot use; launch.sample and "
            "launch.evaluate can, and config.model of a recipe with energy.landscapes"
        )
    config, params = load_model(model_folder(folder), mesh=mesh, dtype=dtype)
    if adapter:
        lora, adapters = load_peft(adapter, config, mesh)
        params = merge(params, adapters, lora.scale)
    return config, params


def saved_block(folder: str | os.PathLike, name: str, default: ConfigDict) -> dict[str, Any]:
    """A block of a run's config by its workdir; for any other folder, the default."""
    path = pathlib.Path(folder) / "config.json"
    saved = json.loads(path.read_text()) if path.exists() else {}
    # The config of a model has the same name.
    return default.to_dict() | (saved.get(name, {}) if "stages" in saved else {})


def task_of_run(
    workdir: str | None,
    name: str | None,
    data: str,
    config: ConfigDict | None,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Task:
    """The task asked for by name, else that of a config, else that of a workdir's run.

    Args:
      options: of the task, before those of the config or the run.

    Raises:
      ValueError: none of the three is given.
    """
    if name:
        return load_task(name, data, **options)
    if config is not None:
        return load_task(config.task, data or config.data, **{**config.task_options, **options})
    if workdir:
        saved = json.loads((pathlib.Path(workdir) / "config.json").read_text())
        return load_task(
            saved["task"], data or saved["data"], **{**saved["task_options"], **options}
        )
    raise ValueError("no task: give --task=NAME, or --workdir of a run that has one")
