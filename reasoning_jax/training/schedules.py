"""Learning-rate schedules with linear warm-up, and the moving average of parameters.

A schedule is a function of the step. ``peak`` is the highest rate, ``floor`` the last one as a
fraction of it; steps may be fractions, such as a token budget over tokens per step. Step 0 has
rate 0 where there is a warm-up, step ``total_steps`` and all later ones the floor. Every function
raises ValueError on arguments that make no such curve.
"""

import jax.numpy as jnp
import optax


def constant(peak: float, warmup_steps: float = 0) -> optax.Schedule:
    """Linear warm-up, then ``peak`` for ever."""
    _check(peak, warmup_steps)
    return _warm_up(peak, warmup_steps, optax.constant_schedule(peak))


def linear(
    peak: float, total_steps: float, warmup_steps: float = 0, *, floor: float = 0.0
) -> optax.Schedule:
    """Linear warm-up, then a straight line down to the floor."""
    _check(peak, warmup_steps, total_steps, floor)
    decay = optax.linear_schedule(peak, floor * peak, total_steps - warmup_steps)
    return _warm_up(peak, warmup_steps, decay)


def cosine(
    peak: float, total_steps: float, warmup_steps: float = 0, *, floor: float = 0.1
) -> optax.Schedule:
    """Linear warm-up, then half a cosine down to the floor (arXiv 1608.03983)."""
    _check(peak, warmup_steps, total_steps, floor)
    decay = optax.cosine_decay_schedule(peak, total_steps - warmup_steps, alpha=floor)
    return _warm_up(peak, warmup_steps, decay)


def wsd(
    peak: float,
    total_steps: float,
    warmup_steps: float,
    decay_steps: float,
    *,
    floor: float = 0.1,
) -> optax.Schedule:
    """Warm-up, stable, decay (arXiv 2404.06395): the last ``decay_steps`` fall straight."""
    _check(peak, warmup_steps, total_steps, floor)
    if not 0 < decay_steps <= total_steps - warmup_steps:
        raise ValueError(
            f"decay_steps is {decay_steps}; it must lie above 0 and within the "
            f"{total_steps - warmup_steps} steps after the warm-up"
        )
    decay = optax.linear_schedule(peak, floor * peak, decay_steps)
    stable = optax.constant_schedule(peak)
    stable_then_decay = optax.join_schedules(
        [stable, decay], [total_steps - warmup_steps - decay_steps]
    )
    return _warm_up(peak, warmup_steps, stable_then_decay)


def ema(decay: float) -> optax.GradientTransformation:
    """Exponential moving average in float32, debiased: after one update it is the input itself.

    ``update(params, state)`` gives (average, state) for any pytree. With m_0 = 0 and
    m_t = decay m_{t-1} + (1 - decay) x_t the average is m_t / (1 - decay^t).
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay is {decay}; it must lie in [0, 1)")
    average = optax.ema(decay, debias=True, accumulator_dtype=jnp.float32)

    def update(params, state, _=None):
        return average.update(optax.tree.cast(params, jnp.float32), state)

    return optax.GradientTransformation(average.init, update)


def _warm_up(peak: float, warmup_steps: float, after: optax.Schedule) -> optax.Schedule:
    if warmup_steps == 0:
        return after
    return optax.join_schedules(
        [optax.linear_schedule(0, peak, warmup_steps), after], [warmup_steps]
    )


def _check(
    peak: float, warmup_steps: float, total_steps: float = float("inf"), floor: float = 0.0
) -> None:
    if peak < 0:
        raise ValueError(f"peak is {peak}; a learning rate is not negative")
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(
            f"warmup_steps is {warmup_steps}; it must be at least 0 and below total_steps, "
            f"{total_steps}"
        )
    if not 0 <= floor <= 1:
        raise ValueError(f"floor is {floor}; it is a fraction of the peak, in [0, 1]")
