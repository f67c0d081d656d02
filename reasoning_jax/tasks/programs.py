"""Benchmarks whose answers are programs, put to their tests in a sandbox."""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from reasoning_jax.tasks.file_task import FileTask, Item, Sources
from reasoning_jax.text.code_blocks import code_blocks
from reasoning_jax.types import Check, Problem, Verdict
from reasoning_jax.verify import after_think
from reasoning_jax.verify.programs import AssertTest, Limits, StdioTest, program_check

TESTS: Mapping[str, type] = {"assert": AssertTest, "stdio": StdioTest}

# Where a continued function has ended, by the stop sequences of Chen et al. 2021, section 3.1.
_NEXT_STATEMENT = re.compile(r"\n(?:class |def |#|if |print\(|@|```)")


@dataclasses.dataclass(frozen=True)
class Programs(FileTask):
    """Tasks whose response holds a program that must pass every test.

    Attributes:
      name: of the data set.
      sources: its files and how a record is read.
      data: the folder that holds the files, or the one file.
      prompt: the template around ``{question}``; every other brace stands for itself.
      validation_size: the last so many training problems become the validation split.
      cpu_seconds, memory_mb: what the program may use in each test.
      total_seconds: by the clock, for all tests together.

    Raises:
      FileNotFoundError: naming the folder or files looked for.
      ValueError: for an unusable option, or naming file, place and fault of a broken record.
    """

    name: str
    sources: Sources = dataclasses.field(repr=False, compare=False)
    data: str
    prompt: str = "{question}"
    validation_size: int = 0
    cpu_seconds: float = 4.0
    memory_mb: int = 512
    total_seconds: float = 60.0
    _items: Mapping[str, tuple[Item, ...]] = dataclasses.field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self):
        self._limits()
        if not self.total_seconds > 0:
            raise ValueError(
                f"{self.name}: total_seconds must be positive, got {self.total_seconds}"
            )
        super().__post_init__()

    def grade(self, problem: Problem, response: str) -> Verdict | Check:
        """Puts the program in a response to the problem's tests; "no_program" where none is."""
        program = FORMS[problem.info["form"]](problem, response)
        if program is None:
            return Verdict(False, "no_program")
        source = f"{problem.info['preamble']}\n{program}\n"
        tests = tuple(
            TESTS[test["kind"]](**{key: test[key] for key in test if key != "kind"})
            for test in problem.info["tests"]
        )
        return program_check(source, tests, self._limits(), self.total_seconds)

    def _limits(self) -> Limits:
        return Limits(
            cpu_seconds=self.cpu_seconds,
            wall_seconds=3 * self.cpu_seconds,
            memory_bytes=self.memory_mb << 20,
        )


def program_item(
    question: str,
    tests: list[dict[str, Any]],
    form: str = "block",
    preamble: str = "",
    reference: str | None = None,
    solution: str | None = None,
    split: str | None = None,
    **info: Any,
) -> Item:
    """An item with tests, JSON-serialisable.

    Args:
      tests: keyword arguments of a test and its ``kind``, a name of `TESTS`.
      form: how the program stands in a response, a name of `FORMS`.
      preamble: what stands before the program, such as imports.
      reference: a program that passes, or None.
      solution: the response that holds it; by default one fenced block.
    """
    if not tests:
        raise ValueError("the record has no tests")
    if solution is None and reference is not None:
        solution = f"```python\n{reference}\n```"
    info |= {"form": form, "preamble": preamble, "tests": tests}
    return Item(question, reference or "", solution, info, split)


def program_set(
    name: str,
    files: Mapping[str, tuple[str, ...]],
    parse: Callable[[Mapping[str, Any]], Item],
    **defaults: Any,
) -> Callable[..., Programs]:
    """What `load_task` calls with ``data`` and options to build the task of one data set."""
    return functools.partial(Programs, name, Sources(files, parse), **defaults)


def fenced(problem: Problem, response: str) -> str | None:
    """The last fenced block after the thought; ``[BEGIN]``/``[DONE]`` as in MBPP's own prompt."""
    text = _spoken(response)
    blocks = code_blocks(text)
    if blocks:
        return blocks[-1]
    program, done, _ = text.partition("[DONE]")
    return program.rpartition("[BEGIN]")[2] if done else None


def continuation(problem: Problem, response: str) -> str | None:
    """The response continues ``info["start"]``, a function's head, or states the whole function.

    A fenced block is taken when there is one. A function that is stated whole gets what stands
    before its head in the problem: imports and helper functions.
    """
    start, name = problem.info["start"], problem.info["entry_point"]
    text = _spoken(response)
    blocks = code_blocks(text)
    body = blocks[-1] if blocks else text
    head = f"def {name}("
    if re.search(rf"^{re.escape(head)}", body, re.MULTILINE):
        return start.rpartition(head)[0] + "\n" + body
    body = _NEXT_STATEMENT.split("\n" + body, maxsplit=1)[0][1:]
    return start + body if body.strip() else None


FORMS: Mapping[str, Callable[[Problem, str], str | None]] = {
    "block": fenced,
    "continuation": continuation,
}


def _spoken(response: str) -> str:
    rest = after_think(response)
    return response if rest is None else rest
