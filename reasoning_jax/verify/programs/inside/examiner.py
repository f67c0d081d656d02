"""Runs trusted assertions on a program that stands in another sandbox."""

import ast
import builtins
import importlib
import symtable
import sys

from inside import codec, frames, peer, reasons

_FIND = 0  # what a program exports first: name -> object


def examine(line, report, source, setup, names, records, nonce, limit):
    """Reports one message: the reason, and behind a pass the nonce, after the last assertion.

    Args:
      line: descriptor of the stream to the program.
      report: descriptor of the stream to the caller, which the program cannot reach.
      source, setup, names: the fields of `AssertTest`.
      records: names of the classes of `setup`.
      nonce: what only this process and the caller know.
      limit: bytes of a message.
    """
    frames.send(report, _judge(line, source, setup, names, records, nonce, limit))


def _judge(line, source, setup, names, records, nonce, limit):
    scope = {"__name__": "examiner"}
    try:
        code = compile(source, "tests.py", "exec", dont_inherit=True)
        exec(compile(setup, "setup.py", "exec", dont_inherit=True), scope)
        end = peer.Peer(line, limit, peer.OF_EXAMINER, False, {n: scope[n] for n in records})
        modules = _modules(source, {*scope, *names})
        scope.update((name, importlib.import_module(name)) for name in modules)
    except Exception as error:
        return _message("broken_test", error)
    try:
        ready = frames.receive(line, limit)
        if "raise" in ready:
            return _of_program(str(ready["raise"])[:80], str(ready.get("text", ""))[:300])
        for name in names or _free(source, scope):
            scope[name] = end.request("call", _FIND, [name])
        exec(code, scope)
    except frames.Closed:
        return {"reason": "lost"}
    except BaseException as error:
        return _failure(error)
    return {"reason": "passed", "nonce": nonce}


def _failure(error):
    if remote := getattr(error, "remote", None):
        return _of_program(remote, str(error)[:300])
    if isinstance(error, AssertionError):
        return _message("failed_assert", error)
    if isinstance(error, (peer.Opaque, peer.TooDeep)):
        return _message("unsupported_value", error)
    if isinstance(error, codec.Unsupported):
        return _message("broken_test", error)
    return _message(f"exception:{type(error).__name__}", error)


def _of_program(name, text):
    return {"reason": reasons.of_exception(name), "detail": text}


def _message(reason, error):
    return {"reason": reason, "detail": f"{type(error).__name__}: {peer.text_of(error)}"}


def _free(source, scope):
    """Names that a source reads and neither defines nor finds in `scope` or the builtins."""
    found, waiting = set(), [symtable.symtable(source, "tests.py", "exec")]
    top = waiting[0]
    defined = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    while waiting:
        table = waiting.pop()
        waiting += table.get_children()
        found |= {
            s.get_name()
            for s in table.get_symbols()
            if s.is_referenced() and (table is top or s.is_global())
        }
    return sorted(found - defined - set(scope) - set(dir(builtins)))


def _modules(source, scope):
    """Standard modules a source uses as ``math.isclose`` without import: never the program's."""
    tree = ast.walk(ast.parse(source))
    bases = {n.value.id for n in tree if isinstance(n, ast.Attribute) and _is_name(n.value)}
    return [name for name in _free(source, scope) if name in bases & sys.stdlib_module_names]


def _is_name(node):
    return isinstance(node, ast.Name)
