"""Weights in the Hugging Face layout: a folder of safetensors in, a folder of safetensors out."""

import collections
import contextlib
import dataclasses
import itertools
import json
import math
import os
import pathlib
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from safetensors.numpy import save_file

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.hf_config import config_from_hf, config_to_hf
from reasoning_jax.models.parameters import abstract_params, param_shardings
from reasoning_jax.models.stored import (
    FLOATS,
    INDEX,
    SINGLE,
    StoredTensor,
    read_json,
    stored_tensors,
)

CONFIG = "config.json"
GENERATION = "generation_config.json"
TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")

# A module of our tree -> its module on the hub, and the number of input axes of its kernel
# [*inputs, *outputs], stored there as [outputs, inputs]; None where both layouts are the same.
_MODULES: dict[str, tuple[str, int | None]] = {
    "embedding": ("model.embed_tokens", None),
    "final_norm": ("model.norm", None),
    "head": ("lm_head", 1),
    "attention/q": ("self_attn.q_proj", 1),
    "attention/k": ("self_attn.k_proj", 1),
    "attention/v": ("self_attn.v_proj", 1),
    "attention/o": ("self_attn.o_proj", 2),
    "attention/q_norm": ("self_attn.q_norm", None),
    "attention/k_norm": ("self_attn.k_norm", None),
    "attention_norm": ("input_layernorm", None),
    "attention_post_norm": ("post_attention_layernorm", None),
    "mlp_norm": ("pre_feedforward_layernorm", None),
    "mlp_post_norm": ("post_feedforward_layernorm", None),
    "mlp/gate": ("mlp.gate_proj", 1),
    "mlp/up": ("mlp.up_proj", 1),
    "mlp/down": ("mlp.down_proj", 1),
    "moe/router": ("mlp.gate", 1),
    "moe/gate": ("mlp.experts.{expert}.gate_proj", 1),
    "moe/up": ("mlp.experts.{expert}.up_proj", 1),
    "moe/down": ("mlp.experts.{expert}.down_proj", 1),
    "moe/shared/gate": ("mlp.shared_expert.gate_proj", 1),
    "moe/shared/up": ("mlp.shared_expert.up_proj", 1),
    "moe/shared/down": ("mlp.shared_expert.down_proj", 1),
    "moe/shared_gate": ("mlp.shared_expert_gate", 1),
}
# Pre-norm families keep the name of the norm after attention for the one before the MLP.
_PRE_NORM_MODULES = _MODULES | {"mlp_norm": ("post_attention_layernorm", None)}
_LAYERS = "layers/block/"
_NAMED = 10  # tensors that a warning names

_BUFFERS = re.compile(r"rotary_emb\.inv_freq$|^(model\.)?(vision_tower|multi_modal_projector)\.")


@dataclasses.dataclass(frozen=True)
class Leaf:
    """One parameter of our tree and the hub tensors it is stacked from.

    Attributes:
      shape: of the parameter, leading axes over layers and experts included.
      inputs: input axes of the kernel; 0 for a bias; None where both layouts are the same.
      slots: hub name -> index into the leading axes.
    """

    shape: tuple[int, ...]
    inputs: int | None
    slots: Mapping[str, tuple[int, ...]]

    @property
    def slot_shape(self) -> tuple[int, ...]:
        """Shape of one slot in our layout."""
        return self.shape[len(next(iter(self.slots.values()))) :]

    @property
    def hub_shape(self) -> tuple[int, ...]:
        """Shape of one slot on the hub."""
        if self.inputs is None:
            return self.slot_shape
        inputs, outputs = self.slot_shape[: self.inputs], self.slot_shape[self.inputs :]
        return (math.prod(outputs), *([math.prod(inputs)] if inputs else []))

    def to_hub(self, slot: np.ndarray) -> np.ndarray:
        """A slot in the layout of the hub, contiguous."""
        if self.inputs is not None:
            slot = slot.reshape(self.hub_shape[::-1]).T
        return np.ascontiguousarray(slot)

    def from_hub(self, tensor: np.ndarray) -> np.ndarray:
        """The inverse of ``to_hub``."""
        return tensor if self.inputs is None else tensor.T.reshape(self.slot_shape)


