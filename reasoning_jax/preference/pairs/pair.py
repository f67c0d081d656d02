"""Two responses to one context, the first preferred, as text."""

import dataclasses

Turn = tuple[str, str]
"""(role, content) of a message."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """A preference pair.

    Attributes:
      prompt: of the problem.
      chosen, rejected: what may follow ``prompt`` and ``prefix``.
      prefix: the part of the response that both sides share; it is read and not trained.
      complete: the responses go to their end, and end of sequence is trained. A single step is
        not complete: it must not teach a policy to stop.
      source: where the pair comes from, such as the id of its problem.
      turns: messages before the prompt, which is the user's last one then; the chat template of
        the run wraps them.
    """

    prompt: str
    chosen: str
    rejected: str
    prefix: str = ""
    complete: bool = True
    source: str = ""
    turns: tuple[Turn, ...] = ()
