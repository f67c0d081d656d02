"""Puts a program to one test, by the kind of test."""

import ast
import contextlib
import json
import os
import re
import secrets
import signal
import socket
import time
from collections.abc import Iterator, Sequence

from reasoning_jax.verify.programs import comparison
from reasoning_jax.verify.programs.cases import AssertTest, CallTest, StdioTest
from reasoning_jax.verify.programs.inside import reasons
from reasoning_jax.verify.programs.limits import Limits
from reasoning_jax.verify.programs.line import (
    CLOSING_SECONDS,
    BadReply,
    Capture,
    Ended,
    Line,
    collect,
)
from reasoning_jax.verify.programs.results import Outcome
from reasoning_jax.verify.programs.sandbox import End, Sandbox, memory_file

STDERR_BYTES = 1 << 14
_INVOKE = 1  # what a program exports second: (path, args, kwargs) -> result
_LAST_LINE = re.compile(r"(?:\w+\.)*(\w+)(?::.*)?")
_AROUND = 1 << 10  # bytes of a message around the value


def stdio(sandbox: Sandbox, source: str, test: StdioTest, limits: Limits) -> Outcome:
    """Runs a program as a script and compares what it prints."""
    deadline = time.monotonic() + limits.wall_seconds
    with (
        contextlib.closing(Capture(_room(limits, test.expected))) as out,
        contextlib.closing(Capture(STDERR_BYTES)) as errors,
    ):
        with memory_file(test.stdin.encode(errors="surrogatepass")) as stdin:
            fds = (stdin, out.write_end, errors.write_end)
            sandbox.start({"kind": "stdio", "source": source}, limits, fds)
        out.started()
        errors.started()
        end = collect(sandbox, out, errors, deadline)
        said = errors.text().strip()
        if out.full:
            return Outcome(False, "output_limit", cpu_seconds=end.cpu_seconds)
        if end.why or end.code != 0:
            return Outcome(
                False, _reason_of_script(end, said, limits), said[-300:], end.cpu_seconds
            )
        if comparison.OUTPUT_RULES[test.rule](out.text(), test.expected):
            return Outcome(True, "passed", cpu_seconds=end.cpu_seconds)
        return Outcome(False, "wrong_output", out.text()[:300], end.cpu_seconds)


def call(sandbox: Sandbox, source: str, test: CallTest, limits: Limits) -> Outcome:
    """Calls a function of a program and compares what it returns."""
    deadline = time.monotonic() + limits.wall_seconds
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            _start_silent(sandbox, _calls_job(source), limits, [theirs.fileno()])
        line = Line(ours, sandbox, deadline, _room(limits, test.expected) + _AROUND)
        arguments = [test.function, json.loads(test.args), json.loads(test.kwargs)]
        request = {"op": "call", "id": _INVOKE, "args": [arguments, {"dict": []}]}
        try:
            reply = line.receive()
            if isinstance(reply, dict) and "ready" in reply:
                line.send(request)
                reply = line.receive()
        except Ended as ended:
            return Outcome(False, _reason(ended.end, limits), cpu_seconds=ended.end.cpu_seconds)
        except BadReply as error:
            end = sandbox.stop("bad_reply")
            return Outcome(False, "bad_reply", str(error), end.cpu_seconds)
    end = sandbox.stop("answered")
    return _judged(reply, test, end.cpu_seconds)


def _judged(reply: object, test: CallTest, cpu_seconds: float) -> Outcome:
    if not isinstance(reply, dict) or not {"raise", "value"} & reply.keys():
        return Outcome(False, "bad_reply", cpu_seconds=cpu_seconds)
    if "raise" in reply:
        reason = reasons.of_exception(str(reply["raise"]))
        return Outcome(False, reason, str(reply.get("text", ""))[:300], cpu_seconds)
    try:
        (value,) = reply["value"]
        right = comparison.VALUE_RULES[test.rule](value, json.loads(test.expected))
        shown = json.dumps(value)[:300]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Outcome(False, "bad_reply", cpu_seconds=cpu_seconds)
    if right:
        return Outcome(True, "passed", cpu_seconds=cpu_seconds)
    unknown = isinstance(value, dict) and "mine" in value
    reason = "unsupported_value" if unknown else "wrong_value"
    return Outcome(False, reason, shown, cpu_seconds)


