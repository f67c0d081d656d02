"""LoRA adapters in the layout of PEFT: adapter_config.json and adapter_model.safetensors."""

import json
import os
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax.sharding import Mesh, NamedSharding
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.hf import Leaf, check_params, hub_leaves
from reasoning_jax.models.lora import (
    LAYERS,
    LoraConfig,
    abstract_lora,
    alpha_over_rank,
    alpha_over_sqrt_rank,
    lora_shardings,
    projections,
    target_projections,
)
from reasoning_jax.models.stored import decoder_name, read_json
from reasoning_jax.parallel import is_main_process, to_host

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"

_PREFIX = "base_model.model."
_SIDES = {"lora_a": "lora_A", "lora_b": "lora_B"}
_USE_RSLORA = {alpha_over_rank: False, alpha_over_sqrt_rank: True}

_REQUIRED = ("peft_type", "r", "lora_alpha", "target_modules")
# What these may be. Other initialisations change the weights of the base too.
_SUPPORTED = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "init_lora_weights": (True, False, "gaussian", "eva", "orthogonal"),
}
_WITHOUT_EFFECT = (
    "auto_mapping",
    "base_model_name_or_path",
    "eva_config",
    "inference_mode",
    "layers_pattern",
    "lora_dropout",
    "megatron_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "task_type",
)


def load_peft(
    folder: str | os.PathLike, config: ModelConfig, mesh: Mesh | None = None
) -> tuple[LoraConfig, dict]:
    """Reads an adapter that PEFT or ``save_peft`` wrote, as float32.

    Args:
      config: of the base model.
      mesh: adapters are split over it by ``lora_shardings``; None for the default device.

    Raises:
      FileNotFoundError: no folder, config or weights.
      ValueError: an unsupported kind of adapter, named; a broken file; or tensors that do not
        fit the configs, all of them listed.
    """
    folder = pathlib.Path(folder)
    lora = read_lora(folder, config)
    leaves = _peft_leaves(config, lora)
    tensors = _read_tensors(folder / WEIGHTS)
    _check_tensors(folder, leaves, tensors)

    def read(leaf: Leaf, sharding: NamedSharding | None = None) -> jax.Array:
        host = np.empty(leaf.shape, np.float32)
        for name, index in leaf.slots.items():
            host[index] = leaf.from_hub(tensors[name])
        if sharding is None:
            return jnp.asarray(host)
        return jax.make_array_from_callback(host.shape, sharding, host.__getitem__)

    if mesh is None:
        return lora, jax.tree.map(read, leaves)
    return lora, jax.tree.map(read, leaves, lora_shardings(config, lora, mesh))


def read_lora(folder: str | os.PathLike, config: ModelConfig) -> LoraConfig:
    """What ``load_peft`` gives beside the adapters; reads no weights, but wants them there."""
    folder = pathlib.Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"no {name} in {folder}; give the folder of a LoRA adapter saved by PEFT with "
                "safe_serialization=True"
            )
    try:
        return _from_peft(read_json(folder / CONFIG), config)
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG}: {error}") from error


def save_peft(
    folder: str | os.PathLike,
    config: ModelConfig,
    lora: LoraConfig,
    adapters: dict,
    base_model: str | None = None,
) -> None:
    """Writes a folder that ``PeftModel.from_pretrained`` lays over the base model.

    Each file appears whole or not at all; other files of the folder are kept. With several
    processes all must call; the first one writes.

    Args:
      config: of the base model.
      base_model: its name or path, for the reader's information.

    Raises:
      ValueError: adapters do not fit the configs, or PEFT cannot express the scaling.
    """
    data = _to_peft(lora, config, base_model)
    leaves = _peft_leaves(config, lora)
    check_params(leaves, adapters)
    host = to_host(adapters)
    if not is_main_process():
        return
    tensors = {
        name: leaf.to_hub(value[index])
        for leaf, value in zip(jax.tree.leaves(leaves), jax.tree.leaves(host))
        for name, index in leaf.slots.items()
    }
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / WEIGHTS, save(tensors, metadata={"format": "pt"}))
    _replace(folder / CONFIG, (json.dumps(data, indent=2) + "\n").encode())


def _from_peft(data: Mapping[str, Any], config: ModelConfig) -> LoraConfig:
    def unsupported(key: str, value: Any) -> bool:
        if key in _SUPPORTED:
            return value not in _SUPPORTED[key]
        # A key that is off changes nothing, even one that is not known here.
        return key not in (*_REQUIRED, *_WITHOUT_EFFECT, "use_rslora") and bool(value)

    refused = [f"{key} {value!r}" for key, value in data.items() if unsupported(key, value)]
    if refused:
        raise ValueError(f"only plain LoRA is supported; unsupported: {', '.join(refused)}")
    missing = [key for key in _REQUIRED if data.get(key) is None]
    if missing:
        raise ValueError(f"lacks {', '.join(missing)}; save the adapter again with PEFT")
    scaling = alpha_over_sqrt_rank if data.get("use_rslora") else alpha_over_rank
    targets = _targets(data["target_modules"], config)
    return LoraConfig(data["r"], float(data["lora_alpha"]), targets, scaling)


