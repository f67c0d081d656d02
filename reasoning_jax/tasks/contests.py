"""Programs that read standard input and print: Codeforces and CodeContests, as rllm has them.

CodeContests: Li et al. 2022, arXiv 2203.07814. Time limits of the statements are meant for
compiled languages; the limits here are the task's own.
"""

from collections.abc import Mapping
from typing import Any

from reasoning_jax.tasks.file_task import Item
from reasoning_jax.tasks.programs import program_item, program_set
from reasoning_jax.tasks.records import text, texts

PROMPT = (
    "{question}\nWrite a Python program that reads standard input and prints to standard output. "
    "Put it into one ```python block.\n"
)
CPU_SECONDS = 10.0  # of one test


def _item(question: str, pairs: list[tuple[str, str]]) -> Item:
    # Printed decimals differ in their digits; whole numbers and words must agree exactly.
    return program_item(
        question,
        [
            {"kind": "stdio", "stdin": given, "expected": expected, "rule": "close"}
            for given, expected in pairs
        ],
    )


def _parse_codeforces(record: Mapping[str, Any]) -> Item:
    tests = record.get("tests")
    if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
        raise ValueError(f"expected a list of objects 'tests', got {tests!r:.80}")
    pairs = [(test.get("input"), test.get("output")) for test in tests]
    if not all(isinstance(side, str) for pair in pairs for side in pair):
        raise ValueError("a test lacks a text 'input' or 'output'")
    return _item(text(record, "problem"), pairs)


def _parse_code_contests(record: Mapping[str, Any]) -> Item:
    tests = record.get("tests")
    if not isinstance(tests, dict):
        raise ValueError(f"expected an object 'tests', got {tests!r:.80}")
    inputs, outputs = texts(tests, "inputs"), texts(tests, "outputs")
    if len(inputs) != len(outputs):
        raise ValueError(f"{len(inputs)} inputs and {len(outputs)} outputs")
    return _item(text(record, "problem"), list(zip(inputs, outputs)))


codeforces = program_set(
    "codeforces",
    {"test": ("codeforces.json", "test.json")},
    _parse_codeforces,
    prompt=PROMPT,
    cpu_seconds=CPU_SECONDS,
)
code_contests = program_set(
    "code_contests",
    {"test": ("code_contests.json", "test.json")},
    _parse_code_contests,
    prompt=PROMPT,
    cpu_seconds=CPU_SECONDS,
)
