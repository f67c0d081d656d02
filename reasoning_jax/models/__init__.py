"""Decoders as pure functions of a parameter pytree, and their weights in and out."""

from reasoning_jax.models.config import MixtureOfExperts, ModelConfig, RopeScaling
from reasoning_jax.models.hf import load_hf, save_hf
from reasoning_jax.models.logprobs import TokenScores, score_logits, token_logprobs
from reasoning_jax.models.parameters import (
    abstract_params,
    count_params,
    init_params,
    param_shardings,
)
from reasoning_jax.models.presets import PRESETS, preset
from reasoning_jax.models.transformer import Transformer

__all__ = [
    "PRESETS",
    "MixtureOfExperts",
    "ModelConfig",
    "RopeScaling",
    "TokenScores",
    "Transformer",
    "abstract_params",
    "count_params",
    "init_params",
    "load_hf",
    "param_shardings",
    "preset",
    "save_hf",
    "score_logits",
    "token_logprobs",
]
