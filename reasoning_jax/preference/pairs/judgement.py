"""Reading where a judge saw the first wrong step."""

import re


def first_wrong_step(judgement: str) -> int | None:
    """Number of the first step rated neutral or incorrect after the last "Final Decision".

    The rule of Step-DPO's pipeline (arXiv 2406.18629), in which a neutral step counts as the
    error. None where all steps are correct or nothing can be read.

    >>> first_wrong_step("Final Decision: Step 1: correct; Step 2: neutral; Step 3: incorrect")
    2
    """
    _, found, decision = judgement.lower().rpartition("final decision")
    verdict = re.search(r"\b(?:neutral|incorrect)\b", decision)
    if not found or verdict is None:
        return None
    numbers = re.findall(r"\bstep ([0-9]+)", decision[: verdict.start()])
    return int(numbers[-1]) if numbers else None
