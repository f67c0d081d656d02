"""What an energy-based transformer is made of: a decoder and how its candidates attend."""

import dataclasses

from reasoning_jax.models.energy.attention import check_candidate_attention
from reasoning_jax.models.transformer import Transformer

# How energies know the step of thinking. What is added to candidates leaves the context alone, so
# that it is computed once; a token before the first one, as in arXiv:2507.02092, changes the
# context too, which is computed anew at every step.
CONDITIONING = ("candidate", "time_token")


@dataclasses.dataclass(frozen=True)
class EnergyModel:
    """An energy-based transformer (arXiv:2507.02092) over the layers of a decoder.

    Attributes:
      decoder: layers, dtype, mesh, ``remat`` and ``unroll`` of both streams. Its ``attention``
        is of the context alone, which is differentiated once: kernels will do.
      attention: of candidates, which are differentiated twice; a name of
        ``CANDIDATE_ATTENTION``.
      landscapes: steps of thinking that are told apart; later ones are the last again.
      conditioning: how they are told apart; a name of ``CONDITIONING``.
    """

    decoder: Transformer
    attention: str = "xla"
    landscapes: int = 1
    conditioning: str = "candidate"

    def __post_init__(self):
        check_candidate_attention(self.attention)
        if self.conditioning not in CONDITIONING:
            raise ValueError(
                f"conditioning is {self.conditioning!r}; choose one of {', '.join(CONDITIONING)}"
            )
        config = self.decoder.config
        if not config.tie_embeddings:
            raise ValueError(
                "tie_embeddings is False, but an energy model has no head over the vocabulary; "
                "set tie_embeddings"
            )
        if config.moe is not None:
            raise ValueError(
                f"moe has {config.moe.n_experts} experts, whose choice has no second derivative; "
                "an energy model takes a dense decoder, moe None"
            )
        if self.landscapes < 1:
            raise ValueError(f"landscapes is {self.landscapes}; it must be at least 1")
