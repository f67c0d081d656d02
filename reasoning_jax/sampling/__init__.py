"""Generation with the parameters that train."""

from reasoning_jax.sampling.engine import Sampler
from reasoning_jax.sampling.params import SamplingParams

__all__ = ["Sampler", "SamplingParams"]
