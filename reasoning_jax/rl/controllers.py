"""Coefficients that follow a measurement: (coefficient, measured) -> next coefficient.

Numbers of the host, one call per step; the coefficient belongs to the checkpoint.
"""


def fixed(coefficient: float, measured: float) -> float:
    """The coefficient as it is."""
    return coefficient


def towards_target(
    coefficient: float,
    measured: float,
    *,
    target: float,
    step: float = 0.005,
    least: float = 0.0,
    most: float = 1.0,
) -> float:
    """``step`` up while ``measured`` is below ``target``, down while above; in [least, most].

    The adaptive entropy bonus of Skywork-OR1 (arXiv 2505.22312), with the entropy as measured.

    Raises:
      ValueError: ``step`` is not above 0, or ``least`` exceeds ``most``.
    """
    if step <= 0 or least > most:
        raise ValueError(
            f"step {step}, least {least}, most {most}: step must exceed 0, least not exceed most"
        )
    moved = coefficient + step * ((measured < target) - (measured > target))
    return min(max(moved, least), most)


def proportional(
    coefficient: float, measured: float, *, target: float, horizon: float = 100.0
) -> float:
    """coefficient (1 + clip(measured/target - 1, ±0.2) / horizon) (arXiv 1909.08593, section 2.2).

    For a coefficient of KL: it grows while the divergence exceeds ``target``, in steps that take
    ``horizon`` calls for a factor of about 1.2.

    Raises:
      ValueError: ``target`` or ``horizon`` is not above 0.
    """
    if target <= 0 or horizon <= 0:
        raise ValueError(f"target {target}, horizon {horizon}: both must exceed 0")
    error = min(max(measured / target - 1, -0.2), 0.2)
    return coefficient * (1 + error / horizon)
