"""Chain of self-correction: program, output, verification, conclusion (arXiv 2410.10735).

A trajectory is a question, then stages of a program, what it printed, a verification of it and a
conclusion, until a conclusion says ``correct`` or the stages are spent.
"""

import dataclasses
from collections.abc import Sequence

QUESTION, PROGRAM, OUTPUT = "question", "program", "output"
VERIFICATION, CONCLUSION = "verification", "conclusion"
CORRECT, WRONG = "correct", "wrong"
# What the model writes itself; the question is given and the output is the interpreter's.
TRAINED = frozenset((PROGRAM, VERIFICATION, CONCLUSION))
_KINDS = TRAINED | {QUESTION, OUTPUT}


@dataclasses.dataclass(frozen=True)
class Segment:
    """One part of a trajectory.

    Attributes:
      kind: question, program, output, verification or conclusion.
      text: of the part.
    """

    kind: str
    text: str

    def __post_init__(self):
        if self.kind not in _KINDS:
            raise ValueError(f"a segment of kind {self.kind!r}; one of {', '.join(sorted(_KINDS))}")


def loss_mask(kinds: Sequence[str], lengths: Sequence[int]) -> tuple[bool, ...]:
    """For each token of the trajectory, whether it is trained: what the model wrote itself.

    Args:
      kinds: of the segments, in order.
      lengths: tokens of each segment.
    """
    return tuple(
        kind in TRAINED for kind, length in zip(kinds, lengths, strict=True) for _ in range(length)
    )


def stop_reason(conclusions: Sequence[str], most_stages: int) -> str | None:
    """Why a trajectory ends after these conclusions, or None while it goes on.

    "verified" where the last one says correct, "budget" where ``most_stages`` are spent.
    """
    if conclusions and conclusions[-1] == CORRECT:
        return "verified"
    return "budget" if len(conclusions) >= most_stages else None


def keep_trajectory(segments: Sequence[Segment], reference: str) -> bool:
    """Whether a self-generated trajectory is trained on: verified by itself, and right.

    Right is an output of the last stage that equals ``reference``; a model that is sure of a
    wrong answer, or unsure of a right one, is not imitated.
    """
    last = {segment.kind: segment.text.strip() for segment in segments}
    return last.get(CONCLUSION) == CORRECT and last.get(OUTPUT) == reference.strip()
