"""Decoders as pure functions of a parameter pytree, and their weights in and out."""

from reasoning_jax.models.config import MixtureOfExperts, ModelConfig, RopeScaling
from reasoning_jax.models.hf import load_hf, save_hf
from reasoning_jax.models.hf_reward import (
    is_reward_model,
    load_reward_model,
    save_reward_model,
)
from reasoning_jax.models.logprobs import (
    TokenScores,
    score_logits,
    token_logprobs,
    token_logprobs_and_balance,
)
from reasoning_jax.models.lora import (
    LoraConfig,
    abstract_lora,
    combine,
    init_lora,
    lora_shardings,
    merge,
    target_projections,
    with_dropout,
)
from reasoning_jax.models.orbax import load_model, load_orbax, save_orbax
from reasoning_jax.models.parameters import (
    abstract_params,
    count_params,
    init_params,
    param_shardings,
)
from reasoning_jax.models.peft import load_peft, read_lora, save_peft
from reasoning_jax.models.presets import PRESETS, preset
from reasoning_jax.models.transformer import Transformer

__all__ = [
    "PRESETS",
    "LoraConfig",
    "MixtureOfExperts",
    "ModelConfig",
    "RopeScaling",
    "TokenScores",
    "Transformer",
    "abstract_lora",
    "abstract_params",
    "combine",
    "count_params",
    "init_lora",
    "init_params",
    "is_reward_model",
    "load_hf",
    "load_model",
    "load_orbax",
    "load_peft",
    "load_reward_model",
    "lora_shardings",
    "merge",
    "param_shardings",
    "preset",
    "read_lora",
    "save_hf",
    "save_orbax",
    "save_peft",
    "save_reward_model",
    "score_logits",
    "target_projections",
    "token_logprobs",
    "token_logprobs_and_balance",
    "with_dropout",
]