def _targets(asked: str | list[str], config: ModelConfig) -> tuple[str, ...]:
    """Paths of the projections that PEFT's target_modules choose, in all layers.

    A string is a regular expression of whole names; a list holds names or their ends.
    """

    def chosen(name: str) -> bool:
        if isinstance(asked, str):
            return re.fullmatch(asked, name) is not None
        return any(f".{name}".endswith(f".{decoder_name(end)}") for end in asked)

    targets = []
    for path, kernel in _kernels(config).items():
        names = list(_modules(kernel))
        left_out = [name for name in names if not chosen(name)]
        if left_out and len(left_out) < len(names):
            raise ValueError(
                f"target_modules leave out {', '.join(left_out)}; adapters must be on all layers"
            )
        if not left_out:
            targets.append(path)
    if not targets:
        raise ValueError(f"target_modules {asked!r} match none of {', '.join(_kernels(config))}")
    return tuple(targets)


def _to_peft(lora: LoraConfig, config: ModelConfig, base_model: str | None) -> dict[str, Any]:
    if lora.scaling not in _USE_RSLORA:
        raise ValueError(
            f"PEFT cannot express the scaling {lora.scaling!r}; use alpha_over_rank with alpha "
            f"{lora.scale * lora.rank}, which gives the same scale"
        )
    kernels = _kernels(config)
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "inference_mode": True,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "use_rslora": _USE_RSLORA[lora.scaling],
        "lora_dropout": lora.dropout,
        "bias": "none",
        # The end of a module's name from its layer on: PEFT adapts every module that ends so.
        "target_modules": [
            next(_modules(kernels[path])).removeprefix("model.layers.0.")
            for path in target_projections(config, lora)
        ],
    }


def _kernels(config: ModelConfig) -> dict[str, Leaf]:
    """Path of each projection -> the Leaf of its kernel."""
    leaves = traverse_util.flatten_dict(hub_leaves(config), sep="/")
    return {path: leaves[f"{LAYERS}{path}/kernel"] for path in projections(config)}


def _modules(kernel: Leaf) -> Iterator[str]:
    """Hub names of the modules that hold a kernel, one per layer."""
    return (name.removesuffix(".weight") for name in kernel.slots)


def _peft_leaves(config: ModelConfig, lora: LoraConfig) -> dict:
    """The adapter tree with a Leaf for every array, named by PEFT after the kernel it adapts."""
    kernels = _kernels(config)

    def describe(key_path: tuple, adapter: jax.ShapeDtypeStruct) -> Leaf:
        *module, own = (key.key for key in key_path)
        kernel = kernels["/".join(module).removeprefix(LAYERS)]
        names = (f"{_PREFIX}{name}.{_SIDES[own]}.weight" for name in _modules(kernel))
        inputs = kernel.inputs if own == "lora_a" else 1
        return Leaf(adapter.shape, inputs, dict(zip(names, kernel.slots.values())))

    return jax.tree_util.tree_map_with_path(describe, abstract_lora(config, lora))


def _read_tensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The tensors of a file, without what a multimodal base puts before its text decoder."""
    try:
        stored = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is broken ({error}); download or save it again") from error
    return {
        _PREFIX + decoder_name(name.removeprefix(_PREFIX)): tensor
        for name, tensor in stored.items()
    }


def _check_tensors(folder: pathlib.Path, leaves: dict, tensors: Mapping[str, np.ndarray]) -> None:
    """Raises one ValueError with everything that is missing, unexpected or misshapen."""
    expected = {name: leaf.hub_shape for leaf in jax.tree.leaves(leaves) for name in leaf.slots}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    problems = [f"missing: {name} {expected[name]}" for name in expected if name not in found]
    problems += [f"unexpected: {name} {found[name]}" for name in found if name not in expected]
    problems += [
        f"wrong shape: {name} {found[name]}, expected {expected[name]}"
        for name in found
        if name in expected and found[name] != expected[name]
    ]
    if problems:
        listing = "\n  ".join(problems)
        raise ValueError(
            f"the adapter in {folder} does not fit its {CONFIG} and the base model:\n  {listing}"
        )


def _replace(path: pathlib.Path, data: bytes) -> None:
    fresh = path.with_name(f".{path.name}.new-{os.getpid()}")
    fresh.write_bytes(data)
    fresh.replace(path)
