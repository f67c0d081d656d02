"""The sampler of energy models: prompts in, completions out, as ``Sampler`` has it."""

import copy
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from jax.sharding import Mesh

from reasoning_jax.models.energy import EnergyModel, Thinking
from reasoning_jax.parallel import batch_ways, make_mesh, put_batch, put_replicated, to_host
from reasoning_jax.sampling.energy_decode import EnergyDecodeState, EnergyRule, advance, start
from reasoning_jax.sampling.params import SamplingParams
from reasoning_jax.sampling.prompts import collect, encode_prompt, read_prompts
from reasoning_jax.shapes import bucket
from reasoning_jax.text import Tokenizer
from reasoning_jax.types import Completion

# Steps between looks at the text, when stop strings are asked for.
_STOP_INTERVAL = 16


class EnergySampler:
    """Generates by thinking about every token, with the parameters that train.

    Args:
      model: whose decoder runs on ``mesh``.
      params: parameters, on ``mesh`` if one is given.
      tokenizer: turns text into ids and back; gives the end-of-sequence ids.
      thinking: about each token.
      candidates: M starts of thinking per token, of which the one that ends at the least energy
        is taken; they share the cache.
      mesh: devices that share the rows; None uses one device.
      max_rows: most rows decoded at once.
    """

    def __init__(
        self,
        model: EnergyModel,
        params: dict,
        tokenizer: Tokenizer,
        thinking: Thinking,
        candidates: int = 1,
        mesh: Mesh | None = None,
        max_rows: int = 512,
    ):
        rows = model.decoder.config.vocab_size
        if tokenizer.vocab_size > rows:
            raise ValueError(
                f"the tokenizer has {tokenizer.vocab_size} ids but the embedding only {rows} rows; "
                "they do not belong together"
            )
        if candidates < 1:
            raise ValueError(f"candidates is {candidates}; a token needs at least 1")
        if model.conditioning != "candidate":
            raise ValueError(
                f"conditioning is {model.conditioning!r}, whose keys and values are others at "
                "every step: no cache holds them; sample with conditioning candidate"
            )
        self.params = params
        self.tokenizer = tokenizer
        self._model, self._thinking, self._candidates = model, thinking, candidates
        self._mesh = mesh if mesh is not None else make_mesh(devices=jax.devices()[:1])
        self._max_rows = max_rows

    def with_params(self, params: dict) -> "EnergySampler":
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
        """``outs[i][j]`` is sample j of prompt i; arguments and errors are those of ``Sampler``.

        A completion depends on (parameters, prompt, seed, prompt id, j) and on nothing else of
        the batch.
        """
        return collect(self.stream(prompts, sampling, prompt_ids), len(prompts))

    def stream(
        self,
        prompts: Sequence[str | Sequence[int]],
        sampling: SamplingParams,
        prompt_ids: Sequence[int] | None = None,
    ) -> Iterator[tuple[int, list[Completion]]]:
        """(i, the samples of prompt i) of each prompt, as soon as its batch is decoded."""
        given = read_prompts(prompts, sampling, prompt_ids, self.encode)
        rows, keys = given.tokens, [number & 0xFFFFFFFF for number in given.numbers]
        order = given.by_length
        step = self.prompts_at_once(sampling.n)
        for first in range(0, len(order), step):
            batch = order[first : first + step]
            shape = bucket(len(batch), 1), bucket(len(rows[batch[-1]]))
            state = self._run([(rows[i], keys[i]) for i in batch], shape, sampling)
            generated = to_host((state.tokens, state.logprobs, state.counts))
            for slot, i in enumerate(batch):
                slots = range(slot * sampling.n, (slot + 1) * sampling.n)
                yield i, [self._completion(generated, row, sampling) for row in slots]

    def prompts_at_once(self, n: int) -> int:
        """How many prompts with n samples each are decoded at once; a power of two."""
        return 1 << (max(1, self._max_rows // n).bit_length() - 1)

    def encode(
        self, index: int, prompt: str | Sequence[int], sampling: SamplingParams
    ) -> tuple[int, ...]:
        """The ids of prompt ``index``; ValueError where it is empty, unknown or too long."""
        # A candidate stands one position after the last token.
        config = self._model.decoder.config
        return encode_prompt(self.tokenizer, config, index, prompt, sampling.max_tokens)

    def _run(
        self,
        batch: Sequence[tuple[tuple[int, ...], int]],
        shape: tuple[int, int],
        sampling: SamplingParams,
    ) -> EnergyDecodeState:
        """Decodes ``n`` samples of (ids, key) padded to (rows, ids), up to ``max_tokens``."""
        size, length = shape
        size += -size % batch_ways(self._mesh)
        tokens = np.zeros((size, length), np.int32)
        starts = np.full(size, length, np.int32)
        prompt_ids, seeds = np.zeros(size, np.uint32), np.zeros(size, np.uint32)
        zeros = np.zeros(size, np.int32)
        seeds[:] = sampling.seed & 0xFFFFFFFF
        for i, (ids, key) in enumerate(batch):
            starts[i] = length - len(ids)
            tokens[i, starts[i] :] = ids
            prompt_ids[i] = key
        limits = np.full(size, sampling.max_tokens, np.int32)
        placed = put_batch((tokens, starts, (seeds, prompt_ids, zeros), zeros, limits), self._mesh)
        temperature = put_replicated(np.float32(sampling.temperature or 1.0), self._mesh)
        rule = EnergyRule(
            thinking=self._thinking,
            candidates=self._candidates,
            eos_ids=tuple(self.tokenizer.eos_ids),
            vocab_size=self.tokenizer.vocab_size,
            greedy=sampling.temperature == 0,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
        )
        most = sampling.max_tokens
        state = start(
            self._model,
            self.params,
            *placed,
            temperature,
            rule=rule,
            n=sampling.n,
            max_tokens=most,
        )
        interval = _STOP_INTERVAL if sampling.stop else most
        for until in range(interval, most + interval, interval):
            until = put_replicated(np.int32(min(until, most)), self._mesh)
            state = advance(self._model, self.params, state, until, temperature, rule=rule)
            if sampling.stop:
                state = self._stop_on_strings(state, sampling)
                if bool(to_host(state.finished).all()):
                    break
        return state

    def _stop_on_strings(
        self, state: EnergyDecodeState, sampling: SamplingParams
    ) -> EnergyDecodeState:
        tokens, counts, finished = to_host((state.tokens, state.counts, state.finished))
        stopped = finished.copy()
        for row in np.flatnonzero(~finished):
            text = self.tokenizer.decode(tokens[row, : counts[row]].tolist())
            stopped[row] = any(stop in text for stop in sampling.stop)
        return state.replace(finished=put_batch(stopped, self._mesh))

    def _completion(
        self, generated: tuple[np.ndarray, ...], row: int, sampling: SamplingParams
    ) -> Completion:
        tokens, logprobs, counts = generated
        ids = tokens[row, : int(counts[row])].tolist()
        reason = "stop" if ids and ids[-1] in self.tokenizer.eos_ids else "length"
        text = self.tokenizer.decode(ids)
        if any(stop in text for stop in sampling.stop):
            # Generation runs on to the next look at the text: keep the tokens that made the stop.
            while len(ids) > 1 and any(
                stop in self.tokenizer.decode(ids[:-1]) for stop in sampling.stop
            ):
                ids.pop()
            text, reason = self.tokenizer.decode(ids), "stop"
            text = text[: min(text.find(stop) for stop in sampling.stop if stop in text)]
        return Completion(text, tuple(ids), tuple(logprobs[row, : len(ids)].tolist()), reason)
