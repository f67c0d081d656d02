"""A curriculum as data: phases that set keys of the block, one after another.

A phase is a block ``{"set": {key: value}, "steps": n, "metric": name, "at_least": x, "over": k,
"reset": names}``. It ends after ``steps`` steps, or when the mean of a metric of the steps over
the last ``over`` of them reaches ``at_least``; the last phase may be without end. Which phase it
is and what was measured in it belong to the checkpoint.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

# What a phase may set: nothing that optimisers, models or checkpoints are made of.
KEYS = (
    *("max_tokens", "temperature", "group_size", "admit", "refill", "reward", "steps_of"),
    *("shapers", "filters", "advantage", "policy_loss", "selection", "correction", "aggregate"),
    *("kl", "kl_coef", "kl_controller", "entropy_coef", "entropy_controller"),
    *("reference", "updates", "passes", "micro_batches", "reuse"),
)
# Mathematics before code, longer answers by and by (24K of the first code stage is as reported).
ACEREASON = (
    *(("math", length) for length in (8192, 16384, 24576, 32768)),
    *(("code", length) for length in (24000, 32768)),
)
# What may begin anew with a phase.
RESETS = ("reference", "optimizer")


@dataclasses.dataclass(frozen=True)
class Phase:
    """One phase.

    Attributes:
      block: the stage's block with what the phase sets.
      steps: most steps of the phase; 0 is no end.
      metric: name of what is measured at every step, empty for nothing.
      at_least: its mean over the last ``over`` steps of the phase ends it.
      reset: what begins anew with the phase: ``reference`` (it becomes the policy), ``optimizer``
        (its moments and its schedule).
    """

    block: ConfigDict
    steps: int = 0
    metric: str = ""
    at_least: float = 0.0
    over: int = 1
    reset: tuple[str, ...] = ()

    def seen(self, values: list[float], metrics: Mapping[str, Any]) -> list[float]:
        """The measurements of the phase after one more step, no more than it looks at.

        Raises:
          ValueError: no such metric.
        """
        if not self.metric:
            return values
        if self.metric not in metrics:
            raise ValueError(
                f"phases: a step measures no {self.metric!r}; it measures {', '.join(metrics)}"
            )
        return [*values, float(metrics[self.metric])][-self.over :]

    def over_after(self, steps: int, values: list[float]) -> bool:
        """Whether the phase ends, ``steps`` steps into it."""
        reached = len(values) == self.over and sum(values) / self.over >= self.at_least
        return 0 < self.steps <= steps or (bool(self.metric) and reached)


def build_phases(block: ConfigDict) -> tuple[Phase, ...]:
    """The phases of a block, or the block itself as the only one.

    Raises:
      ValueError: a phase sets what it may not, or never ends though another follows.
    """
    if not block.phases:
        return (Phase(block),)
    phases = tuple(_phase(block, spec, f"phases[{k}]") for k, spec in enumerate(block.phases))
    for k, phase in enumerate(phases[:-1]):
        if not phase.steps and not phase.metric:
            raise ValueError(f"phases[{k}] has neither steps nor metric, so it would never end")
    return phases


def _phase(block: ConfigDict, spec: Mapping[str, Any], where: str) -> Phase:
    known = {field.name for field in dataclasses.fields(Phase)} - {"block"} | {"set"}
    if not hasattr(spec, "items") or not set(spec) <= known:
        raise ValueError(f"{where} is {spec!r}; its keys are {', '.join(sorted(known))}")
    fields = {key: value for key, value in spec.items() if key != "set"}
    changed = ConfigDict(block.to_dict())
    changed.phases = ()
    for key, value in spec.get("set", {}).items():
        if key not in KEYS:
            raise ValueError(f"{where} sets {key!r}; a phase may set {', '.join(KEYS)}")
        del changed[key]  # its type may change
        changed[key] = ConfigDict(value) if isinstance(value, Mapping) else value
    phase = Phase(changed, **{**fields, "reset": tuple(fields.get("reset", ()))})
    if phase.steps < 0 or phase.over < 1 or not set(phase.reset) <= set(RESETS):
        raise ValueError(
            f"{where}: steps {phase.steps} and over {phase.over} count steps, reset "
            f"{phase.reset} names {' or '.join(RESETS)}"
        )
    return phase


def domain_phases(
    stages: Sequence[tuple[str, int]], *, steps: int, first_domain: str = "math"
) -> tuple[dict[str, Any], ...]:
    """Phases of a mixture's parts and lengths, as AceReason trains (arXiv 2505.16400).

    Args:
      stages: (part, most tokens of a completion), such as ``ACEREASON``.
      steps: of each phase.
      first_domain: the part that comes before all others.

    Raises:
      ValueError: another part comes before the first, or lengths of a part fall.
    """
    longest: dict[str, int] = {}
    for number, (part, length) in enumerate(stages):
        if part == first_domain and set(longest) - {first_domain}:
            raise ValueError(f"stage {number + 1}: {part} after {', '.join(longest)}; put it first")
        if length < longest.get(part, 0):
            raise ValueError(f"stage {number + 1}: {length} tokens after {longest[part]} of {part}")
        longest[part] = length
    return tuple(
        {
            "set": {
                "max_tokens": length,
                "admit": {"name": "reasoning_jax.stages.rl.admit.of_parts", "parts": (part,)},
            },
            "steps": steps,
        }
        for part, length in stages
    )
