"""Energy models in folders: the decoder as Hugging Face has it, beside it what makes energies."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from safetensors.numpy import load_file, save_file

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.energy.parameters import energy_param_shardings
from reasoning_jax.models.hf import load_hf, save_hf
from reasoning_jax.parallel import is_main_process, to_host

# In a folder beside config.json and the tensors of the decoder.
SETTINGS, TENSORS = "energy.json", "energy.safetensors"


def is_energy_folder(folder: str | os.PathLike) -> bool:
    """Whether a model folder holds an energy model."""
    return (pathlib.Path(folder) / SETTINGS).is_file()


def save_energy(
    folder: str | os.PathLike,
    config: ModelConfig,
    params: dict,
    settings: Mapping[str, Any],
    token_ids: Mapping[str, Any] | None = None,
) -> None:
    """Writes decoder, energy head, embeddings, step size and ``settings`` (JSON) of thinking."""
    folder = pathlib.Path(folder)
    save_hf(folder, config, params["decoder"], token_ids=token_ids)
    tensors = to_host(_flat(params))
    if is_main_process():
        save_file(tensors, folder / TENSORS)
        (folder / SETTINGS).write_text(json.dumps(dict(settings), indent=2) + "\n")


def load_energy(
    folder: str | os.PathLike, mesh: Mesh | None = None
) -> tuple[ModelConfig, dict, dict[str, Any]]:
    """Config of the decoder, float32 parameters as ``init_energy_params``, settings.

    Raises:
      FileNotFoundError: the folder holds no energy model.
      ValueError: a tensor is missing or has another shape than the config says.
    """
    folder = pathlib.Path(folder)
    if not is_energy_folder(folder):
        raise FileNotFoundError(f"{folder} has no {SETTINGS}: it holds no energy model")
    config, decoder = load_hf(folder, mesh=mesh, dtype=jnp.float32)
    settings = json.loads((folder / SETTINGS).read_text())
    tensors = load_file(folder / TENSORS)
    v, m = config.vocab_size, config.d_model
    shapes = {"candidate_embedding": (v, m), "head": (m, 1), "step_size": ()}
    for name, shape in shapes.items():
        if name not in tensors or tensors[name].shape != shape:
            found = tensors[name].shape if name in tensors else "missing"
            raise ValueError(f"{folder / TENSORS}: {name} is {found}, config.json says {shape}")
    beside = {
        "candidate_embedding": tensors["candidate_embedding"],
        "landscape_embedding": tensors["landscape_embedding"],
        "head": {"kernel": tensors["head"]},
        "step_size": np.float32(tensors["step_size"]),
    }
    if mesh is None:
        return config, {"decoder": decoder, **jax.tree.map(jnp.asarray, beside)}, settings
    shardings = energy_param_shardings(config, len(beside["landscape_embedding"]), mesh)
    placed = jax.tree.map(
        lambda x, sharding: jax.make_array_from_callback(x.shape, sharding, lambda i: x[i]),
        beside,
        {name: shardings[name] for name in beside},
    )
    return config, {"decoder": decoder, **placed}, settings


def _flat(params: dict) -> dict[str, jax.Array]:
    flat = {name: params[name] for name in ("candidate_embedding", "landscape_embedding")}
    return {**flat, "head": params["head"]["kernel"], "step_size": params["step_size"]}
