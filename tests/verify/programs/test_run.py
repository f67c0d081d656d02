"""Programs and their outcomes, one by one."""

import concurrent.futures

import pytest

from reasoning_jax.verify.programs import (
    AssertTest,
    CallTest,
    Limits,
    StdioTest,
    program_check,
    program_verdict,
    run_program,
)


def outcome(source, test, limits=Limits(cpu_seconds=2)):  # noqa: B008
    (found,) = run_program(source, [test], limits).outcomes
    return found.passed, found.reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("print(int(input()) + 1)", "passed"),
        ("import sys\nprint(int(sys.stdin.read()) + 1)", "passed"),
        ("import os\nos.write(1, b'42')", "passed"),
        ("print(open(0).readline() and 42)", "passed"),
        ("import sys\nprint(42); sys.exit()", "passed"),
        ("import os\nprint(42, flush=True); os._exit(0)", "passed"),
        ("import atexit\natexit.register(print, 42)", "passed"),
        ("import threading\nthreading.Thread(target=print, args=(42,)).start()", "passed"),
        ("if __name__ == '__main__': print(42)", "passed"),
        ("def f():\n    return g()\ndef g():\n    return 42\nprint(f())", "passed"),
        ("import random, heapq, numpy\nprint(numpy.int64(42))", "passed"),
        ("print(41)", "wrong_output"),
        ("", "wrong_output"),
        ("print(42); 1 / 0", "exception:ZeroDivisionError"),
        ("print(42); raise SystemExit(3)", "exit_code"),
        ("print(42); raise SystemExit('no')", "exit_code"),
        ("print(", "syntax_error"),
        ("  print(1)", "syntax_error"),
        ("x = bytearray(1 << 40)", "memory"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "crash"),
        ("while True: print('x' * 10000)", "output_limit"),
        ("import nothing_of_this_name", "exception:ModuleNotFoundError"),
    ],
)
def test_scripts(source, reason):
    pytest.importorskip("numpy")
    limits = Limits(cpu_seconds=10, wall_seconds=60, memory_bytes=1 << 30)
    assert outcome(source, StdioTest("41\n", "42\n"), limits) == (reason == "passed", reason)


def test_time_limits():
    cpu = Limits(cpu_seconds=0.3, wall_seconds=60)
    wall = Limits(cpu_seconds=60, wall_seconds=0.5)
    assert outcome("while True: pass", StdioTest("", ""), cpu) == (False, "timeout")
    assert outcome("import time; time.sleep(60)", StdioTest("", ""), wall) == (False, "timeout")
    sleepy = "import time\ndef f(): time.sleep(60)"
    assert outcome(sleepy, CallTest.of("f", [], 1), wall) == (False, "timeout")
    assert outcome(sleepy, AssertTest("f()"), wall) == (False, "timeout")


def test_a_large_input_and_output_pass_through():
    text = "\n".join(map(str, range(100_000)))
    source = "import sys\nsys.stdout.write(sys.stdin.read())"
    assert outcome(source, StdioTest(text, text)) == (True, "passed")
    numbers = list(range(100_000))
    assert outcome("def f(x): return x", CallTest.of("f", [numbers], numbers)) == (True, "passed")


SOLUTION = """
class Solution:
    def twice(self, x, *, by=2): return x * by
def twice(x): return x * 2
def pair(x): return (x, {x: [x]})
def bad(x): raise KeyError(x)
def leave(x): raise SystemExit
def none(x): pass
def opaque(x): return object()
count = 0
def counted():
    global count
    count += 1
    return count
"""


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        (CallTest.of("twice", [3], 6), "passed"),
        (CallTest.of("Solution.twice", [[1]], [1, 1]), "passed"),
        (CallTest.of("Solution.twice", [3], 9, kwargs={"by": 3}), "passed"),
        (CallTest.of("pair", [3], (3, {3: [3]})), "passed"),
        (CallTest.of("none", [3], None), "passed"),
        (CallTest.of("twice", [3], 6.0), "wrong_value"),
        (CallTest.of("twice", [True], True), "wrong_value"),
        (CallTest.of("bad", [3], 3), "exception:KeyError"),
        (CallTest.of("leave", [3], None), "early_exit"),
        (CallTest.of("opaque", [3], None), "unsupported_value"),
        (CallTest.of("missing", [3], None), "no_function"),
        (CallTest.of("Solution.missing", [3], None), "exception:AttributeError"),
        (CallTest.of("twice", [], 0), "exception:TypeError"),
    ],
)
def test_calls(test, reason):
    assert outcome(SOLUTION, test) == (reason == "passed", reason)


