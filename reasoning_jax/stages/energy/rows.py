"""Responses as rows for the energies of their tokens and steps."""

from collections.abc import Sequence

import numpy as np
from flax import struct

from reasoning_jax.text import Tokenizer, split_steps


@struct.dataclass
class StepRows:
    """Prompts with responses, [B, T].

    Attributes:
      tokens: ids, 0 in padding.
      segment_ids: 1, and 0 in padding.
      steps: step of each token of a response from 0; -1 in prompts and padding.
    """

    tokens: np.ndarray
    segment_ids: np.ndarray
    steps: np.ndarray


def step_rows(
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    responses: Sequence[str],
    separator: str,
    shape: tuple[int, int],
) -> StepRows:
    """Rows padded to ``shape``; the last step ends with the end of the sequence.

    Raises:
      ValueError: a prompt with its response is longer than a row.
    """
    tokens, segments = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    steps = np.full(shape, -1, np.int32)
    for row, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        ids, of_step = encode_steps(tokenizer, prompt, response, separator)
        if len(ids) > shape[1]:
            raise ValueError(
                f"a prompt with its response has {len(ids)} tokens, more than row_tokens "
                f"{shape[1]}; raise it"
            )
        tokens[row, : len(ids)], segments[row, : len(ids)] = ids, 1
        steps[row, : len(ids)] = of_step
    return StepRows(tokens, segments, steps)


def encode_steps(
    tokenizer: Tokenizer, prompt: str, response: str, separator: str
) -> tuple[list[int], list[int]]:
    """Ids of both and the end of the sequence, and for each the step it belongs to, or -1."""
    ids = list(tokenizer.encode_prompt(prompt))
    of_step = [-1] * len(ids)
    parts = split_steps(response, separator) or ("",)
    for number, step in enumerate(parts):
        added = tokenizer.encode(step)
        ids += added
        of_step += [number] * len(added)
    return [*ids, tokenizer.eos_id], [*of_step, len(parts) - 1]
