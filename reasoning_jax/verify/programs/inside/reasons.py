"""What an exception inside a program is called."""

_OF_TYPES = {
    "NoFunction": "no_function",
    "SyntaxError": "syntax_error",
    "IndentationError": "syntax_error",
    "TabError": "syntax_error",
    "MemoryError": "memory",
    "SystemExit": "early_exit",
    "Unsupported": "unsupported_value",
    "TooDeep": "unsupported_value",
}


def of_exception(name):
    """The reason of an outcome, from the name of an exception's type."""
    return _OF_TYPES.get(name, f"exception:{name[:80]}")
