"""What thinking begins with beside noise: a draft, a support, and step sizes that are held back.

Three choices of a `Thinking`, each a small class with its numbers, made by dotted name:

  start      Noise, or Draft: what the decoder says as a language model lies under the noise
  support    Vocabulary, or Likeliest: all but the k likeliest tokens of the draft are left out
  size_rule  Learned, or WithinCurvature: at most so much over the largest curvature at the start

Arrays have any leading axes, so that rows of tokens and candidates over a cache share them. All
are constants of training.
"""

import dataclasses
from collections.abc import Callable
from typing import ClassVar, Protocol

import jax
import jax.numpy as jnp

Slope = Callable[[jax.Array], jax.Array]
"""Candidates [..., V] -> dE/dy of each."""


class StartRule(Protocol):
    """(candidates [..., V], draft [..., V] or None) -> candidates; ``drafts`` asks for a draft."""

    drafts: ClassVar[bool]

    def __call__(self, candidates: jax.Array, draft: jax.Array | None) -> jax.Array: ...


class SizeRule(Protocol):
    """(size, scales [...], slope, candidates, directions [..., V]) -> scales of the step size.

    ``measures`` says whether it asks for slopes.
    """

    measures: ClassVar[bool]

    def __call__(
        self,
        size: jax.Array,
        scales: jax.Array,
        slope: Slope,
        candidates: jax.Array,
        directions: jax.Array,
    ) -> jax.Array: ...


@dataclasses.dataclass(frozen=True)
class Noise:
    """Near the uniform distribution."""

    drafts: ClassVar[bool] = False

    def __call__(self, candidates: jax.Array, draft: jax.Array | None) -> jax.Array:
        return candidates


@dataclasses.dataclass(frozen=True)
class Draft:
    """The draft under the noise: without thoughts the result is the draft.

    Attributes:
      scale: multiplies its log-probabilities.
    """

    drafts: ClassVar[bool] = True

    scale: float = 1.0

    def __call__(self, candidates: jax.Array, draft: jax.Array | None) -> jax.Array:
        return candidates + self.scale * draft


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Every token may be thought of."""

    drafts: ClassVar[bool] = False

    def __call__(self, candidates: jax.Array, draft: jax.Array | None) -> jax.Array:
        return candidates


@dataclasses.dataclass(frozen=True)
class Likeliest:
    """All but the k likeliest tokens of the draft at probability 0, ties kept.

    Descent leaves them there, for their gradient is 0. For inference: the loss of a target outside
    of the support is infinite.
    """

    drafts: ClassVar[bool] = True

    k: int = dataclasses.field(kw_only=True)

    def __post_init__(self):
        if self.k < 1:
            raise ValueError(f"k is {self.k}; a support holds at least 1 token")

    def __call__(self, candidates: jax.Array, draft: jax.Array | None) -> jax.Array:
        least = jax.lax.top_k(draft, min(self.k, draft.shape[-1]))[0][..., -1:]
        return jnp.where(draft >= least, candidates, -jnp.inf)


@dataclasses.dataclass(frozen=True)
class Learned:
    """The learned size at every position."""

    measures: ClassVar[bool] = False

    def __call__(self, size, scales, slope, candidates, directions) -> jax.Array:
        return scales


@dataclasses.dataclass(frozen=True)
class WithinCurvature:
    """At most ``limit`` over the largest |eigenvalue| of d2E/dy2 at the start; below 2 to descend.

    What a public follow-up of arXiv:2507.02092 found to keep sharp energies from diverging.

    Attributes:
      limit: in (0, 2).
      iterations: of the power iteration, each one Hessian-vector product.
    """

    measures: ClassVar[bool] = True

    limit: float = 1.0
    iterations: int = 2

    def __post_init__(self):
        if not 0 < self.limit < 2:
            raise ValueError(f"limit is {self.limit}; a step descends for limits in (0, 2)")
        if self.iterations < 1:
            raise ValueError(f"iterations is {self.iterations}; a power iteration takes at least 1")

    def __call__(self, size, scales, slope, candidates, directions) -> jax.Array:
        curvature = largest_curvature(slope, candidates, directions, self.iterations)
        most = self.limit / jnp.maximum(curvature, 1e-12) / jnp.maximum(size, 1e-12)
        return jnp.minimum(scales, jax.lax.stop_gradient(most))


def largest_curvature(
    slope: Slope, candidates: jax.Array, directions: jax.Array, iterations: int
) -> jax.Array:
    """Estimate [...] of the largest |eigenvalue| of d2E/dy2 of every candidate, from below.

    Energies depend each on their own candidate, so one product serves all of them: a forward
    derivative of the gradient.

    Args:
      directions: [..., V] random, what the power iteration begins with.
    """

    def turn(direction: jax.Array, _) -> tuple[jax.Array, jax.Array]:
        product = jax.jvp(slope, (candidates,), (_unit(direction),))[1]
        return product, jnp.linalg.norm(product, axis=-1)

    # A constant shift of the logits is no direction: softmax does not see it.
    first = directions - directions.mean(axis=-1, keepdims=True)
    _, sizes = jax.lax.scan(turn, first.astype(candidates.dtype), length=iterations)
    return sizes[-1]


def _unit(x: jax.Array) -> jax.Array:
    """Of length 1 along the last axis; 0 stays."""
    size = jnp.linalg.norm(x, axis=-1, keepdims=True)
    return x / jnp.where(size > 0, size, 1)
