"""The tools of a run, and the desk at which the calls of many rows are answered at once."""

import queue
import re
from collections.abc import Sequence
from concurrent.futures import Future
from types import TracebackType

from reasoning_jax.tools.protocol import Tool, ToolResult, ToolSession
from reasoning_jax.tools.syntax import Syntax


class Toolbox:
    """Tools by name, and how they are called.

    With one tool a call holds its argument alone; with several it begins with the tool's name:
    ``<tool>calculator 2*3</tool>``.

    Args:
      tools: at least one.
      syntax: delimiters of calls and results.
      wall_seconds: when no call of a turn was answered for so long, those still open have run
        out of time. Each tool's own limits should end its calls long before.

    Raises:
      ValueError: no tools, or two of one name.
    """

    def __init__(self, tools: Sequence[Tool], syntax: Syntax, wall_seconds: float = 30.0):
        self.tools = {tool.name: tool for tool in tools}
        if not tools or len(self.tools) < len(tools):
            names = [tool.name for tool in tools]
            raise ValueError(f"a toolbox of tools {names}: give at least one, each name once")
        self.syntax = syntax
        self.wall_seconds = wall_seconds

    def desk(self) -> "Desk":
        """A place for the calls of a batch of rows, as a context manager."""
        return Desk(self)

    def parse(self, text: str) -> tuple[str, str]:
        """Tool and argument of a call whose end stood right after ``text``.

        Raises:
          ValueError: no start of a call, or no such tool.
        """
        call = self.syntax.argument(text)
        if call is None:
            raise ValueError(f"{self.syntax.call_end} without {self.syntax.call_start} before it")
        if len(self.tools) == 1:
            return next(iter(self.tools)), call
        name, argument = re.fullmatch(r"\s*(\S*)\s?(.*)", call, re.DOTALL).groups()
        if name not in self.tools:
            raise ValueError(f"no tool {name!r}; begin with one of {', '.join(self.tools)}")
        return name, argument


class Desk:
    """Answers calls and keeps the tools' sessions of each row until it is closed."""

    def __init__(self, toolbox: Toolbox):
        self._toolbox = toolbox
        self._sessions: dict[tuple[int, str], ToolSession] = {}

    def answer(self, calls: Sequence[tuple[int, str]]) -> list[ToolResult]:
        """Answers all calls of a turn at once; never raises for what a tool or a call does.

        Args:
          calls: (row, text up to the end of its call).
        """
        answered: queue.SimpleQueue[int] = queue.SimpleQueue()
        futures = [self._begin(row, text) for row, text in calls]
        for index, future in enumerate(futures):
            future.add_done_callback(lambda _, index=index: answered.put(index))
        seconds = self._toolbox.wall_seconds
        late = ToolResult(f"no answer within {seconds:g} seconds", error=True)
        results, waiting = [late] * len(calls), set(range(len(calls)))
        while waiting:
            try:
                index = answered.get(timeout=seconds)
            except queue.Empty:
                break
            waiting.remove(index)
            results[index] = _result(futures[index])
        for index in waiting:
            self.close_row(calls[index][0])
        return results

    def close_row(self, row: int) -> None:
        """Ends the sessions of a row that makes no more calls."""
        for key in [key for key in self._sessions if key[0] == row]:
            self._sessions.pop(key).close()

    def __enter__(self) -> "Desk":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._sessions:
            self._sessions.popitem()[1].close()

    def _begin(self, row: int, text: str) -> "Future[ToolResult]":
        try:
            name, argument = self._toolbox.parse(text)
        except ValueError as error:
            return _failed(f"malformed call: {error}")
        try:
            if (row, name) not in self._sessions:
                self._sessions[row, name] = self._toolbox.tools[name].open()
            return self._sessions[row, name].submit(argument)
        except Exception as error:  # a fault of the tool: the row reads it, the run goes on
            return _failed(f"{name} failed: {type(error).__name__}: {error}")


def _result(future: "Future[ToolResult]") -> ToolResult:
    try:
        return future.result()
    except Exception as error:
        return ToolResult(f"{type(error).__name__}: {error}", error=True)


def _failed(message: str) -> "Future[ToolResult]":
    future: Future[ToolResult] = Future()
    future.set_result(ToolResult(message, error=True))
    return future
