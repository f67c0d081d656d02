"""Thinking: gradient descent on the energy of every next token's distribution at once."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reasoning_jax.models.energy.beginning import (
    Learned,
    Noise,
    SizeRule,
    StartRule,
    Vocabulary,
)
from reasoning_jax.models.energy.draft import draft_logits
from reasoning_jax.models.energy.model import EnergyModel
from reasoning_jax.models.energy.streams import EnergyContext, candidate_energy, encode
from reasoning_jax.parallel.mesh import constrain

# The step size is learned; below this the descent would stand still, or climb.
SMALLEST_STEP = 1e-4


@dataclasses.dataclass(frozen=True)
class Thinking:
    """How candidates are drawn and refined; the fields are those of arXiv:2507.02092.

    The first system of the paper (S1) has as many landscapes as steps and nothing random but
    the start. The second (S2) has one landscape, ``min_steps`` 2 of ``steps`` 3,
    ``step_size_spread`` 2, ``langevin`` 3 at V = 50k, and trains the last step alone.

    Attributes:
      steps: most steps of descent.
      min_steps: fewest; the number of each row is drawn between both, inclusive.
      init_scale: standard deviation of the logits that thinking starts from; 1 in the paper.
        The noise stays in the result: smaller is better where variety is not wanted.
      step_size_spread: s >= 1, the step size of each position is drawn from
        U(size / s, size * s), once for all its steps.
      langevin: standard deviation of the noise added to the logits before every step.
      start, support, size_rule: what thinking begins with beside noise, see `beginning`.
      unroll: steps per iteration of the loop of a loss.
    """

    steps: int = 2
    min_steps: int | None = None
    init_scale: float = 0.1
    step_size_spread: float = 1.0
    langevin: float = 0.0
    start: StartRule = dataclasses.field(default_factory=Noise)
    support: StartRule = dataclasses.field(default_factory=Vocabulary)
    size_rule: SizeRule = dataclasses.field(default_factory=Learned)
    unroll: int = 1

    def __post_init__(self):
        if not 1 <= self.fewest <= self.steps:
            raise ValueError(
                f"min_steps {self.min_steps} and steps {self.steps}: 1 <= min_steps <= steps"
            )
        if self.step_size_spread < 1:
            raise ValueError(f"step_size_spread is {self.step_size_spread}; it is at least 1")
        for name in ("init_scale", "langevin"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; a deviation is at least 0")

    @property
    def fewest(self) -> int:
        """``min_steps``, or ``steps`` where it is not given."""
        return self.steps if self.min_steps is None else self.min_steps

    @property
    def drafts(self) -> bool:
        """Whether it asks for a draft."""
        return self.start.drafts or self.support.drafts


class Start(NamedTuple):
    """All that is random in thinking; ``keys`` give the noise of its steps.

    Attributes:
      candidates: [B, T, V] float32 logits.
      step_scales: [B, T] multipliers of the step size.
      n_steps: [B] int32 steps that each row takes.
      keys: [B] keys of the rows.
    """

    candidates: jax.Array
    step_scales: jax.Array
    n_steps: jax.Array
    keys: jax.Array


class Step(NamedTuple):
    """One step of descent.

    Attributes:
      candidates: [B, T, V] float32 logits after it.
      energies: [B, T] before it.
      slope: [B, T] norm of dE/dy before it.
    """

    candidates: jax.Array
    energies: jax.Array
    slope: jax.Array


class Thoughts(NamedTuple):
    """What descent led to.

    Attributes:
      candidates: [B, T, V] float32 logits.
      energies: [steps + 1, B, T] before each step, and of the result. Of a row that takes fewer
        steps the energy of the result is repeated.
    """

    candidates: jax.Array
    energies: jax.Array


def draw_start(model: EnergyModel, thinking: Thinking, keys_B: jax.Array, length: int) -> Start:
    """Draws a start for rows [B] of ``length`` tokens.

    Each draw depends on the key of its row and its position alone: neither other rows nor
    padding change it.
    """
    return draw_start_at(model, thinking, keys_B, jnp.arange(length))


def draw_start_at(
    model: EnergyModel, thinking: Thinking, keys_B: jax.Array, columns: jax.Array
) -> Start:
    """The columns [T], or [B, T] of each row its own, of what ``draw_start`` draws."""
    spread = thinking.step_size_spread
    rows = jax.vmap(lambda key: jax.random.split(key, 4))(keys_B)
    noise = _noise(model, rows[:, 0], columns)
    uniform = jax.vmap(jax.vmap(jax.random.uniform))(_position_keys(rows[:, 1], columns))
    n_steps = jax.vmap(
        lambda key: jax.random.randint(key, (), thinking.fewest, thinking.steps + 1)
    )(rows[:, 2])
    return Start(
        candidates=thinking.init_scale * noise,
        step_scales=1 / spread + (spread - 1 / spread) * uniform,
        n_steps=n_steps,
        keys=rows[:, 3],
    )


def begin(
    model: EnergyModel,
    params: dict,
    tokens: jax.Array,
    segment_ids: jax.Array | None,
    start: Start,
    thinking: Thinking,
) -> Start:
    """The start with the draft, support and step sizes that ``thinking`` asks for; constants.

    Args:
      tokens, segment_ids: [B, T] of the context.
    """
    params = jax.lax.stop_gradient(params)
    draft = draft_logits(model, params, tokens, segment_ids) if thinking.drafts else None
    candidates = thinking.support(thinking.start(start.candidates, draft), draft)
    if not thinking.size_rule.measures:
        return start._replace(candidates=candidates)
    context, first = encode(model, params, tokens, segment_ids), jnp.zeros_like(start.n_steps)
    scales = thinking.size_rule(
        params["step_size"],
        start.step_scales,
        lambda candidates: energy_slope(model, params, context, candidates, first)[0],
        candidates,
        start_directions(model, start.keys, jnp.arange(candidates.shape[1])),
    )
    return start._replace(candidates=candidates, step_scales=scales)


def start_directions(model: EnergyModel, keys_B: jax.Array, columns: jax.Array) -> jax.Array:
    """Random directions [B, T, V] of a start, at columns as in ``draw_start_at``.

    Args:
      keys_B: ``Start.keys``; no step takes the number that these are folded with.
    """
    keys = jax.vmap(jax.random.fold_in, (0, None))(keys_B, np.uint32(0xFFFFFFFF))
    return _noise(model, keys, columns)


def think(
    model: EnergyModel, params: dict, context: EnergyContext, start: Start, thinking: Thinking
) -> Thoughts:
    """Descends from ``start`` by the steps it has drawn, at most ``thinking.steps``."""

    def refine(candidates: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        steps_B = jnp.full(start.n_steps.shape, t)
        step = descend(model, params, context, candidates, steps_B, start, thinking)
        return step.candidates, step.energies

    end, energies = jax.lax.scan(refine, start.candidates, jnp.arange(thinking.steps))
    last_B = jnp.maximum(start.n_steps - 1, 0)
    of_end = candidate_energy(model, params, context, end, last_B)
    energies = jnp.concatenate([energies, of_end[None]])
    before_end = jnp.arange(thinking.steps + 1)[:, None, None] < start.n_steps[:, None]
    return Thoughts(end, jnp.where(before_end, energies, of_end))


class Settled(NamedTuple):
    """Where thinking has come to rest.

    Attributes:
      candidates: [B, T, V] float32 logits.
      energies: [B, T] of them.
      steps: [B, T] int32 steps that each position took.
    """

    candidates: jax.Array
    energies: jax.Array
    steps: jax.Array


def think_until(
    model: EnergyModel,
    params: dict,
    context: EnergyContext,
    start: Start,
    thinking: Thinking,
    tolerance: float,
) -> Settled:
    """Descends until a step changes a position's energy by less than ``tolerance``.

    A position that rests stays while others go on; ``thinking.steps`` is the most that any
    takes, ``start.n_steps`` is not used. Padding rests at once. No reverse mode exists: this is
    for inference.
    """
    endless = start._replace(n_steps=jnp.full_like(start.n_steps, thinking.steps))

    def energies_at(candidates: jax.Array, t: jax.Array) -> jax.Array:
        steps_B = jnp.full_like(start.n_steps, t)
        return candidate_energy(model, params, context, candidates, steps_B)

    def moves(state) -> jax.Array:
        t, _, moving, _ = state
        return (t < thinking.steps) & jnp.any(moving)

    def refine(state):
        t, candidates, moving, steps = state
        step = descend(
            model, params, context, candidates, jnp.full_like(start.n_steps, t), endless, thinking
        )
        candidates = jnp.where(moving[:, :, None], step.candidates, candidates)
        # Both energies on the landscape of the step, or a change of landscape would count.
        change = jnp.abs(energies_at(candidates, t) - step.energies)
        return t + 1, candidates, moving & (change >= tolerance), steps + moving

    shape = start.candidates.shape[:2]
    real = True if context.segment_ids is None else context.segment_ids > 0
    state = (
        jnp.int32(0),
        start.candidates,
        jnp.broadcast_to(real, shape),
        jnp.zeros(shape, jnp.int32),
    )
    t, candidates, _, steps = jax.lax.while_loop(moves, refine, state)
    return Settled(candidates, energies_at(candidates, jnp.maximum(t - 1, 0)), steps)


def descend(
    model: EnergyModel,
    params: dict,
    context: EnergyContext,
    candidates: jax.Array,
    steps_B: jax.Array,
    start: Start,
    thinking: Thinking,
) -> Step:
    """One step: y <- y + noise, then y <- y - size dE/dy.

    Rows that have taken all of their ``start.n_steps`` stay.

    Args:
      steps_B: index of the step of each row.
    """
    columns = jnp.arange(candidates.shape[1])
    noisy = candidates + step_noise(model, steps_B, start.keys, columns, thinking.langevin)
    slope, energies = energy_slope(model, params, context, noisy, steps_B)
    moved = noisy - step_sizes(params, start.step_scales) * slope
    moving = (steps_B < start.n_steps)[:, None, None]
    moved = jnp.where(moving, moved, candidates)
    moved = constrain(moved, model.decoder.mesh, "batch", None, "vocab")
    norm = jnp.linalg.norm(jax.lax.stop_gradient(slope), axis=-1)
    return Step(moved, energies, norm)


def energy_slope(
    model: EnergyModel,
    params: dict,
    context: EnergyContext,
    candidates: jax.Array,
    steps_B: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """(dE/dy [B, T, V], E [B, T]); each energy has its own candidate, so one sum gives all."""

    def total(candidates: jax.Array) -> tuple[jax.Array, jax.Array]:
        energies = candidate_energy(model, params, context, candidates, steps_B)
        return jnp.sum(energies), energies

    return jax.grad(total, has_aux=True)(candidates)


def step_sizes(params: dict, scales_BxT: jax.Array) -> jax.Array:
    """Step size of each position, [B, T, 1]."""
    size = jnp.maximum(params["step_size"].astype(jnp.float32), SMALLEST_STEP)
    return size * scales_BxT[:, :, None]


def step_noise(
    model: EnergyModel, steps_B: jax.Array, keys_B: jax.Array, columns: jax.Array, scale: float
) -> jax.Array | float:
    """Langevin noise of one step, [B, T, V], at columns as in ``draw_start_at``.

    It is not scaled by the step size.

    Args:
      keys_B: ``Start.keys``.
      scale: standard deviation.
    """
    if scale == 0:
        return 0.0
    of_step_B = jax.vmap(jax.random.fold_in)(keys_B, steps_B)
    return scale * _noise(model, of_step_B, columns)


def _noise(model: EnergyModel, keys_B: jax.Array, columns: jax.Array) -> jax.Array:
    """Standard normal [B, T, V]."""
    decoder = model.decoder

    def normal(key: jax.Array) -> jax.Array:
        return jax.random.normal(key, (decoder.config.vocab_size,), jnp.float32)

    noise = jax.vmap(jax.vmap(normal))(_position_keys(keys_B, columns))
    return constrain(noise, decoder.mesh, "batch", None, "vocab")


def _position_keys(keys_B: jax.Array, columns: jax.Array) -> jax.Array:
    """[B, T] for columns [T] or [B, T]."""
    columns = jnp.broadcast_to(columns, (len(keys_B), columns.shape[-1]))
    return jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)))(keys_B, columns)
