"""The warm-up, task and studies that recipes of RL share: chains of ten operations, a small model.

Not a recipe by itself: ``get_config`` of the recipes beside it start from here. It is
``quickstart:hard``, where greedy answers err too and RL leaves head-room, with fewer steps of RL;
its small form, for continuous integration, is ``quickstart:small``.
"""

from collections.abc import Iterable
from typing import Any

from ml_collections import ConfigDict

from configs import quickstart
from reasoning_jax.studies import Arm, Budget, Curve, Measure, Study, curve_mean, last

WARM_UP = ("sft",)  # what all of them begin with, in a study once per seed


def chains(name: str, header: str, small: bool) -> ConfigDict:
    """An unlocked config with stages sft, evaluate_sft, rl, evaluate_rl.

    Args:
      name, header: of the recipe, for its report.
      small: the form that takes half a minute.
    """
    config = quickstart.get_config("small" if small else "hard").unlock()
    config.name, config.header = name, header
    # All arms of a comparison train to the end; what counts is the best evaluation of each, greedy
    # or not.
    config.rl.guard.slack = 1.0
    config.rl.guard.patience = 1_000
    if not small:
        config.rl.steps = 60
    return config


def split_variant(recipe: str, text: str, known: tuple[str, ...]) -> tuple[str, bool]:
    """(variant, whether the small form is meant) of ``variant``, ``small`` or ``variant,small``.

    Raises:
      ValueError: no such variant; the first known one stands where none is named.
    """
    parts = [part for part in text.split(",") if part]
    small = "small" in parts
    names = [part for part in parts if part != "small"] or [known[0]]
    if len(names) > 1 or names[0] not in known:
        raise ValueError(
            f"{recipe} has no variant {text!r}: choose {', '.join(known)}, and ,small behind it "
            "for the small form"
        )
    return names[0], small


MEASURES = (
    Measure("pass@1", last("evaluate_rl", "eval/pass@1")),
    Measure("greedy", last("evaluate_rl", "eval/greedy")),
    Measure("pass@1 while training", curve_mean("rl", "eval/pass@1")),
)
ENTROPY = Measure("entropy at the end", last("rl", "rl/entropy"), unit="nats")
ACCURACY_CURVE = Curve("rl", "eval/pass@1", "pass@1")
ENTROPY_CURVE = Curve("rl", "rl/entropy", "entropy", unit="nats")


def compare(
    recipe: str,
    question: str,
    variants: Iterable[str],
    baseline: str,
    measures: tuple[Measure, ...] = (*MEASURES, ENTROPY),
    curves: tuple[Curve, ...] = (ACCURACY_CURVE, ENTROPY_CURVE),
    **options: Any,
) -> Study:
    """The study of a recipe's variants at an equal number of completions, from one warm-up a seed.

    Args:
      recipe: its file's name.
      options: other fields of Study.
    """
    arms = {variant: Arm(f"configs/{recipe}.py:{variant}") for variant in variants}
    fields = {"budget": Budget("completions", stage="rl"), "shared": WARM_UP} | options
    return Study(recipe, question, arms, baseline, measures, curves=curves, **fields)
