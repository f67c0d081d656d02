"""Energy-based transformers (arXiv:2507.02092): prediction as descent on a learned energy."""

from reasoning_jax.models.energy.attention import CANDIDATE_ATTENTION, candidate_attention
from reasoning_jax.models.energy.model import EnergyModel
from reasoning_jax.models.energy.parameters import energy_param_shardings, init_energy_params
from reasoning_jax.models.energy.streams import (
    EnergyContext,
    candidate_energy,
    embed_candidates,
    encode,
    energy,
)

__all__ = [
    "CANDIDATE_ATTENTION",
    "EnergyContext",
    "EnergyModel",
    "candidate_attention",
    "candidate_energy",
    "embed_candidates",
    "encode",
    "energy",
    "energy_param_shardings",
    "init_energy_params",
]
