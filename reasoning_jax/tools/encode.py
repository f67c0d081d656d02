"""Results of tools as ids."""

import itertools

from reasoning_jax.text import Tokenizer
from reasoning_jax.tools.syntax import Syntax


def encode_result(tokenizer: Tokenizer, syntax: Syntax, body: str, max_tokens: int) -> list[int]:
    """Ids of a result with its delimiters, encoded apart from what stands around it.

    Args:
      body: any text; characters that the tokenizer lacks and ends of sequence are left out.
      max_tokens: most ids of the body; the rest of it is cut.
    """
    ids = [i for i in _encode_known(tokenizer, body) if i not in tokenizer.eos_ids]
    return [
        *tokenizer.encode(syntax.result_start),
        *ids[:max_tokens],
        *tokenizer.encode(syntax.result_end),
    ]


def encode_worked(
    tokenizer: Tokenizer, syntax: Syntax, prompt: str, solution: str, max_result_tokens: int
) -> tuple[list[int], list[bool]]:
    """A demonstration with calls as ids, cut and encoded as it would be while sampling.

    Returns:
      The ids of prompt, solution and end of sequence, and for each whether it is trained: what
      follows the prompt, but for the results of tools.
    """
    pieces = [(tokenizer.encode_prompt(prompt), False)]
    for written, body in syntax.split(solution):
        pieces.append((tokenizer.encode(written), True))
        if body is not None:
            pieces.append((encode_result(tokenizer, syntax, body, max_result_tokens), False))
    pieces.append(([tokenizer.eos_id], True))
    ids = list(itertools.chain.from_iterable(ids for ids, _ in pieces))
    return ids, [trained for ids, trained in pieces for _ in ids]


def _encode_known(tokenizer: Tokenizer, text: str) -> list[int]:
    try:
        return tokenizer.encode(text)
    except ValueError:
        # An alphabet of its own: what it lacks cannot be shown.
        return [i for char in text for i in _encode_character(tokenizer, char)]


def _encode_character(tokenizer: Tokenizer, char: str) -> list[int]:
    try:
        return tokenizer.encode(char)
    except ValueError:
        return []
