"""Knights tell the truth, knaves lie: who is who, given what each says of the others."""

import dataclasses
import itertools
import re
import string
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from reasoning_jax.tasks.generated import Generated, below, require
from reasoning_jax.tasks.labels import step_labels
from reasoning_jax.types import Problem, StepLabels, Verdict

NAMES = ("ann", "bob", "cal", "dee", "eva", "fay", "gus", "hal", "ivy", "jon", "kim", "leo")
KINDS = {True: "knight", False: "knave"}

# A statement is a relation over one or two claims; a claim is (person, says they are a knight).
Claim = tuple[int, bool]
Statement = tuple[str, tuple[Claim, ...]]
RELATIONS = {
    "and": all,
    "or": any,
    "if and only if": lambda truths: len(set(truths)) == 1,
}

# The rewards of Logic-RL by what `Knights.grade` says: format +1 or -1, answer +2, -1.5 when
# wrong, -2 when it cannot be read or the format is bad.
LOGIC_RL_REWARDS = {"exact": 3.0, "different": -0.5, "unparsed_answer": -1.0, "format": -3.0}

_FORMAT = re.compile(r"\s*<think>(.*)</think>\s*<answer>(.*)</answer>\s*", re.DOTALL)
_TAG = re.compile(r"</?(?:think|answer)>")
_KIND = re.compile(r"\b([a-z]+) is a (knight|knave)\b")
_TRIAL = re.compile(r"([kn]+) (?:fails at ([a-z]+)|(holds))")


def judge(response: str, kinds: Mapping[str, str]) -> Verdict:
    """Judges a ``<think>...</think><answer>...</answer>`` response; kinds: name -> kind.

    Reasons: "format" (tags missing, repeated or out of order), "unparsed_answer" (not every
    person given exactly one kind), "different", "exact".
    """
    match = _FORMAT.fullmatch(response)
    if match is None or len(_TAG.findall(response)) != 4:
        return Verdict(False, "format")
    stated = _KIND.findall(match[2].lower())
    if sorted(name for name, _ in stated) != sorted(kinds):
        return Verdict(False, "unparsed_answer", match[2].strip())
    right = dict(stated) == dict(kinds)
    answer = ", ".join(f"{name} is a {kind}" for name, kind in sorted(stated))
    return Verdict(right, "exact" if right else "different", answer)


def knights_reward(response: str, kinds: Mapping[str, str]) -> float:
    """The reward of Logic-RL: 3 perfect, -0.5 wrong, -1 unreadable answer, -3 bad format."""
    return LOGIC_RL_REWARDS[judge(response, kinds).reason]


