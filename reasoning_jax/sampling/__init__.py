"""Generation with the parameters that train."""

from reasoning_jax.sampling.energy import EnergySampler
from reasoning_jax.sampling.engine import Sampler
from reasoning_jax.sampling.params import SamplingParams
from reasoning_jax.sampling.prefix import Prefix
from reasoning_jax.sampling.task import Row
from reasoning_jax.sampling.turns import TurnSampler

__all__ = ["EnergySampler", "Prefix", "Row", "Sampler", "SamplingParams", "TurnSampler"]
