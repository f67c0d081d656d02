"""Functions chosen by dotted name in a config."""

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any


def function(spec: Mapping[str, Any], where: str) -> Callable:
    """The function of ``{"name": "package.module.function", **keywords}``, keywords bound.

    Args:
      where: the config key, for messages.

    Raises:
      ValueError: no such function, it does not take one of the keywords, or lacks one it needs.
    """
    keywords = {key: value for key, value in spec.items() if key != "name"}
    module_name, _, attribute = spec["name"].rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
        accepted = inspect.signature(found).parameters
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{where}.name: no function {spec['name']!r} ({error})") from error
    for key in keywords:
        if key not in accepted:
            raise ValueError(
                f"{where}: {spec['name']} takes no {key!r}; it takes {', '.join(accepted)}"
            )
    missing = [
        name
        for name, parameter in accepted.items()
        if parameter.kind is parameter.KEYWORD_ONLY
        and parameter.default is parameter.empty
        and name not in keywords
    ]
    if missing:
        raise ValueError(f"{where}: {spec['name']} needs {', '.join(missing)}; give it beside name")
    return functools.partial(found, **keywords) if keywords else found