def hub_leaves(config: ModelConfig) -> dict:
    """The parameter tree with a Leaf for every parameter: the one map between the layouts."""
    modules = _PRE_NORM_MODULES if config.norm_placement == "pre" else _MODULES

    def describe(key_path: tuple, parameter: jax.ShapeDtypeStruct) -> Leaf:
        path = "/".join(key.key for key in key_path)
        module, kind = path.removeprefix(_LAYERS), "weight"
        if module not in modules:
            module, _, own = module.rpartition("/")
            kind = "bias" if own == "bias" else "weight"
        name, inputs = modules[module]
        inputs = 0 if kind == "bias" else inputs
        prefix = "model.layers.{layer}." if path.startswith(_LAYERS) else ""
        name = f"{prefix}{name}.{kind}"
        sizes = {axis: parameter.shape[i] for i, axis in enumerate(re.findall(r"{(\w+)}", name))}
        slots = {
            name.format(**dict(zip(sizes, index))): index
            for index in itertools.product(*map(range, sizes.values()))
        }
        return Leaf(parameter.shape, inputs, slots)

    return jax.tree_util.tree_map_with_path(describe, abstract_params(config))


def load_hf(
    folder: str | os.PathLike, mesh: Mesh | None = None, dtype: jnp.dtype | None = jnp.float32
) -> tuple[ModelConfig, dict]:
    """Reads config.json and safetensors, whole or sharded, of any supported family.

    Names and shapes are checked from the file headers before any data is read. Host memory
    holds one stacked parameter at a time; on CPU it is the parameter, without another copy.

    Args:
      mesh: parameters are split over it by ``param_shardings``; None for the default device.
      dtype: of every parameter, whatever the files hold; None for theirs.

    Warns:
      UserWarning: once, naming the tensors with NaN or infinite values.

    Raises:
      FileNotFoundError: no folder, config or weights.
      ValueError: unsupported config, broken file, or tensors that do not fit the config,
        all of them listed.
    """
    folder = pathlib.Path(folder)
    config = read_config(folder)
    shardings = None if mesh is None else param_shardings(config, mesh)
    return config, load_leaves(folder, hub_leaves(config), dtype, shardings)


def load_leaves(
    folder: pathlib.Path, leaves: dict, dtype: jnp.dtype | None, shardings: dict | None = None
) -> dict:
    """The parameters of a tree of Leaf, which must be all that the folder holds; see load_hf."""
    tensors = stored_tensors(folder)
    _check_tensors(folder, leaves, tensors)
    dtype = dtype or _common_dtype(leaves, tensors)
    not_finite = []

    def read(leaf: Leaf, sharding: NamedSharding | None = None) -> jax.Array:
        host = _aligned_empty(leaf.shape, dtype)
        for name, index in leaf.slots.items():
            tensor = tensors[name].read()
            if not _is_finite(tensor):
                not_finite.append(name)
            host[index] = leaf.from_hub(tensor)
        if sharding is None:
            array = jax.device_put(host)
        else:
            array = jax.make_array_from_callback(host.shape, sharding, host.__getitem__)
        return jax.block_until_ready(array)  # an accelerator has its copy, host is free again

    params = jax.tree.map(read, leaves, *([] if shardings is None else [shardings]))
    if not_finite:
        listing = ", ".join(not_finite[:_NAMED]) + ", ..." * (len(not_finite) > _NAMED)
        warnings.warn(
            f"{len(not_finite)} tensors in {folder} hold NaN or infinity, so the model will too: "
            f"{listing}",
            stacklevel=3,
        )
    return params