def test_an_expected_output_has_room_whatever_the_limit():
    limits = Limits(output_bytes=10, wall_seconds=60)
    assert outcome("print('x' * 100)", StdioTest("", "x" * 100), limits) == (True, "passed")
    assert outcome("print('x' * 1000)", StdioTest("", "x" * 100), limits) == (False, "output_limit")
    source = "def f(n): return 'x' * n"
    assert outcome(source, CallTest.of("f", [5000], "x" * 5000), limits) == (True, "passed")
    assert outcome(source, CallTest.of("f", [9000], "x" * 500), limits) == (False, "bad_reply")
    big = AssertTest("x = list(range(10**5))\nx.reverse()\nback(x)\nassert x[0] == 0")
    assert outcome("def back(x): x.reverse()", big, limits) == (True, "passed")


def test_threads_share_nothing():
    def run(number):
        tests = [StdioTest(str(number), str(number)), AssertTest(f"assert f() == {number}")]
        return run_program(f"def f(): return {number}\nprint(input())", tests[:1]).passed and (
            run_program(f"def f(): return {number}", tests[1:]).passed
        )

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert all(threads.map(run, range(32)))


def test_every_test_has_a_fresh_process():
    test = CallTest.of("counted", [], 1)
    assert run_program(SOLUTION, [test, test, AssertTest("assert counted() == 1")]).passed


def test_values_that_cannot_be_expected_are_refused():
    with pytest.raises(TypeError, match="object is not plain data"):
        CallTest.of("f", [object()], 1)


def test_what_is_no_test_is_named():
    with pytest.raises(TypeError, match=r"StdioTest.*got str"):
        run_program("", ["assert True"])


def test_limits_are_positive():
    with pytest.raises(ValueError, match=r"cpu_seconds.*0"):
        Limits(cpu_seconds=0)


def test_a_result_says_all_and_a_verdict_stops_early():
    tests = (StdioTest("", "1"), StdioTest("", "2"), StdioTest("", "1"))
    result = run_program("print(1)", tests)
    assert [found.passed for found in result.outcomes] == [True, False, True]
    assert (result.passed, result.reason) == (False, "wrong_output")
    assert result.isolation in ("bubblewrap", "landlock")
    verdict = program_verdict("print(1)", tests)
    assert (verdict.correct, verdict.reason) == (False, "wrong_output")
    assert program_verdict("print(1)", tests[:1]).correct is True
    assert program_verdict("print(1)", ()).correct is None


def test_all_tests_together_have_a_time():
    source, tests = "import time; time.sleep(0.3)", (StdioTest("", ""),) * 100
    verdict = program_verdict(source, tests, total_seconds=0.5)
    assert (verdict.correct, verdict.reason) == (False, "timeout")


def test_a_check_runs_in_the_pool():
    from reasoning_jax.verify.pool import Pool

    tests = [AssertTest("assert f(2) == 4"), CallTest.of("f", [3], 9), StdioTest("", "")]
    checks = [program_check(f"def f(x): return x {op} x", tests) for op in ("*", "+")]
    hang = program_check("while True: pass", [StdioTest("", "")], Limits(cpu_seconds=0.3))
    with Pool(1) as pool:
        right, wrong, late = [f.result() for f in map(pool.submit, [*checks, hang])]
    assert (right.correct, right.reason) == (True, "passed")
    assert (wrong.correct, wrong.reason) == (False, "wrong_value")
    assert (late.correct, late.reason) == (False, "timeout")
