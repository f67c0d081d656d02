"""The interpreter of rows: by a stand-in, and in the sandbox."""

import threading
from typing import NamedTuple

import pytest

from reasoning_jax.tools import Syntax, Toolbox, ToolResult
from reasoning_jax.tools.python import Python, python


class Said(NamedTuple):
    text: str
    failed: bool = False
    reason: str = ""


class StandIn:
    """Remembers what it was told; ``wait`` waits until it may go on."""

    def __init__(self):
        self.pieces, self.closed = [], 0
        self.started, self.go_on = threading.Event(), threading.Event()

    def run(self, code):
        self.pieces.append(code)
        if code == "wait":
            self.started.set()
            self.go_on.wait(60)
        match code:
            case "raise":
                return Said("Traceback\nKeyError: 1\n", True, "exception")
            case "loop":
                return Said("before\n", True, "timeout")
        return Said(f"{len(self.pieces)}\n")

    def close(self):
        self.closed += 1


@pytest.fixture
def made():
    return []


@pytest.fixture
def tool(made):
    def make():
        made.append(StandIn())
        return made[-1]

    return Python(make, processes=2)


def test_rows_have_interpreters_of_their_own(tool, made):
    with Toolbox([tool], Syntax(), wall_seconds=60).desk() as desk:
        calls = [(0, "<tool>\na = 1\n"), (1, "<tool>b")]
        assert desk.answer(calls) == [ToolResult("1"), ToolResult("1")]
        assert desk.answer(calls[:1]) == [ToolResult("2")]
    assert [one.pieces for one in made] == [["a = 1", "a = 1"], ["b"]]
    assert [one.closed for one in made] == [1, 1]


def test_errors_and_lost_states_are_told(tool):
    with Toolbox([tool], Syntax(), wall_seconds=60).desk() as desk:
        raised, lost = desk.answer([(0, "<tool>raise"), (1, "<tool>loop")])
    assert raised == ToolResult("Traceback\nKeyError: 1", error=True)
    assert lost == ToolResult("before\ntimeout; the interpreter starts anew", error=True)


def test_a_row_that_ends_during_a_call_is_closed_behind_it(tool, made):
    session = tool.open()
    call = session.submit("wait")
    assert made[0].started.wait(60)
    waiting = session.submit("later")
    session.close()
    assert made[0].closed == 0
    made[0].go_on.set()
    call.result(60)
    assert waiting.result(60) == ToolResult("the row has ended", error=True)
    assert made[0].pieces == ["wait"] and made[0].closed == 1


def test_processes_must_be_positive():
    with pytest.raises(ValueError, match="processes is 0"):
        Python(StandIn, 0)


@pytest.fixture(scope="module")
def sandboxed():
    try:
        return python(cpu_seconds=2.0, wall_seconds=20.0)
    except ValueError as error:
        pytest.skip(str(error))


def test_state_lasts_from_call_to_call_and_stays_in_its_row(sandboxed):
    with Toolbox([sandboxed], Syntax(), wall_seconds=120).desk() as desk:
        first = [(0, "<tool>\nx = 6\nprint('set')\n"), (1, "<tool>x = 'other'")]
        assert desk.answer(first) == [ToolResult("set"), ToolResult("")]
        second = [(0, "<tool>x * 7"), (1, "<tool>x"), (2, "<tool>x")]
        mine, other, none = desk.answer(second)
        assert (mine, other) == (ToolResult("42"), ToolResult("'other'"))
        assert none.error and "NameError" in none.text


def test_a_call_that_hangs_is_ended_and_its_row_goes_on(sandboxed):
    with Toolbox([sandboxed], Syntax(), wall_seconds=120).desk() as desk:
        hung, fine = desk.answer([(0, "<tool>x = 1\nwhile True: pass"), (1, "<tool>1 + 1")])
        assert hung.error and "timeout; the interpreter starts anew" in hung.text
        assert fine == ToolResult("2")
        assert desk.answer([(0, "<tool>2 + 2")]) == [ToolResult("4")]
