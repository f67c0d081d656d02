"""Reward models in the Hugging Face layout: a decoder and a linear head, ``score``."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.heads import HEAD_AXES
from reasoning_jax.models.hf import (
    Leaf,
    hub_config,
    hub_leaves,
    load_leaves,
    read_config,
    read_hub_config,
    save_leaves,
)
from reasoning_jax.models.parameters import param_shardings
from reasoning_jax.models.stored import stored_tensors
from reasoning_jax.parallel.mesh import partition

SCORE, BIAS = "score.weight", "score.bias"
# The head of the class for rows has no bias, that of the class for tokens has one.
_OF_ROWS, _OF_TOKENS = "ForSequenceClassification", "ForTokenClassification"


def load_reward_model(
    folder: str | os.PathLike, mesh: Mesh | None = None, dtype: jnp.dtype | None = jnp.float32
) -> tuple[ModelConfig, dict, dict[str, jax.Array]]:
    """Reads a ``*ForSequenceClassification`` or ``*ForTokenClassification`` folder.

    ``row_logits(head, hidden, lengths)`` are the logits of transformers' first class,
    ``head_logits(head, hidden)`` those of the second. The decoder has no head over the
    vocabulary, so its config says ``tie_embeddings``.

    Returns:
      (config, params, head).

    Args:
      mesh, dtype: as in ``load_hf``.

    Raises:
      FileNotFoundError: no folder, config or weights.
      ValueError: what ``load_hf`` raises, or the folder is of another class.
    """
    folder = pathlib.Path(folder)
    config = dataclasses.replace(read_config(folder), tie_embeddings=True)
    classes = read_hub_config(folder).get("architectures") or []
    stored = stored_tensors(folder)
    score = stored.get(SCORE)
    if score is None or len(score.shape) != 2:
        raise ValueError(
            f"{folder} holds {' '.join(classes) or 'a model'} without a matrix {SCORE}; "
            f"a reward model is saved by a class {_OF_ROWS} or {_OF_TOKENS}. For a language model "
            "use load_hf"
        )
    leaves = _leaves(config, score.shape[0], bias=BIAS in stored)
    shardings = None
    if mesh is not None:
        head = {
            name: partition(mesh, HEAD_AXES[name], leaf.shape)
            for name, leaf in leaves["head"].items()
        }
        shardings = {"decoder": param_shardings(config, mesh), "head": head}
    params = load_leaves(folder, leaves, dtype, shardings)
    return config, params["decoder"], params["head"]


def is_reward_model(folder: str | os.PathLike) -> bool:
    """Whether a folder in Hugging Face's layout holds a reward model."""
    kinds = read_hub_config(pathlib.Path(folder)).get("architectures") or []
    return any(kind.endswith((_OF_ROWS, _OF_TOKENS)) for kind in kinds)


def save_reward_model(
    folder: str | os.PathLike,
    config: ModelConfig,
    params: dict,
    head: dict[str, jax.Array],
    dtype: jnp.dtype | None = None,
    token_ids: Mapping[str, Any] | None = None,
    max_shard_bytes: int = 5_000_000_000,
) -> None:
    """Writes a folder that gives equal logits in transformers; see save_hf.

    Its class is ``*ForSequenceClassification``, or with a bias ``*ForTokenClassification``, which
    transformers has for most families, not for OLMo 2 and Gemma 3.

    Args:
      params: a head over the vocabulary is left out.
      head: ``kernel`` [M, C], and ``bias`` [C] of values of tokens and scores of steps.
      token_ids: as in ``save_hf``; transformers finds the last token of padded rows by
        ``pad_token_id`` and refuses batches without it.

    Raises:
      ValueError: what ``save_hf`` raises.
    """
    kind = _OF_TOKENS if "bias" in head else _OF_ROWS
    config = dataclasses.replace(config, tie_embeddings=True)
    decoder = {name: value for name, value in params.items() if name != "head"}
    n_outputs = head["kernel"].shape[1]
    data = hub_config(config, dtype or head["kernel"].dtype, token_ids)
    data["architectures"] = [name.replace("ForCausalLM", kind) for name in data["architectures"]]
    labels = [f"LABEL_{i}" for i in range(n_outputs)]
    data["id2label"] = {str(i): label for i, label in enumerate(labels)}
    data["label2id"] = {label: i for i, label in enumerate(labels)}
    tree = {"decoder": decoder, "head": head}
    leaves = _leaves(config, n_outputs, bias="bias" in head)
    save_leaves(folder, data, leaves, tree, dtype, max_shard_bytes, token_ids)


def _leaves(config: ModelConfig, n_outputs: int, bias: bool) -> dict:
    head = {"kernel": Leaf((config.d_model, n_outputs), 1, {SCORE: ()})}
    if bias:
        head["bias"] = Leaf((n_outputs,), 0, {BIAS: ()})
    return {"decoder": hub_leaves(config), "head": head}
