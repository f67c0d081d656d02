"""SuperCorrect: templated solutions, and pairs of corrections (arXiv 2410.09008)."""

import dataclasses
import re

from reasoning_jax.preference.pairs.pair import Pair


@dataclasses.dataclass(frozen=True)
class TemplateStep:
    """One ``<Stepk>`` of a solution.

    Attributes:
      index: k, from 1.
      key: the local hint of its ``<Key>``, or None.
      body: its text without the hint.
    """

    index: int
    key: str | None
    body: str


@dataclasses.dataclass(frozen=True)
class TemplatedSolution:
    """A solution in the hierarchical template.

    Attributes:
      steps: in order.
      generalized: the recipe for problems of this kind, or None.
      answer: or None.
    """

    steps: tuple[TemplateStep, ...]
    generalized: str | None
    answer: str | None


def parse_template(text: str) -> TemplatedSolution:
    """Reads ``<Step1>..</Step1> .. <Generalized>..</Generalized> <Answer>..</Answer>``.

    Raises:
      ValueError: no steps, or steps that do not count from 1.
    """
    steps = tuple(
        TemplateStep(
            int(number),
            _content(inside, "Key"),
            re.sub(r"<Key>.*?</Key>\n?", "", inside, flags=re.DOTALL).strip(),
        )
        for number, inside in re.findall(r"<Step([0-9]+)>(.*?)</Step\1>", text, re.DOTALL)
    )
    numbers = [step.index for step in steps]
    if not steps or numbers != list(range(1, len(steps) + 1)):
        raise ValueError(f"a templated solution has steps 1, 2, ...; this one has {numbers}")
    return TemplatedSolution(steps, _content(text, "Generalized"), _content(text, "Answer"))


def correction_pair(
    prompt: str,
    prefix: str,
    teacher: tuple[str, str],
    student: tuple[str, str],
    source: str = "",
) -> Pair:
    """A teacher's correction of a step against the student's own; ``dpo`` learns from it.

    Args:
      prefix: the student's response up to its first wrong step, that step included: both
        corrections answer to it.
      teacher, student: (analysis of the error, corrected step).
    """
    return Pair(prompt, "".join(teacher), "".join(student), prefix, False, source)


def _content(text: str, tag: str) -> str | None:
    found = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return found[1].strip() if found else None
