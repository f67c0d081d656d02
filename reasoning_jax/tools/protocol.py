"""What a tool is: something a row may call with a text, and that answers with a text."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, Protocol


class ToolResult(NamedTuple):
    """The answer to one call.

    Attributes:
      text: for the policy to read; where ``error``, what went wrong.
      error: the call could not be answered.
    """

    text: str
    error: bool = False


class ToolSession(Protocol):
    """A tool as one row sees it; what it remembers lasts until the row ends."""

    def submit(self, argument: str) -> "Future[ToolResult]":
        """Begins to work out a call; must return at once. A row has one call at a time."""
        ...

    def close(self) -> None:
        """Forgets the row; must end what still runs for it."""
        ...


class Tool(Protocol):
    """A tool; one object serves all rows.

    Attributes:
      name: how a call names it where there are several.
    """

    name: str

    def open(self) -> ToolSession:
        """A session for a row, asked for at the row's first call."""
        ...


class QuickTool:
    """A tool without memory around a function that is always quick, run where it is called.

    Args:
      name: of the tool.
      function: argument -> result; ValueError says what is wrong with the argument.
    """

    def __init__(self, name: str, function: Callable[[str], str]):
        self.name = name
        self._function = function

    def open(self) -> "QuickTool":
        return self

    def submit(self, argument: str) -> "Future[ToolResult]":
        future: Future[ToolResult] = Future()
        try:
            future.set_result(ToolResult(self._function(argument)))
        except ValueError as error:
            future.set_result(ToolResult(str(error), error=True))
        return future

    def close(self) -> None:
        pass
