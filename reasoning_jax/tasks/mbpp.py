"""MBPP (Austin et al. 2021, arXiv 2108.07732): small functions, with the tests in the prompt.

The layouts of mbpp.jsonl, sanitized-mbpp.json and the file that PRIME evaluates on. The splits are
those of the paper's appendix, by task id: 11 to 510 test, 511 to 600 validation, 601 to 974
training; 1 to 10 are for prompts and left out. ``mbpp_prime`` takes its whole file as test, as its
authors do.
"""

import ast
from collections.abc import Mapping
from typing import Any

from reasoning_jax.tasks.file_task import Item
from reasoning_jax.tasks.programs import program_item, program_set
from reasoning_jax.tasks.records import raw_text, text, texts

PROMPT = "{question}\nPut the program into one ```python block.\n"

_FILES = ("mbpp.jsonl", "sanitized-mbpp.json", "mbpp.json", "prime_new_mbpp.json")
_LAST = (("prompt", 10), ("test", 510), ("validation", 600), ("train", 974))


def _parse(record: Mapping[str, Any]) -> Item:
    number = record.get("task_id")
    if not isinstance(number, int) or not 1 <= number <= _LAST[-1][1]:
        raise ValueError(f"expected 'task_id' in [1, {_LAST[-1][1]}], got {number!r}")
    return _item(record, next(split for split, last in _LAST if number <= last))


def _parse_prime(record: Mapping[str, Any]) -> Item:
    return _item(record, "test")


def _item(record: Mapping[str, Any], split: str) -> Item:
    code, tests = raw_text(record, "code").replace("\r\n", "\n"), texts(record, "test_list")
    imports = texts(record, "test_imports") if "test_imports" in record else ()
    listed = "\n".join(tests)
    names, shared = _used(code, listed)
    setup = "\n".join((*imports, record.get("test_setup_code") or ""))
    test = {
        "kind": "assert",
        "source": listed,
        "names": names,
        "setup": "\n".join((setup, *shared)),
    }
    return program_item(
        f"{text(record, 'prompt', 'text')}\nYour code should pass these tests:\n\n{listed}\n",
        [test] if tests else [],
        # Functions see the imports of the tests, which stand in the same module in the paper.
        preamble=setup,
        reference=code,
        split=split,
        task_id=record.get("task_id"),
    )


def _used(code: str, tests: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names and the imports of the reference program that its tests use.

    A name such as ``sum`` may be a builtin too. In the paper the tests stand below the program,
    and a few rely on what it imports.
    """
    try:
        body = ast.parse(code).body
        used = {node.id for node in ast.walk(ast.parse(tests)) if isinstance(node, ast.Name)}
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"code or tests are no Python: {error}") from error
    names = {node.name for node in body if hasattr(node, "name")} & used
    imports = (node for node in body if isinstance(node, ast.Import | ast.ImportFrom))
    shared = [
        ast.unparse(node)
        for node in imports
        if any((alias.asname or alias.name.partition(".")[0]) in used for alias in node.names)
    ]
    return tuple(sorted(names)), tuple(shared)


mbpp = program_set("mbpp", {"test": _FILES}, _parse, prompt=PROMPT)
mbpp_prime = program_set(
    "mbpp_prime", {"test": ("prime_new_mbpp.json", "new_mbpp.json")}, _parse_prime, prompt=PROMPT
)
