"""The sampler: prompts in, completions out, batched into fixed shapes."""

import copy
import dataclasses
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.transformer import Transformer
from reasoning_jax.parallel import batch_ways, make_mesh, put_batch, put_replicated, to_host
from reasoning_jax.sampling.decode import DecodeState, Rule, advance, start
from reasoning_jax.sampling.params import SamplingParams
from reasoning_jax.shapes import bucket
from reasoning_jax.text import Tokenizer
from reasoning_jax.types import Completion

# Steps between looks at the text, when stop strings are asked for.
_STOP_INTERVAL = 16


@dataclasses.dataclass(frozen=True)
class Row:
    """Where generation takes up a row, at its prompt or in the midst of its response.

    Attributes:
      tokens: everything so far, at least one id.
      prompt_id, sample: with the seed, the random key of the row.
      step: how many of the tokens belong to the response; draws go on counting from here.
      limit: most tokens to add.
    """

    tokens: tuple[int, ...]
    prompt_id: int
    sample: int
    step: int
    limit: int


class Sampler:
    """Generates with the very parameters that train; no second copy, no second numerics.

    Args:
      config: architecture.
      params: parameters, on ``mesh`` if one is given.
      tokenizer: turns text into ids and back; gives the end-of-sequence ids.
      mesh: devices that share the rows; None uses one device.
      max_rows: most rows decoded at once.
      dtype: computation dtype.
      attention: implementation of the prefill, as in Transformer.
    """

    def __init__(
        self,
        config: ModelConfig,
        params: dict,
        tokenizer: Tokenizer,
        mesh: Mesh | None = None,
        max_rows: int = 512,
        dtype: jnp.dtype = jnp.float32,
        attention: str = "xla",
    ):
        if tokenizer.vocab_size > config.vocab_size:
            raise ValueError(
                f"the tokenizer has {tokenizer.vocab_size} ids but the embedding only "
                f"{config.vocab_size} rows; they do not belong together"
            )
        self.params = params
        self.tokenizer = tokenizer
        self._mesh = mesh if mesh is not None else make_mesh(devices=jax.devices()[:1])
        self._model = Transformer(config, mesh=mesh, dtype=dtype, attention=attention)
        self._max_rows = max_rows

    def with_params(self, params: dict) -> "Sampler":
        """The same sampler over other parameters; compiled programs are shared."""
        other = copy.copy(self)
        other.params = params
        return other

    def generate(
        self,
        prompts: Sequence[str | Sequence[int]],
        sampling: SamplingParams,
        prompt_ids: Sequence[int] | None = None,
    ) -> list[list[Completion]]:
        """``outs[i][j]`` is sample j of prompt i.

        A completion depends on (parameters, prompt, seed, prompt id, j) and on nothing else
        of the batch.

        Args:
          prompts: texts, or lists of ids.
          prompt_ids: integers that stand for the prompts in the random key; their positions
            by default.

        Raises:
          ValueError: an empty prompt, one with an id outside the embedding, or one that with
            max_tokens exceeds the context.
        """
        outs: list[list[Completion]] = [[] for _ in prompts]
        for index, completions in self.stream(prompts, sampling, prompt_ids):
            outs[index] = completions
        return outs

    def stream(
        self,
        prompts: Sequence[str | Sequence[int]],
        sampling: SamplingParams,
        prompt_ids: Sequence[int] | None = None,
    ) -> Iterator[tuple[int, list[Completion]]]:
        """(i, the samples of prompt i) of each prompt, as soon as its batch is decoded.

        What is done with them while the next batch decodes costs no time of its own. Arguments
        and completions are those of `generate`.
        """
        if isinstance(prompts, str):
            raise ValueError("prompts is one string; give a list of prompts")
        prompt_ids = range(len(prompts)) if prompt_ids is None else prompt_ids
        rows = [
            Row(self.encode(i, prompt, sampling), prompt_id, 0, 0, sampling.max_tokens)
            for i, (prompt, prompt_id) in enumerate(zip(prompts, prompt_ids, strict=True))
        ]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i].tokens))
        step = self.prompts_at_once(sampling.n)
        for first in range(0, len(order), step):
            batch = order[first : first + step]
            members = [rows[i] for i in batch]
            shape = bucket(len(batch), 1), bucket(len(members[-1].tokens))
            state = self._run(members, shape, sampling)
            for slot, i in enumerate(batch):
                slots = range(slot * sampling.n, (slot + 1) * sampling.n)
                yield i, [self._completion(state, slot, sampling) for slot in slots]

    def prompts_at_once(self, n: int) -> int:
        """How many prompts with n samples each are decoded at once; a power of two."""
        return 1 << (max(1, self._max_rows // n).bit_length() - 1)

    def extend(self, rows: Sequence[Row], sampling: SamplingParams, of: int) -> list[Completion]:
        """Continues each row once; its draws are those of an uninterrupted completion.

        All sizes are padded coarsely: rows of later turns are fewer and longer every time, and
        each shape is a program.

        Args:
          rows: from `Row`; a row and its limit must fit into the context.
          sampling: ``n`` is not used; no limit exceeds ``max_tokens``.
          of: rows of the first turn; those left are padded to all, a quarter, a sixteenth ...

        Returns:
          What was added to each row.
        """
        outs: list[Completion] = []
        most = min(self.prompts_at_once(1), bucket(of, 1))
        for first in range(0, len(rows), most):
            batch = rows[first : first + most]
            size = most
            while size // 4 >= len(batch):
                size //= 4
            length, steps = (
                bucket(longest, largest_step=1 << 30)
                for longest in (
                    max(len(row.tokens) for row in batch),
                    max(row.limit for row in batch),
                )
            )
            steps = min(steps, sampling.max_tokens)
            turn = dataclasses.replace(sampling, n=1, max_tokens=steps)
            state = self._run(batch, (size, length), turn)
            outs += [self._completion(state, row, turn) for row in range(len(batch))]
        return outs

    def encode(
        self, index: int, prompt: str | Sequence[int], sampling: SamplingParams
    ) -> tuple[int, ...]:
        """The ids of prompt ``index`` of a call of `generate`; raises as it does."""
        ids = self.tokenizer.encode_prompt(prompt) if isinstance(prompt, str) else list(prompt)
        context = self._model.config.max_position
        if not ids:
            raise ValueError(f"prompt {index} is empty; give at least one token")
        rows = self._model.config.vocab_size
        unknown = [i for i in ids if not 0 <= i < rows]
        if unknown:
            raise ValueError(
                f"prompt {index} holds id {unknown[0]}, outside the embedding of {rows} rows"
            )
        if len(ids) + sampling.max_tokens > context:
            raise ValueError(
                f"prompt {index} has {len(ids)} tokens; with max_tokens {sampling.max_tokens} it "
                f"exceeds the context of {context}; shorten the prompt or lower max_tokens"
            )
        return tuple(ids)

    def _run(
        self, batch: Sequence[Row], shape: tuple[int, int], sampling: SamplingParams
    ) -> "_Generated":
        """Decodes ``n`` samples of a batch padded to (rows, ids), up to ``max_tokens`` steps."""
        size, length = shape
        size += -size % batch_ways(self._mesh)
        tokens = np.zeros((size, length), np.int32)
        starts = np.full(size, length, np.int32)
        keys = np.zeros(size, np.uint32)
        samples, first_steps, limits = (np.zeros(size, np.int32) for _ in range(3))
        for i, row in enumerate(batch):
            starts[i] = length - len(row.tokens)
            tokens[i, starts[i] :] = row.tokens
            keys[i] = row.prompt_id & 0xFFFFFFFF
            samples[i], first_steps[i], limits[i] = row.sample, row.step, row.limit
        placed = put_batch((tokens, starts, keys, samples, first_steps, limits), self._mesh)
        seed, temperature = put_replicated(
            (np.uint32(sampling.seed & 0xFFFFFFFF), np.float32(sampling.temperature or 1.0)),
            self._mesh,
        )
        rule = Rule(
            eos_ids=(*self.tokenizer.eos_ids, *self._stop_ids(sampling.stop)),
            vocab_size=self.tokenizer.vocab_size,
            greedy=sampling.temperature == 0,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
        )
        state = start(
            self._model,
            self.params,
            *placed[:2],
            seed,
            *placed[2:],
            temperature,
            rule=rule,
            n=sampling.n,
            max_tokens=sampling.max_tokens,
        )
        interval = _STOP_INTERVAL if sampling.stop else sampling.max_tokens
        for until in range(interval, sampling.max_tokens + interval, interval):
            until = put_replicated(np.int32(min(until, sampling.max_tokens)), self._mesh)
            state = advance(self._model, self.params, state, until, temperature, rule=rule)
            if sampling.stop:
                state = self._stop_on_strings(state, sampling)
                if bool(to_host(state.finished).all()):
                    break
        return _Generated(*to_host((state.tokens, state.logprobs, state.counts, state.finished)))

    def _stop_ids(self, stops: tuple[str, ...]) -> list[int]:
        """Ids that spell a stop string alone: a row can end at them without a look at the text."""
        found = []
        for stop in stops:
            try:
                ids = self.tokenizer.encode(stop)
            except ValueError:  # an alphabet that lacks it
                continue
            if len(ids) == 1 and stop in self.tokenizer.decode(ids):
                found += ids
        return found

    def _stop_on_strings(self, state: DecodeState, sampling: SamplingParams) -> DecodeState:
        tokens, counts, finished = to_host((state.tokens, state.counts, state.finished))
        stopped = finished.copy()
        for row in np.flatnonzero(~finished):
            text = self.tokenizer.decode(tokens[row, : counts[row]].tolist())
            stopped[row] = any(stop in text for stop in sampling.stop)
        return state.replace(finished=put_batch(stopped, self._mesh))

    def _completion(
        self, generated: "_Generated", row: int, sampling: SamplingParams
    ) -> Completion:
        count = int(generated.counts[row])
        ids = generated.tokens[row, :count].tolist()
        reason = "stop" if ids and ids[-1] in self.tokenizer.eos_ids else "length"
        text = self.tokenizer.decode(ids)
        if any(stop in text for stop in sampling.stop):
            # Generation runs on to the next look at the text: keep the tokens that made the stop.
            ids, reason = ids[: self._tokens_until_stop(ids, sampling.stop)], "stop"
            text = self.tokenizer.decode(ids)
            text = text[: min(text.find(stop) for stop in sampling.stop if stop in text)]
        logprobs = generated.logprobs[row, : len(ids)].tolist()
        return Completion(text, tuple(ids), tuple(logprobs), reason)

    def _tokens_until_stop(self, ids: list[int], stop: tuple[str, ...]) -> int:
        low, high = 1, len(ids)
        while low < high:
            middle = (low + high) // 2
            text = self.tokenizer.decode(ids[:middle])
            low, high = (low, middle) if any(s in text for s in stop) else (middle + 1, high)
        return low


@dataclasses.dataclass(frozen=True)
class _Generated:
    tokens: np.ndarray
    logprobs: np.ndarray
    counts: np.ndarray
    finished: np.ndarray
