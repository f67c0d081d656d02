"""The interpreter for tool calls: state, output, limits."""

import concurrent.futures

import pytest

from reasoning_jax.verify.programs import Limits, Session

LIMITS = Limits(cpu_seconds=0.5, wall_seconds=30, output_bytes=1000, memory_bytes=256 << 20)


@pytest.fixture
def session(level):
    with Session(LIMITS, level) as session:
        yield session


def test_state_is_kept_and_the_last_value_shown(session):
    assert session.run("import math\nx = 20").text == ""
    result = session.run("print('x is', x)\nx + math.floor(1.5)")
    assert (result.text, result.failed, result.reason) == ("x is 20\n21\n", False, "")
    assert session.run("def f(n):\n    return n * x").failed is False
    assert session.run("f(2)").text == "40\n"
    assert session.run("x = None\nx").text == ""
    assert session.run("_").text == "40\n"
    assert session.run("for i in range(2): i").text == ""


def test_errors_are_shown_and_state_stays(session):
    session.run("x = 1")
    result = session.run("print('before')\n1 / 0")
    assert result.failed and result.reason == "exception"
    assert result.text.startswith("before\nTraceback")
    assert result.text.endswith("1 / 0\n    ~~^~~\nZeroDivisionError: division by zero\n") or (
        result.text.endswith("ZeroDivisionError: division by zero\n")
    )
    assert "inside" not in result.text
    assert "SyntaxError" in session.run("x = = 2").text
    assert "SystemExit" in session.run("raise SystemExit(0)").text
    assert session.run("x").text == "1\n"


def test_a_killed_interpreter_begins_anew(session):
    for code, reason in (
        ("while True: pass", "timeout"),
        ("import os; os._exit(0)", "early_exit"),
        ("import ctypes; ctypes.string_at(0)", "crash"),
    ):
        session.run("x = 1")
        result = session.run(f"print('out', flush=True)\n{code}")
        assert (result.text, result.failed, result.reason) == ("out\n", True, reason)
        assert "NameError" in session.run("x").text


def test_the_time_is_for_each_call(session):
    busy = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    for _ in range(3):
        assert session.run(busy).reason == ""


def test_output_is_cut_and_nothing_stalls(session):
    result = session.run("print('é' * 1_000_000)\nx = 5")
    assert not result.failed
    assert len(result.text.encode()) < 1100 and result.text.endswith("[output cut]")
    assert session.run("x").text == "5\n"
    assert session.run("import os; os.write(2, b'\\xff'); None").text == "\N{REPLACEMENT CHARACTER}"


def test_memory_is_an_error_of_the_program(session):
    assert "MemoryError" in session.run("x = bytearray(1 << 30)").text
    assert session.run("1").text == "1\n"


def test_isolation_holds(session):
    assert "Error" in session.run("open('/etc/passwd')").text
    assert "Error" in session.run("import socket; socket.socket()").text
    session.run("open('note', 'w').write('x')")
    assert session.run("open('note').read()").text == "'x'\n"
    session.close()
    assert session.run("import os; os.listdir('.')").text == "[]\n"


def test_code_that_is_no_text_of_python(session):
    for code in ("\0", "\ud800", "(" * 10_000, "x" * 1_000_000 + " ="):
        result = session.run(code)
        assert result.failed, result
    assert session.run("7").text == "7\n"


def test_sessions_run_side_by_side(level):
    sessions = [Session(LIMITS, level) for _ in range(6)]
    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda pair: pair[1].run(f"x = {pair[0]}"), enumerate(sessions)))
        found = list(threads.map(lambda session: session.run("x").text, sessions))
    for session in sessions:
        session.close()
    assert found == [f"{i}\n" for i in range(6)]
