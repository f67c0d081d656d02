"""The warm-up and task that recipes of RL share: chains of ten operations for a small model.

Not a recipe by itself: ``get_config`` of the recipes beside it start from here. It is
``quickstart:hard``, where greedy answers err too and RL leaves head-room, with fewer steps of RL;
its small form, for continuous integration, is ``quickstart:small``.
"""

from ml_collections import ConfigDict

from configs import quickstart

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
