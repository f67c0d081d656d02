"""Energy-based transformers (arXiv:2507.02092): prediction as descent on a learned energy."""

from reasoning_jax.models.energy.attention import CANDIDATE_ATTENTION, candidate_attention
from reasoning_jax.models.energy.beginning import (
    Draft,
    Learned,
    Likeliest,
    Noise,
    Vocabulary,
    WithinCurvature,
    largest_curvature,
)
from reasoning_jax.models.energy.cached import (
    CachedContext,
    NextThoughts,
    cached_energy,
    least_energy,
    think_next,
)
from reasoning_jax.models.energy.curve import (
    Choice,
    Curve,
    choose_among_starts,
    thinking_curve,
)
from reasoning_jax.models.energy.draft import as_draft, draft_logits
from reasoning_jax.models.energy.folder import (
    SETTINGS,
    is_energy_folder,
    load_energy,
    save_energy,
)
from reasoning_jax.models.energy.loss import (
    EnergyBatch,
    EnergyRows,
    loss_autodiff,
    loss_truncated,
    loss_unrolled,
    loss_with_draft,
)
from reasoning_jax.models.energy.model import CONDITIONING, EnergyModel
from reasoning_jax.models.energy.parameters import energy_param_shardings, init_energy_params
from reasoning_jax.models.energy.replay import (
    Replay,
    abstract_replay,
    draw_replay,
    push,
    replay_shardings,
)
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
    begin,
    draw_start,
    draw_start_at,
    think,
    think_until,
)
from reasoning_jax.models.energy.two_phase import loss_two_phase
from reasoning_jax.models.energy.verifier import (
    largest_energy,
    last_energy,
    mean_energy,
    ranking_loss,
    step_energies,
    token_energies,
    token_rises,
)

__all__ = [
    "CANDIDATE_ATTENTION",
    "CONDITIONING",
    "SETTINGS",
    "CachedContext",
    "Choice",
    "Curve",
    "Draft",
    "EnergyBatch",
    "EnergyContext",
    "EnergyModel",
    "EnergyRows",
    "Learned",
    "Likeliest",
    "NextThoughts",
    "Noise",
    "Replay",
    "Settled",
    "Start",
    "Thinking",
    "Thoughts",
    "Vocabulary",
    "WithinCurvature",
    "abstract_replay",
    "as_draft",
    "begin",
    "cached_energy",
    "candidate_attention",
    "candidate_energy",
    "choose_among_starts",
    "draft_logits",
    "draw_replay",
    "draw_start",
    "draw_start_at",
    "embed_candidates",
    "embedded_energy",
    "encode",
    "energy",
    "energy_param_shardings",
    "init_energy_params",
    "is_energy_folder",
    "largest_curvature",
    "largest_energy",
    "last_energy",
    "least_energy",
    "load_energy",
    "loss_autodiff",
    "loss_truncated",
    "loss_two_phase",
    "loss_unrolled",
    "loss_with_draft",
    "mean_energy",
    "push",
    "ranking_loss",
    "replay_shardings",
    "save_energy",
    "step_energies",
    "think",
    "think_next",
    "think_until",
    "thinking_curve",
    "token_energies",
    "token_rises",
]
