"""Exact arithmetic as a tool."""

from reasoning_jax.tasks.arithmetic import evaluate
from reasoning_jax.tools.protocol import QuickTool


def calculator() -> QuickTool:
    """``+ - * /`` and parentheses over decimals, exact: ``7/2-1`` is ``5/2``."""
    return QuickTool("calculator", lambda expression: str(evaluate(expression)))
