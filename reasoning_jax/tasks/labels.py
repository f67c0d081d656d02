"""Assembling step labels."""

from collections.abc import Sequence

from reasoning_jax.types import StepLabels


def step_labels(steps: Sequence[str], correct: Sequence[bool], valid: Sequence[bool]) -> StepLabels:
    """StepLabels of S steps with S labels of either kind; the first error is derived."""
    first_error = next((k for k, right in enumerate(correct) if not right), -1)
    return StepLabels(tuple(steps), tuple(correct), tuple(valid), first_error)