def save_hf(
    folder: str | os.PathLike,
    config: ModelConfig,
    params: dict,
    dtype: jnp.dtype | None = None,
    max_shard_bytes: int = 5_000_000_000,
    token_ids: Mapping[str, Any] | None = None,
) -> None:
    """Writes a folder that transformers loads with equal logits.

    The folder appears whole or not at all; other files of an existing folder (a tokenizer)
    are kept. Host memory holds one stacked parameter and one shard. With several processes
    all must call; the first one writes.

    Args:
      dtype: of the files; None keeps that of the parameters.
      max_shard_bytes: more than this is split into files listed by an index.
      token_ids: ``TOKEN_IDS`` for config.json and generation_config.json, from which ``generate``
        of transformers takes them.

    Raises:
      ValueError: the architecture cannot express the config, or params do not fit it.
    """
    data = hub_config(config, dtype or jax.tree.leaves(params)[0].dtype, token_ids)
    save_leaves(folder, data, hub_leaves(config), params, dtype, max_shard_bytes, token_ids)


def save_leaves(
    folder: str | os.PathLike,
    data: Mapping[str, Any],
    leaves: dict,
    params: dict,
    dtype: jnp.dtype | None = None,
    max_shard_bytes: int = 5_000_000_000,
    token_ids: Mapping[str, Any] | None = None,
) -> None:
    """Writes parameters as a tree of Leaf says, with this config.json; see save_hf."""
    check_params(leaves, params)
    pairs = list(zip(jax.tree.leaves(leaves), jax.tree.leaves(params)))

    def arrays() -> Iterator[tuple[str, np.ndarray]]:
        for leaf, value in pairs:
            host = _to_host(value).astype(dtype or value.dtype, copy=False)
            for name, index in leaf.slots.items():
                yield name, leaf.to_hub(host[index])

    if jax.process_index() > 0:
        collections.deque(arrays(), maxlen=0)  # takes part in gathering
        return

    sizes = {
        name: math.prod(leaf.hub_shape) * jnp.dtype(dtype or value.dtype).itemsize
        for leaf, value in pairs
        for name in leaf.slots
    }
    shards = _shards(sizes, max_shard_bytes)
    stream = arrays()
    with replacing(folder) as fresh:
        weight_map = {}
        for number, names in enumerate(shards, start=1):
            file = SINGLE
            if len(shards) > 1:
                file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
            tensors = dict(itertools.islice(stream, len(names)))
            save_file(tensors, fresh / file, metadata={"format": "pt"})
            weight_map |= dict.fromkeys(names, file)
        if len(shards) > 1:
            index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": weight_map}
            write_json(fresh / INDEX, index)
        write_json(fresh / CONFIG, data)
        given = {key: value for key, value in (token_ids or {}).items() if value is not None}
        if given:
            old = pathlib.Path(folder) / GENERATION
            kept = read_json(old) if old.is_file() else {}
            write_json(fresh / GENERATION, {**kept, **given})


