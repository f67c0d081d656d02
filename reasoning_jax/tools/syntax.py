"""How calls and results are written in a row."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Syntax:
    """The delimiters of calls and results.

    A policy writes ``<tool>argument</tool>``, sampling stops there, and the row goes on after
    ``<result>text</result>``.

    Attributes:
      call_start, call_end: around the argument of a call.
      result_start, result_end: around what a tool answered; the start may be empty.
      error: stands before the message of a call that failed.
    """

    call_start: str = "<tool>"
    call_end: str = "</tool>"
    result_start: str = "<result>"
    result_end: str = "</result>"
    error: str = "error: "

    def __post_init__(self):
        for name in ("call_start", "call_end", "result_end"):
            if not getattr(self, name):
                raise ValueError(f"syntax.{name} is empty; give the text that marks it")
        if self.call_start == self.call_end:
            raise ValueError(
                f"syntax.call_start and call_end are both {self.call_start!r}; "
                "they must differ, or the end of a call cannot be told from its start"
            )

    def argument(self, text: str) -> str | None:
        """The argument of a call whose end stood right after ``text``; None without a start."""
        _, start, argument = text.rpartition(self.call_start)
        return argument if start else None

    def split(self, text: str) -> list[tuple[str, str | None]]:
        """Cuts a worked response into what the policy writes and the bodies of the results.

        Returns:
          Pairs (written text, body of the result after it, or None where none follows).

        >>> Syntax("{", "}", "", ";").split("{2*3}6;{6+1}7;=7")
        [('{2*3}', '6'), ('{6+1}', '7'), ('=7', None)]
        """
        end, start, stop = map(re.escape, (self.call_end, self.result_start, self.result_end))
        pairs, at = [], 0
        for result in re.finditer(f"(?<={end}){start}(.*?){stop}", text, re.DOTALL):
            pairs.append((text[at : result.start()], result[1]))
            at = result.end()
        return [*pairs, (text[at:], None)] if at < len(text) or not pairs else pairs
