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
    CONFIG,
    Leaf,
    hub_config,
    hub_leaves,
    load_leaves,
    read_config,
    save_leaves,
)
from reasoning_jax.models.parameters import param_shardings
from reasoning_jax.models.stored import read_json, stored_tensors
from reasoning_jax.parallel.mesh import partition

SCORE = "score.weight"
_CLASS = "ForSequenceClassification"


def load_reward_model(
    folder: str | os.PathLike, mesh: Mesh | None = None, dtype: jnp.dtype | None = jnp.float32
) -> tuple[ModelConfig, dict, dict[str, jax.Array]]:
    """Reads a ``*ForSequenceClassification`` folder: (config, params, head).

    ``row_logits(head, hidden, lengths)`` are the logits of transformers. The decoder has no
    head over the vocabulary, so its config says ``tie_embeddings``.

    Args:
      mesh, dtype: as in ``load_hf``.

    Raises:
      FileNotFoundError: no folder, config or weights.
      ValueError: what ``load_hf`` raises, or the folder is of another class.
    """
    folder = pathlib.Path(folder)
    config = dataclasses.replace(read_config(folder), tie_embeddings=True)
    classes = read_json(folder / CONFIG).get("architectures") or []
    score = stored_tensors(folder).get(SCORE)
    if score is None or len(score.shape) != 2:
        raise ValueError(
            f"{folder} holds {' '.join(classes) or 'a model'} without a matrix {SCORE}; "
            f"a reward model is saved by a {_CLASS} class. For a language model use load_hf"
        )
    shardings = None
    if mesh is not None:
        kernel = partition(mesh, HEAD_AXES["kernel"], score.shape)
        shardings = {"decoder": param_shardings(config, mesh), "head": {"kernel": kernel}}
    params = load_leaves(folder, _leaves(config, score.shape[0]), dtype, shardings)
    return config, params["decoder"], params["head"]


def save_reward_model(
    folder: str | os.PathLike,
    config: ModelConfig,
    params: dict,
    head: dict[str, jax.Array],
    dtype: jnp.dtype | None = None,
    token_ids: Mapping[str, Any] | None = None,
) -> None:
    """Writes a folder whose ``*ForSequenceClassification`` gives equal logits; see save_hf.

    Args:
      params: a head over the vocabulary is left out.
      head: ``kernel`` [M, C] without bias.
      token_ids: as in ``save_hf``; transformers finds the last token of padded rows by
        ``pad_token_id`` and refuses batches without it.

    Raises:
      ValueError: the head has a bias, or what ``save_hf`` raises.
    """
    if "bias" in head:
        raise ValueError(f"{_CLASS} has no bias in its head; train a head of init_head")
    config = dataclasses.replace(config, tie_embeddings=True)
    decoder = {name: value for name, value in params.items() if name != "head"}
    n_outputs = head["kernel"].shape[1]
    data = hub_config(config, dtype or head["kernel"].dtype, token_ids)
    data["architectures"] = [name.replace("ForCausalLM", _CLASS) for name in data["architectures"]]
    labels = [f"LABEL_{i}" for i in range(n_outputs)]
    data["id2label"] = {str(i): label for i, label in enumerate(labels)}
    data["label2id"] = {label: i for i, label in enumerate(labels)}
    tree = {"decoder": decoder, "head": head}
    save_leaves(folder, data, _leaves(config, n_outputs), tree, dtype, token_ids=token_ids)


def _leaves(config: ModelConfig, n_outputs: int) -> dict:
    kernel = Leaf((config.d_model, n_outputs), 1, {SCORE: ()})
    return {"decoder": hub_leaves(config), "head": {"kernel": kernel}}
