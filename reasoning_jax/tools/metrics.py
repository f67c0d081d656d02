"""How completions used their tools."""

from collections.abc import Sequence

from reasoning_jax.types import Completion


def tool_scalars(completions: Sequence[Completion]) -> dict[str, float]:
    """Calls per completion, and the share of calls in error; nothing where no call was made."""
    calls = [call for out in completions for call in out.calls]
    if not calls:
        return {}
    return {
        "tool_calls": len(calls) / len(completions),
        "tool_errors": sum(call.error for call in calls) / len(calls),
    }
