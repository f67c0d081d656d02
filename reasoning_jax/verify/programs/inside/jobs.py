"""The kinds of work a confined process does. Each takes the job's fields and ends the process."""

import atexit
import builtins
import io
import os
import sys
import threading
import traceback
import types

from inside import examiner, frames, peer, repl

ANY = 1 << 32  # bytes: what reaches a program is trusted, and its memory is bounded
LINE, REPORT = 3, 4  # descriptors of the channel to the other side and of the examiner's report


def run(job):
    """Does the work that ``job["kind"]`` names."""
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8", errors="replace")
    sys.stdout = _writer(1)
    sys.stderr = _writer(2)
    sys.argv = ["program.py"]
    kind = job.pop("kind")
    if kind == "stdio":
        _stdio(**job)
    elif kind == "calls":
        _calls(**job)
    elif kind == "examine":
        examiner.examine(LINE, REPORT, **job)
    elif kind == "repl":
        repl.serve(_keep(LINE), _module("__main__").__dict__, **job)


def _calls(source, records):
    """Loads a program, says so, and answers calls to what it defines until nobody asks."""
    module = _module("program")
    line = _keep(LINE)
    try:
        exec(compile(source, "program.py", "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        frames.send(line, {"raise": type(error).__name__[:80], "text": peer.text_of(error)})
        return
    classes = {name: module.__dict__.get(name) for name in records}
    end = peer.Peer(line, ANY, peer.OF_PROGRAM, True, classes)
    end.export(lambda path: _find(module.__dict__, path))
    end.export(lambda path, args, kwargs: _invoke(module.__dict__, path, args, kwargs))
    frames.send(line, {"ready": True})
    try:
        end.serve()
    except frames.Closed:
        return


class NoFunction(LookupError):
    """The program defines no such name."""


def _find(scope, path):
    """The object of a name; that of ``"Solution.method"`` is bound to a fresh instance."""
    name, dot, method = path.partition(".")
    if name not in scope:
        raise NoFunction(name)
    return getattr(scope[name](), method) if dot else scope[name]


def _invoke(scope, path, args, kwargs):
    # In a list, for the arguments of a call that returns None would be sent back.
    return [_find(scope, path)(*args, **kwargs)]


def _stdio(source):
    """Runs a program as a script would; its uncaught exception is the last line of stderr."""
    module = _module("__main__")
    code = 0
    try:
        exec(compile(source, "program.py", "exec", dont_inherit=True), module.__dict__)
    except SystemExit as error:
        code = _exit_code(error.code)
    except BaseException:
        traceback.print_exc(limit=4)
        code = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    # Programs that collect their output print it from there.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _exit_code(code):
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def _module(name):
    module = types.ModuleType(name)
    module.__builtins__ = builtins
    sys.modules[name] = module
    return module


def _writer(fd):
    raw = io.FileIO(fd, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace")


def _keep(fd):
    """A copy that programs started by this one do not get."""
    copy = os.dup(fd)
    os.close(fd)
    return copy
