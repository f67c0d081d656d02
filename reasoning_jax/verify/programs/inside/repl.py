"""A stateful interpreter: code in, everything it prints out, as at the prompt."""

import ast
import linecache
import sys
import traceback

from inside import frames


def serve(line, scope, limit):
    """Runs one piece of code after the other in `scope` until nobody asks."""
    count = 0
    while True:
        try:
            source = str(frames.receive(line, limit)["code"])
        except frames.Closed:
            return
        count += 1
        failed = _run(source, f"<input {count}>", scope)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                failed = True
        frames.send(line, {"failed": failed})


def _run(source, name, scope):
    """Whether the code failed. The value of a last expression is shown."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        tree = ast.parse(source, name)
        last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            last = ast.Interactive([tree.body.pop()])
        exec(compile(tree, name, "exec", dont_inherit=True), scope)
        if last is not None:
            exec(compile(last, name, "single", dont_inherit=True), scope)
    except SyntaxError as error:
        traceback.print_exception(error.with_traceback(None), limit=0)
        return True
    except BaseException as error:
        trace = error.__traceback__
        # The first frame is of this file.
        traceback.print_exception(error.with_traceback(trace.tb_next if trace else None), limit=8)
        return True
    return False