@dataclasses.dataclass(frozen=True)
class Knights(Generated):
    """Puzzles with exactly one solution, answered by going through who could be what.

    The reasoning tries the assignments in a fixed order, one letter a person (k, n), and names
    the first person whose words do not fit, until one fits::

        <think>kk fails at ann
        kn holds</think><answer>ann is a knight. bob is a knave.</answer>

    Two problems are the same when their prompts are.

    Attributes:
      people: number of people, each with one statement; 2 or 3.
    """

    name: ClassVar[str] = "knights"

    people: int = 2

    def __post_init__(self):
        require(self.people in (2, 3), self, "people", "2 or 3")
        super().__post_init__()

    @property
    def alphabet(self) -> str:
        return string.ascii_lowercase + " .:?<>/\n"

    def draw(self, random: Random) -> tuple[list[str], list[Statement]] | None:
        names = random.sample(NAMES, self.people)
        statements = [self._statement(speaker, random) for speaker in range(self.people)]
        solutions = [a for a in _assignments(self.people) if _misfit(a, statements) is None]
        return (names, statements) if len(solutions) == 1 else None

    def key(self, latent: tuple[list[str], list[Statement]]) -> str:
        return _prompt(*latent)

    def pose(
        self, latent: tuple[list[str], list[Statement]], split: str, random: Random
    ) -> dict[str, Any]:
        names, statements = latent
        lines = []
        for assignment in _assignments(self.people):
            letters = "".join("k" if knight else "n" for knight in assignment)
            misfit = _misfit(assignment, statements)
            if misfit is None:
                break
            lines.append(f"{letters} fails at {names[misfit]}")
        kinds = {name: KINDS[knight] for name, knight in zip(names, assignment)}
        answer = " ".join(f"{name} is a {kind}." for name, kind in kinds.items())
        thought = "\n".join([*lines, f"{letters} holds"])
        return {
            "prompt": _prompt(names, statements),
            "answer": answer,
            "solution": f"<think>{thought}</think><answer>{answer}</answer>",
            "info": {
                "names": names,
                "statements": [[r, [list(claim) for claim in cs]] for r, cs in statements],
                "kinds": kinds,
            },
        }

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Judges tags and answer; reasons as `judge`."""
        return judge(response, problem.info["kinds"])

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """The steps are the lines of the thought, then the answer.

        A line is correct when the person named does not fit the assignment, or when it holds
        for all. Lines do not build on one another, so they are valid when they are correct; the
        answer is correct when right and valid when it is the assignment last said to hold.
        """
        names, statements = problem.info["names"], problem.info["statements"]
        thought, _, answer = response.partition("</think>")
        thought = thought.strip().removeprefix("<think>").strip()
        lines = [line.strip() for line in thought.splitlines()]
        right = [_trial_is_right(line, names, statements) for line in lines]
        if not (answer := answer.strip()):
            return step_labels(lines, right, right)
        held = [m[1] for line in lines if (m := _TRIAL.fullmatch(line)) and m[3]]
        followed = {name: KINDS[c == "k"] for name, c in zip(names, held[-1])} if held else {}
        text = f"<think></think>{answer}"
        return step_labels(
            [*lines, answer],
            [*right, bool(judge(text, problem.info["kinds"]).correct)],
            [*right, bool(followed and judge(text, followed).correct)],
        )

    def _statement(self, speaker: int, random: Random) -> Statement:
        others = [person for person in range(self.people) if person != speaker]
        if below(random, 4) == 0:
            return "and", ((random.choice(others), random.random() < 0.5),)
        pair = sorted(random.sample(range(self.people), 2))
        return random.choice(tuple(RELATIONS)), tuple((p, random.random() < 0.5) for p in pair)


def _assignments(people: int) -> list[tuple[bool, ...]]:
    return list(itertools.product((True, False), repeat=people))


def _fits(person: int, assignment: Sequence[bool], statement: Statement) -> bool:
    relation, claims = statement
    truth = RELATIONS[relation]([assignment[about] == knight for about, knight in claims])
    return truth == assignment[person]


def _misfit(assignment: Sequence[bool], statements: Sequence[Statement]) -> int | None:
    """The first person whose words do not fit the kind the assignment gives them, or None."""
    misfits = (p for p, s in enumerate(statements) if not _fits(p, assignment, s))
    return next(misfits, None)


def _trial_is_right(line: str, names: Sequence[str], statements: Sequence[Statement]) -> bool:
    match = _TRIAL.fullmatch(line)
    if match is None or len(match[1]) != len(names):
        return False
    assignment = [letter == "k" for letter in match[1]]
    if match[3]:
        return _misfit(assignment, statements) is None
    if match[2] not in names:
        return False
    person = names.index(match[2])
    return not _fits(person, assignment, statements[person])


def _prompt(names: Sequence[str], statements: Sequence[Statement]) -> str:
    said = [
        f"{name} says: "
        + f" {relation} ".join(f"{names[about]} is a {KINDS[knight]}" for about, knight in claims)
        for name, (relation, claims) in zip(names, statements)
    ]
    return ". ".join(said) + ". who is a knight and who is a knave?\n"
