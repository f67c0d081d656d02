"""The kinds of tests that a program is put to.

All are hashable, so that verdicts can be cached. What a program must answer never enters the
process that runs it: `StdioTest` and `CallTest` are compared by the caller, `AssertTest` runs in a
second sandbox that only exchanges arguments and results with the program.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from reasoning_jax.verify.programs import comparison
from reasoning_jax.verify.programs.inside import codec


@dataclasses.dataclass(frozen=True)
class StdioTest:
    """The program reads `stdin` and must print `expected`.

    Attributes:
      stdin: the whole input, as text.
      expected: the whole output, as text.
      rule: a name of `comparison.OUTPUT_RULES`.
    """

    stdin: str
    expected: str
    rule: str = "lines"

    def __post_init__(self):
        comparison.check_rule(self.rule, comparison.OUTPUT_RULES)


@dataclasses.dataclass(frozen=True)
class CallTest:
    """A function of the program is called and must return `expected`; made by `CallTest.of`.

    Attributes:
      function: a top-level name, or ``"Solution.method"``, called on a fresh ``Solution()``.
      args, kwargs, expected: values as `inside.codec` writes them.
      rule: a name of `comparison.VALUE_RULES`.
    """

    function: str
    args: str
    kwargs: str
    expected: str
    rule: str = "exact"

    def __post_init__(self):
        comparison.check_rule(self.rule, comparison.VALUE_RULES)

    @classmethod
    def of(
        cls,
        function: str,
        args: Sequence[Any],
        expected: Any,
        kwargs: Mapping[str, Any] | None = None,
        rule: str = "exact",
    ) -> "CallTest":
        """Builds a test from Python values: numbers, texts, None and containers of them.

        Raises:
          TypeError: for a value that is none of those.
        """
        texts = (codec.dumps(value) for value in (list(args), dict(kwargs or {}), expected))
        return cls(function, *texts, rule)


@dataclasses.dataclass(frozen=True)
class AssertTest:
    """Trusted statements that raise unless the program is right: ``assert f(2) == 4``.

    They run apart from the program. Names they do not define themselves are its functions and
    classes, called across the border; plain results come back by value, other objects as handles
    that may be called, iterated and asked for attributes, but never compare equal to anything.
    A list, dictionary or set that is passed to a function which returns None takes over what the
    function made of it; otherwise arguments stay as they were.

    Attributes:
      source: the statements, for instance one assert, or ``def check`` and a call of it.
      names: what the program provides; () for every free name of `source` that is no builtin.
        A program that redefines a builtin (``sum``) needs it listed.
      setup: trusted definitions that run before `source`, such as helper functions. Instances of
        classes defined here are passed by value to the classes of the same name in the program.
    """

    source: str
    names: tuple[str, ...] = ()
    setup: str = ""


Test = StdioTest | CallTest | AssertTest