def hub_config(
    config: ModelConfig, dtype: jnp.dtype, token_ids: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The config.json of parameters of this dtype, with the special ids of their tokenizer."""
    data = config_to_hf(config) | {"torch_dtype": str(jnp.dtype(dtype))}
    return data | dict(token_ids or {})


def write_json(path: pathlib.Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n")


def read_hub_config(folder: pathlib.Path) -> dict[str, Any]:
    """The config.json of a folder; FileNotFoundError where it has none."""
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(
            f"no {CONFIG} in {folder}; give the folder of a downloaded or saved Hugging Face model"
        )
    return read_json(path)


def read_config(folder: pathlib.Path) -> ModelConfig:
    """The architecture of a folder; ValueError, with the path, where it is not supported."""
    data = read_hub_config(folder)
    try:
        return config_from_hf(data)
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG}: {error}") from error


def _check_tensors(folder: pathlib.Path, leaves: dict, tensors: Mapping[str, StoredTensor]) -> None:
    """Raises one ValueError with everything that is missing, unexpected or misshapen."""
    expected = {name: leaf.hub_shape for leaf in jax.tree.leaves(leaves) for name in leaf.slots}
    problems = [
        f"missing: {name} {shape}" for name, shape in expected.items() if name not in tensors
    ]
    for name, tensor in tensors.items():
        shape = tensor.shape
        if name in expected:
            if shape != expected[name]:
                problems.append(f"wrong shape: {name} {shape}, expected {expected[name]}")
            if tensor.dtype not in FLOATS:
                problems.append(f"wrong dtype: {name} {tensor.dtype}, expected {', '.join(FLOATS)}")
        elif not _BUFFERS.search(name) and not _is_tied_copy(name, tensors):
            problems.append(f"unexpected: {name} {shape}")
    if problems:
        listing = "\n  ".join(problems)
        raise ValueError(
            f"the tensors in {folder} do not fit its {CONFIG}; correct one of them:\n  {listing}"
        )


def _is_tied_copy(name: str, tensors: Mapping[str, StoredTensor]) -> bool:
    """Whether this is the embedding, written once more by a tied model."""
    embedding = tensors.get("model.embed_tokens.weight")
    if name != "lm_head.weight" or embedding is None:
        return False
    if {tensors[name].dtype, embedding.dtype} - FLOATS.keys():
        return False
    return np.array_equal(tensors[name].read(), embedding.read(), equal_nan=True)


def _common_dtype(leaves: dict, tensors: Mapping[str, StoredTensor]) -> jnp.dtype:
    """The one dtype of all tensors, else float32, to which float64 is rounded too."""
    kinds = {tensors[name].dtype for leaf in jax.tree.leaves(leaves) for name in leaf.slots}
    kind = kinds.pop() if len(kinds) == 1 else "F32"
    return jnp.dtype(FLOATS[kind] if kind in ("F16", "BF16") else jnp.float32)


def _aligned_empty(shape: tuple[int, ...], dtype: jnp.dtype) -> np.ndarray:
    """An uninitialised array that a CPU device takes over as it is: it starts at 64 bytes."""
    size = math.prod(shape) * jnp.dtype(dtype).itemsize
    buffer = np.empty(size + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + size].view(dtype).reshape(shape)


def _is_finite(tensor: np.ndarray) -> bool:
    """Whether no exponent has all its bits set; in integers this takes a fifth of the time."""
    info = jnp.finfo(tensor.dtype)
    exponent = ((1 << info.nexp) - 1) << info.nmant
    bits = tensor.view(f"u{tensor.itemsize}") & exponent
    return bits.max(initial=0) < exponent


def check_params(leaves: dict, params: dict) -> None:
    """Raises a ValueError with every path at which the shapes of two trees differ."""

    def shapes(tree: dict) -> dict[str, tuple[int, ...]]:
        pairs = jax.tree_util.tree_leaves_with_path(tree)
        return {jax.tree_util.keystr(path): tuple(leaf.shape) for path, leaf in pairs}

    expected, given = shapes(leaves), shapes(params)
    if expected != given:
        different = sorted(dict(expected.items() ^ given.items()))
        listing = "\n  ".join(
            f"{path}: {given.get(path)}, expected {expected.get(path)}" for path in different
        )
        raise ValueError(f"params do not fit the config:\n  {listing}")


def _to_host(value: jax.Array | np.ndarray) -> np.ndarray:
    if isinstance(value, jax.Array) and not value.is_fully_addressable:
        value = multihost_utils.process_allgather(value, tiled=True)
    return np.asarray(value)


def _shards(sizes: Mapping[str, int], max_bytes: int) -> list[list[str]]:
    """Names in order, cut before a file would pass max_bytes; a larger tensor lies alone."""
    shards, room = [], 0
    for name, size in sizes.items():
        if not shards or size > room:
            shards.append([])
            room = max_bytes
        shards[-1].append(name)
        room -= size
    return shards


@contextlib.contextmanager
def replacing(folder: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A new sibling folder that takes the place of ``folder`` once the block succeeds.

    Files of the old folder that are neither config nor weights, nor written anew, move along.
    """
    folder = pathlib.Path(folder).resolve()
    fresh = folder.with_name(f".{folder.name}.new-{os.getpid()}")
    old = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    own_files = shutil.ignore_patterns(CONFIG, INDEX, "*.safetensors")

    def replaced(path: str, names: list[str]) -> set[str]:
        if pathlib.Path(path) != folder:
            return set()
        return own_files(path, names) | {name for name in names if (fresh / name).exists()}

    try:
        fresh.mkdir(parents=True)
        yield fresh
        if folder.exists():
            shutil.copytree(folder, fresh, ignore=replaced, dirs_exist_ok=True)
            folder.rename(old)
        fresh.rename(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