def assertions(
    sandbox: Sandbox, examiner: Sandbox, source: str, test: AssertTest, limits: Limits
) -> Outcome:
    """Runs assertions in one sandbox on a program in another.

    The program can reach neither the assertions nor the channel of the report: they are in the
    memory of a process that shares with it a stream of plain data and nothing else.
    """
    deadline = time.monotonic() + limits.wall_seconds
    nonce = secrets.token_hex(16)
    records = _classes(test.setup)
    if records is None:
        return Outcome(None, "broken_test", "the setup does not parse")
    examination = {
        "kind": "examine",
        "source": test.source,
        "setup": test.setup,
        "names": list(test.names),
        "records": records,
        "nonce": nonce,
        "limit": limits.memory_bytes >> 3,  # what is read takes several times its size
    }
    ours, report = socket.socketpair()
    with ours:
        with report, _stream() as (of_program, of_examiner):
            _start_silent(sandbox, _calls_job(source, records), limits, [of_program])
            _start_silent(examiner, examination, limits, [of_examiner, report.fileno()])
        line = Line(ours, examiner, deadline, _AROUND << 4)
        end = None
        try:
            said = line.receive()
        except Ended as ended:
            end, said = ended.end, None
        except BadReply:
            said = None
    if end is None:
        end = examiner.stop("answered")
    program = _end_of_program(sandbox, said)
    return _reported(said, nonce, end, program, limits)


def _end_of_program(sandbox: Sandbox, said: object) -> End:
    """How the program ended, which explains a report that it was lost; else it is stopped."""
    if isinstance(said, dict) and said.get("reason") == "lost":
        # A program may also close the line and live on.
        return sandbox.end(CLOSING_SECONDS) or sandbox.stop("bad_reply")
    return sandbox.stop("answered")


def _reported(said: object, nonce: str, examiner: End, program: End, limits: Limits) -> Outcome:
    cpu = program.cpu_seconds
    if not isinstance(said, dict):
        # The examiner only swells or stalls over what the program does to it.
        if program.why not in ("", "answered"):
            return Outcome(False, program.why, cpu_seconds=cpu)
        if examiner.why or examiner.code < 0:
            return Outcome(False, _reason(examiner, limits), "of the examiner", cpu)
        return Outcome(None, "broken_test", "the assertions ended their process", cpu)
    reason, detail = str(said["reason"]), str(said.get("detail", ""))
    if reason == "lost":
        return Outcome(False, _reason(program, limits), cpu_seconds=cpu)
    if reason == "passed":
        passed = said.get("nonce") == nonce
        return Outcome(passed, "passed" if passed else "early_exit", cpu_seconds=cpu)
    return Outcome(None if reason == "broken_test" else False, reason, detail, cpu)


def _room(limits: Limits, expected: str) -> int:
    """Bytes of output taken: enough for what is expected, whatever the limit."""
    return max(limits.output_bytes, 2 * len(expected.encode(errors="surrogatepass")))


def _calls_job(source: str, records: Sequence[str] = ()) -> dict:
    return {"kind": "calls", "source": source, "records": list(records)}


def _start_silent(sandbox: Sandbox, job: dict, limits: Limits, channels: list[int]) -> None:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        sandbox.start(job, limits, [null, null, null, *channels])
    finally:
        os.close(null)


@contextlib.contextmanager
def _stream() -> Iterator[tuple[int, int]]:
    left, right = socket.socketpair()
    with left, right:
        yield left.fileno(), right.fileno()


def _reason(end: End, limits: Limits) -> str:
    """The reason of a failure, from how a program ended before it answered."""
    if end.why:
        return end.why
    if end.code >= 0:
        return "early_exit"
    spent = end.cpu_seconds >= limits.cpu_seconds
    out_of_time = end.code == -signal.SIGXCPU or (end.code == -signal.SIGKILL and spent)
    return "timeout" if out_of_time else "crash"


def _reason_of_script(end: End, stderr: str, limits: Limits) -> str:
    last = _LAST_LINE.fullmatch(stderr.rpartition("\n")[2])
    if end.why or end.code < 0:
        return _reason(end, limits)
    return reasons.of_exception(last[1]) if last and last[1][:1].isupper() else "exit_code"


def _classes(setup: str) -> list[str] | None:
    """Names of the classes a setup defines; None when it does not parse."""
    try:
        body = ast.parse(setup).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return [node.name for node in body if isinstance(node, ast.ClassDef)]
