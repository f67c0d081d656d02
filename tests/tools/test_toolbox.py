"""Calls by name, many at once, and sessions that end."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from reasoning_jax.tools import QuickTool, Syntax, Toolbox, ToolResult, calculator

ECHO = QuickTool("echo", lambda text: f"<{text}>")


def test_one_tool_takes_the_whole_call():
    toolbox = Toolbox([calculator()], Syntax())
    assert toolbox.parse("<tool>1 + 1") == ("calculator", "1 + 1")


def test_several_tools_are_called_by_name():
    toolbox = Toolbox([calculator(), ECHO], Syntax())
    assert toolbox.parse("<tool>echo a b\n c") == ("echo", "a b\n c")
    assert toolbox.parse("<tool>\n echo\na") == ("echo", "a")
    assert toolbox.parse("<tool>calculator") == ("calculator", "")
    with pytest.raises(ValueError, match="no tool 'bash'; begin with one of calculator, echo"):
        toolbox.parse("<tool>bash ls")
    with pytest.raises(ValueError, match="</tool> without <tool>"):
        toolbox.parse("echo a")


def test_tools_need_names_of_their_own():
    with pytest.raises(ValueError, match=r"\['echo', 'echo'\]"):
        Toolbox([ECHO, ECHO], Syntax())
    with pytest.raises(ValueError, match="at least one"):
        Toolbox([], Syntax())


def test_answers_come_in_the_order_of_the_calls_with_errors_as_texts():
    calls = [(0, "<tool>calculator 7/2"), (1, "<tool>echo x"), (0, "<tool>calculator 1/0")]
    with Toolbox([calculator(), ECHO], Syntax()).desk() as desk:
        half, echoed, failed = desk.answer(calls)
        assert desk.answer([]) == []
    assert (half, echoed) == (ToolResult("7/2"), ToolResult("<x>"))
    assert failed.error and "1/0" in failed.text


class Counter:
    """A tool that counts the calls of each row, in threads that wait for each other."""

    name = "counter"

    def __init__(self, rows):
        self.barrier = threading.Barrier(rows)
        self.threads = ThreadPoolExecutor(rows)
        self.closed = 0

    def open(self):
        return _Count(self)


class _Count:
    def __init__(self, tool):
        self.tool, self.count = tool, 0

    def submit(self, argument):
        return self.tool.threads.submit(self._work)

    def _work(self):
        self.tool.barrier.wait(timeout=60)
        self.count += 1
        return ToolResult(str(self.count))

    def close(self):
        self.tool.closed += 1


def test_all_calls_of_a_turn_run_at_once_and_rows_keep_their_memory():
    tool = Counter(rows=3)
    with Toolbox([tool], Syntax(), wall_seconds=60).desk() as desk:
        calls = [(row, "<tool>") for row in range(3)]
        # The barrier opens only when all three calls are under way.
        assert [result.text for result in desk.answer(calls)] == ["1"] * 3
        assert [result.text for result in desk.answer(calls)] == ["2"] * 3
        desk.close_row(1)
        assert tool.closed == 1
        assert [result.text for result in desk.answer(calls)] == ["3", "1", "3"]
    assert tool.closed == 4
    tool.threads.shutdown()


def test_a_call_without_an_answer_ends_its_session_and_no_other():
    class Deaf(QuickTool):
        closed = 0

        def submit(self, argument):
            return Future() if argument == "hang" else super().submit(argument)

        def close(self):
            self.closed += 1

    tool = Deaf("deaf", str.upper)
    with Toolbox([tool], Syntax(), wall_seconds=0.2).desk() as desk:
        hung, fine = desk.answer([(0, "<tool>hang"), (1, "<tool>a")])
        assert hung == ToolResult("no answer within 0.2 seconds", error=True)
        assert fine == ToolResult("A") and tool.closed == 1
        assert desk.answer([(0, "<tool>b")]) == [ToolResult("B")]
    assert tool.closed == 3
