"""Pairs of whole responses, right against wrong."""

from collections.abc import Sequence

from reasoning_jax.preference.pairs.pair import Pair


def outcome_pairs(
    prompt: str, responses: Sequence[tuple[str, bool | None]], most: int, source: str = ""
) -> tuple[Pair, ...]:
    """Up to ``most`` pairs of a right and a wrong response, each response in one pair only.

    Args:
      responses: texts with their verdict; None (cannot be judged) and blank texts take no part.
        Equal texts count once.
    """
    verdicts = {text: verdict for text, verdict in responses if text.strip()}
    right = [text for text, verdict in verdicts.items() if verdict is True]
    wrong = [text for text, verdict in verdicts.items() if verdict is False]
    return tuple(Pair(prompt, a, b, source=source) for a, b in list(zip(right, wrong))[:most])
