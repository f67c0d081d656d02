"""Tools that a policy may call while it writes."""

from reasoning_jax.tools.calculator import calculator
from reasoning_jax.tools.encode import encode_result, encode_worked
from reasoning_jax.tools.metrics import tool_scalars
from reasoning_jax.tools.protocol import QuickTool, Tool, ToolResult, ToolSession
from reasoning_jax.tools.python import python
from reasoning_jax.tools.symbolic import symbolic
from reasoning_jax.tools.syntax import Syntax
from reasoning_jax.tools.toolbox import Desk, Toolbox

__all__ = [
    "Desk",
    "QuickTool",
    "Syntax",
    "Tool",
    "ToolResult",
    "ToolSession",
    "Toolbox",
    "calculator",
    "encode_result",
    "encode_worked",
    "python",
    "symbolic",
    "tool_scalars",
]
