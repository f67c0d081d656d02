"""A row to continue, and what has become of it: host data alone."""

import dataclasses

from reasoning_jax.sampling.params import SamplingParams
from reasoning_jax.sampling.prefix import Prefix
from reasoning_jax.sampling.stops import StopSearch, before_stop
from reasoning_jax.text import Tokenizer
from reasoning_jax.types import Completion


@dataclasses.dataclass(frozen=True)
class Row:
    """Where generation takes up a row, at its prompt or in the midst of its response.

    Attributes:
      tokens: everything so far, at least one id.
      prompt_id, sample: with the seed, the random key of the row.
      step: how many of the tokens belong to the response; draws go on counting from here.
      limit: most tokens to add.
      prefix: state of a row that these tokens begin with, not to be read again; None for none.
    """

    tokens: tuple[int, ...]
    prompt_id: int
    sample: int
    step: int
    limit: int
    prefix: Prefix | None = None


class Task:
    """One row on its way through the slots.

    Attributes:
      row: where it begins.
      sampling: how it goes on; ``n`` and ``max_tokens`` are not used.
      ends: ids that end it.
      tokens, logprobs: what was added.
      finished: nothing more will be.
      keeps: its state is wanted when it is finished.
      prefix: that state.
      surplus: tokens that the device has beyond those a stop string left.
      shared: tokens that it reads together with other rows, its first ones; they need no columns
        in its slot.
    """

    def __init__(
        self,
        row: Row,
        sampling: SamplingParams,
        ends: tuple[int, ...],
        tokenizer: Tokenizer,
        keeps: bool = False,
    ):
        self.row = row
        self.sampling = sampling
        self.ends = ends
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        self.finished = row.limit == 0
        self.keeps = keeps
        self.prefix: Prefix | None = None
        self.surplus = 0
        self.shared = 0
        self._tokenizer = tokenizer
        self._search = StopSearch(tokenizer, sampling.stop)
        self._stopped = False

    @property
    def length(self) -> int:
        """Tokens of the row in all."""
        return len(self.row.tokens) + len(self.tokens)

    @property
    def own(self) -> int:
        """Tokens of it that its slot holds."""
        return self.length - self.shared

    @property
    def left(self) -> int:
        """Tokens that may still be added."""
        return self.row.limit - len(self.tokens)

    def add(self, tokens: list[int], logprobs: list[float], finished: bool) -> None:
        """Takes in what a chunk of steps gave; a stop string in it finishes the row."""
        self.tokens += tokens
        self.logprobs += logprobs
        self.finished = finished
        count = self._search.find(self.tokens)
        if count is not None:
            # Generation ran on to the end of the chunk: keep the tokens that made the stop.
            self.surplus = len(self.tokens) - count
            del self.tokens[count:], self.logprobs[count:]
            self.finished = self._stopped = True

    def completion(self) -> Completion:
        """What was added, as far as it got."""
        ended = bool(self.tokens) and self.tokens[-1] in self._tokenizer.eos_ids
        text = self._tokenizer.decode(self.tokens)
        if self._stopped:
            cut = before_stop(text, self.sampling.stop)
            text = text if cut is None else cut
        reason = "stop" if ended or self._stopped else "length"
        return Completion(text, tuple(self.tokens), tuple(self.logprobs), reason)
