"""Weights in our own layout, an orbax checkpoint: each process reads and writes its own shards."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from jax.sharding import Mesh, SingleDeviceSharding

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.hf import (
    CONFIG,
    check_params,
    hub_config,
    load_hf,
    read_config,
    write_json,
)
from reasoning_jax.models.parameters import abstract_params, param_shardings

PARAMS = "params"


def save_orbax(
    folder: str | os.PathLike,
    config: ModelConfig,
    params: dict,
    token_ids: Mapping[str, Any] | None = None,
) -> None:
    """Writes ``params/`` and the config.json that ``save_hf`` would write beside its files.

    With several processes all must call, on a file system they share. The config comes last, so
    a folder with one is complete.

    Args:
      token_ids: the special ids of the tokenizer, for config.json.

    Raises:
      ValueError: the folder holds ``params/`` already, or the config cannot be expressed.
    """
    folder = pathlib.Path(folder).absolute()
    data = hub_config(config, jax.tree.leaves(params)[0].dtype, token_ids)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder / PARAMS, params)
    if jax.process_index() == 0:
        write_json(folder / CONFIG, data)


def load_orbax(
    folder: str | os.PathLike, mesh: Mesh | None = None, dtype: jnp.dtype | None = jnp.float32
) -> tuple[ModelConfig, dict]:
    """Reads what ``save_orbax`` wrote; arguments as those of ``load_hf``.

    Raises:
      FileNotFoundError: no folder or no config.
      ValueError: the parameters are damaged or do not fit the config.
    """
    folder = pathlib.Path(folder).absolute()
    config = read_config(folder)
    shapes = abstract_params(config)
    if mesh is None:
        device = SingleDeviceSharding(jax.devices()[0])
        shardings = jax.tree.map(lambda _: device, shapes)
    else:
        shardings = param_shardings(config, mesh)
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            stored = checkpointer.metadata(folder / PARAMS).item_metadata.tree
            check_params(shapes, stored)
            abstract = jax.tree.map(
                lambda leaf, sharding, disk: jax.ShapeDtypeStruct(
                    leaf.shape, dtype or disk.dtype, sharding=sharding
                ),
                shapes,
                shardings,
                stored,
            )
            return config, checkpointer.restore(folder / PARAMS, abstract)
    except Exception as error:  # orbax and what it stands on raise of every kind
        detail = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ValueError(
            f"{folder / PARAMS} cannot be read ({detail}); it is damaged or does not fit {CONFIG} "
            "beside it: convert the model again"
        ) from error


def is_orbax(folder: str | os.PathLike) -> bool:
    """Whether a model folder holds our layout rather than Hugging Face's."""
    return (pathlib.Path(folder) / PARAMS).is_dir()


def load_model(
    folder: str | os.PathLike, mesh: Mesh | None = None, dtype: jnp.dtype | None = jnp.float32
) -> tuple[ModelConfig, dict]:
    """Config and parameters of a model folder in either layout; see ``load_hf``."""
    load = load_orbax if is_orbax(folder) else load_hf
    return load(folder, mesh, dtype)
