"""Reward against mixing languages in a response."""

import re
import unicodedata

from reasoning_jax.types import Completion, Problem, Verdict

# What stands between dollars is of no language; nor are the names of LaTeX commands.
_MATH = re.compile(r"\$[^$]*\$|\\[A-Za-z]+")


def script_share(
    problem: Problem, completion: Completion, verdict: Verdict, *, script: str = "LATIN"
) -> float:
    """The share of a response's letters, outside mathematics, that are of one script.

    The language consistency of DeepSeek-R1 (arXiv 2501.12948, section 2.3.2), for languages that
    have a script of their own. 1 for a response without letters.

    Args:
      script: the first word of the letters' Unicode names: LATIN, CJK, CYRILLIC, HANGUL ...
    """
    letters = [c for c in _MATH.sub(" ", completion.text) if c.isalpha()]
    if not letters:
        return 1.0
    wanted = script.upper() + " "
    return sum(unicodedata.name(c, "").startswith(wanted) for c in letters) / len(letters)
