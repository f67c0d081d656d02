"""Command-line values for config blocks whose keys depend on a name in the config.

A recipe is locked: a misspelt key is refused. But a task has the options of its class, a preset
model the fields of ModelConfig and a named function its own keywords, so for these blocks
``--config.rl.policy_loss.high=0.28`` may add a key; what is wrong is refused when it is used.
"""

import ast
import re

from ml_collections import ConfigDict

_OVERRIDE = re.compile(r"--config\.([\w.]+)\.(\w+)=(.*)", re.DOTALL)
_TASK = re.compile(r"--config\.task=(.*)")
_BLOCKS = (
    *("task_options", "model_overrides", "reward", "advantage", "policy_loss", "aggregate", "kl"),
    *("schedule", "decay_mask", "variables", "scaling", "loss"),
)


def split(argv: list[str]) -> tuple[list[str], list[str]]:
    """(what the flags module reads, overrides of free blocks)."""
    free = []
    for arg in argv:
        match = _OVERRIDE.fullmatch(arg)
        if match and match[1].rpartition(".")[2] in _BLOCKS and match[2] != "name":
            free.append(arg)
    return [arg for arg in argv if arg not in free], free


def apply(config: ConfigDict, argv: list[str], free: list[str]) -> None:
    """Sets the free overrides; another task starts without the recipe's task options.

    Values are Python literals, or text where they are none.

    Raises:
      ValueError: the block an override names does not exist.
    """
    with config.unlocked():
        if any(_TASK.fullmatch(arg) for arg in argv):
            config.task_options = ConfigDict()
        for arg in free:
            path, key, text = _OVERRIDE.fullmatch(arg).groups()
            block = config
            for name in path.split("."):
                if not isinstance(block, ConfigDict) or name not in block:
                    raise ValueError(f"--config.{path}.{key}: the config has no key {name!r}")
                block = block[name]
            with block.ignore_type():
                block[key] = _literal(text)


def options(pairs: list[str]) -> dict[str, object]:
    """``key=value`` texts as keywords; values are Python literals, or text where they are none.

    Raises:
      ValueError: a text without ``=``, or one that does not begin with a name.
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"{pair!r} is no key=value")
        found[key] = _literal(value)
    return found


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
