"""The tensors that the safetensors files of a model folder hold, found without reading them."""

import dataclasses
import itertools
import json
import math
import pathlib
import re
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

# Names in the files of the dtypes that parameters may have.
FLOATS = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": jnp.bfloat16}

_ALL_EXPERTS = re.compile(r"(.+\.mlp\.experts)\.(gate_up_proj|down_proj)(?:\.weight)?")


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """Where a safetensors file holds a tensor.

    It is read, not mapped: the pages of a mapping stay in memory until the file is closed.

    Attributes:
      path: of the file.
      dtype: its name there, such as ``BF16``.
      shape: on the hub.
      offset: bytes before the first element.
    """

    path: pathlib.Path
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def read(self) -> np.ndarray:
        """The tensor, in memory of its own."""
        size = math.prod(self.shape)
        flat = np.fromfile(self.path, FLOATS[self.dtype], size, offset=self.offset)
        return flat.reshape(self.shape)


def stored_tensors(folder: pathlib.Path) -> dict[str, StoredTensor]:
    """Every tensor of a folder under its decoder name, from the headers of the files."""
    tensors = {}
    for path in _weight_files(folder):
        try:
            with safe_open(path, framework="numpy"):
                pass  # compares the header with the size of the file
        except SafetensorError as error:
            raise ValueError(f"{path} is broken ({error}); download or save it again") from error
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for name, entry in sorted(header.items()):
            start = 8 + length + entry["data_offsets"][0]
            stored = StoredTensor(path, entry["dtype"], tuple(entry["shape"]), start)
            tensors |= _experts_apart(decoder_name(name), stored)
    return tensors


def _experts_apart(name: str, tensor: StoredTensor) -> dict[str, StoredTensor]:
    """A tensor that holds all experts of a layer as one for each, else as it is.

    Such files have ``gate_up_proj`` [experts, 2 hidden, model], the rows of the gate first, and
    ``down_proj`` [experts, model, hidden].
    """
    match = _ALL_EXPERTS.fullmatch(name)
    if match is None or len(tensor.shape) != 3 or tensor.dtype not in FLOATS:
        return {name: tensor}
    n_experts, rows, columns = tensor.shape
    projections = match[2].removesuffix("_proj").split("_")
    if rows % len(projections):
        return {name: tensor}
    rows //= len(projections)
    shape, item = (rows, columns), np.dtype(FLOATS[tensor.dtype]).itemsize
    slots = itertools.product(range(n_experts), projections)
    return {
        f"{match[1]}.{expert}.{projection}_proj.weight": dataclasses.replace(
            tensor, shape=shape, offset=tensor.offset + i * math.prod(shape) * item
        )
        for i, (expert, projection) in enumerate(slots)
    }


def decoder_name(name: str) -> str:
    """The name without the prefix that multimodal checkpoints give their text decoder."""
    name = name.removeprefix("language_model.")
    return re.sub(r"^model\.language_model\.", "model.", name)


def _weight_files(folder: pathlib.Path) -> list[pathlib.Path]:
    if (folder / INDEX).is_file():
        names = sorted(set(read_json(folder / INDEX)["weight_map"].values()))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise FileNotFoundError(
                f"{folder / INDEX} lists files that are not there: {', '.join(missing)}; "
                "finish the download"
            )
        return [folder / name for name in names]
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    raise FileNotFoundError(
        f"no {SINGLE} or {INDEX} in {folder}; download the weights, or convert other formats "
        "with save_pretrained(..., safe_serialization=True) of transformers"
    )


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """The object in a JSON file; ValueError naming the file where it is broken."""
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON ({error}); fetch the file again") from error
