from reasoning_jax.tools import tool_scalars
from reasoning_jax.types import Completion, ToolCall


def test_calls_by_hand():
    plain = Completion("a", (1,), (-1.0,), "stop")
    called = Completion(
        "b", (1,), (-1.0,), "stop", calls=(ToolCall("1", "1"), ToolCall("x", "bad", True))
    )
    again = Completion("b", (1,), (-1.0,), "stop", calls=(ToolCall("1", "1"),) * 2)
    assert tool_scalars([plain, called, again, plain]) == {"tool_calls": 1.0, "tool_errors": 0.25}
    assert tool_scalars([plain]) == {} == tool_scalars([])
