"""From sampled and graded text to the arrays of an update."""

from collections.abc import Sequence

import numpy as np

from reasoning_jax.shapes import width
from reasoning_jax.types import Completion, Rollouts, Verdict


def collate(
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[Completion]],
    verdicts: Sequence[Sequence[Verdict]],
    rewards: Sequence[Sequence[float | None]],
) -> Rollouts:
    """NumPy Rollouts of P prompts x n samples, prompt-major, padded to a length bucket.

    A row whose reward is None keeps its tokens but leaves groups and loss. Results of tools
    are holes in the mask.

    Raises:
      ValueError: a reward that is not a finite number.
    """
    rows = [
        (list(prompt), completion, verdict, reward, group)
        for group, prompt in enumerate(prompts)
        for completion, verdict, reward in zip(
            completions[group], verdicts[group], rewards[group], strict=True
        )
    ]
    n_rows = len(rows)
    lengths = np.array([len(prompt) + len(out.tokens) for prompt, out, *_ in rows], np.int32)
    columns = width(int(lengths.max()))
    tokens = np.zeros((n_rows, columns), np.int32)
    mask = np.zeros((n_rows, columns), bool)
    sampler_logprobs = np.zeros((n_rows, columns), np.float32)
    for row, (prompt, out, *_) in enumerate(rows):
        sampled = slice(len(prompt), lengths[row])
        tokens[row, : len(prompt)] = prompt
        tokens[row, sampled] = out.tokens
        sampler_logprobs[row, sampled] = out.logprobs
        mask[row, sampled] = True if out.sampled is None else out.sampled
    values = np.array([0.0 if r is None else r for *_, r, _ in rows], np.float32)
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(
            f"reward of completion {rows[bad][1].text!r} is {values[bad]}; a reward is a finite "
            "number, or None for a completion to leave out"
        )
    judged = {True: 1, False: 0, None: -1}
    return Rollouts(
        tokens=tokens,
        lengths=lengths,
        mask=mask,
        row_mask=np.array([reward is not None for *_, reward, _ in rows]),
        group_ids=np.array([group for *_, group in rows], np.int32),
        rewards=values,
        correct=np.array([judged[verdict.correct] for _, _, verdict, *_ in rows], np.int8),
        finished=np.array([out.finish_reason == "stop" for _, out, *_ in rows]),
        sampler_logprobs=sampler_logprobs,
    )
