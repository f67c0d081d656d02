"""One prompt on its way through the server."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Settings:
    """How completions are sampled and shown.

    Attributes:
      temperature, top_p, top_k, stop: as in SamplingParams.
      streamed: text is shown while it is written.
    """

    temperature: float
    top_p: float
    top_k: int
    stop: tuple[str, ...]
    streamed: bool = False


@dataclasses.dataclass(frozen=True)
class Job:
    """A prompt and what is wanted of it.

    Attributes:
      tokens: ids of the prompt, at least one.
      prompt_id: stands for the prompt in the random key, in [0, 2^32).
      n: completions.
      limit: most tokens of each; 0 for none.
      settings: of its own, whatever those of others are.
      top: how many of the most likely tokens to report at each position beside the
        log-probability of its token; None for no log-probabilities.
    """

    tokens: tuple[int, ...]
    prompt_id: int
    n: int
    limit: int
    settings: Settings
    top: int | None = None


@dataclasses.dataclass(frozen=True)
class RowScores:
    """Log-probabilities in a row of T tokens, at temperature 1.

    Attributes:
      logprobs: [T] float32 of each token given those before it; 0 at the first.
      top_ids: [T, k] the most likely tokens at each position, best first.
      top_logprobs: [T, k] float32 of those; nothing of both is meant at position 0.
    """

    logprobs: np.ndarray
    top_ids: np.ndarray
    top_logprobs: np.ndarray


@dataclasses.dataclass(frozen=True)
class Written:
    """One completion of a job.

    Attributes:
      text: cut before the stop sequence that ended it; with results of tools in place.
      tokens: ids, end-of-sequence included.
      finish_reason: ``"stop"`` or ``"length"``.
      scores: of prompt and completion together, where the job asked for them.
    """

    text: str
    tokens: tuple[int, ...]
    finish_reason: str
    scores: RowScores | None = None
