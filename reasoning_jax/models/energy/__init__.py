"""Energy-based transformers (arXiv:2507.02092): prediction as descent on a learned energy."""

from reasoning_jax.models.energy.attention import CANDIDATE_ATTENTION, candidate_attention
from reasoning_jax.models.energy.loss import (
    EnergyBatch,
    EnergyRows,
    loss_autodiff,
    loss_truncated,
    loss_unrolled,
)
from reasoning_jax.models.energy.model import EnergyModel
from reasoning_jax.models.energy.parameters import energy_param_shardings, init_energy_params
from reasoning_jax.models.energy.streams import (
    EnergyContext,
    candidate_energy,
    embed_candidates,
    embedded_energy,
    encode,
    energy,
)
from reasoning_jax.models.energy.thinking import (
    Settled,
    Start,
    Thinking,
    Thoughts,
    draw_start,
    think,
    think_until,
)
from reasoning_jax.models.energy.two_phase import loss_two_phase

__all__ = [
    "CANDIDATE_ATTENTION",
    "EnergyBatch",
    "EnergyContext",
    "EnergyModel",
    "EnergyRows",
    "Settled",
    "Start",
    "Thinking",
    "Thoughts",
    "candidate_attention",
    "candidate_energy",
    "draw_start",
    "embed_candidates",
    "embedded_energy",
    "encode",
    "energy",
    "energy_param_shardings",
    "init_energy_params",
    "loss_autodiff",
    "loss_truncated",
    "loss_two_phase",
    "loss_unrolled",
    "think",
    "think_until",
]
