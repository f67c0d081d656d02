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

from reasoning_jax.models import ModelConfig, load_model
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
    folder: str | os.PathLike, mesh: Mesh, dtype: jnp.dtype = jnp.float32
) -> tuple[ModelConfig, dict, Tokenizer]:
    """Model and tokenizer of a model folder, or of the workdir of a finished run.

    Raises:
      FileNotFoundError: the folder holds neither.
    """
    model = model_folder(folder)
    config, params = load_model(model, mesh=mesh, dtype=dtype)
    return config, params, load_tokenizer(model)


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
