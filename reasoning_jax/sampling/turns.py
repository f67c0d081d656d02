"""Sampling in turns: a row stops at a call of a tool, reads the result, and goes on."""

import dataclasses
import json
from collections.abc import Iterator, Sequence

from reasoning_jax.parallel import exchange, is_main_process
from reasoning_jax.sampling.engine import Sampler
from reasoning_jax.sampling.params import SamplingParams
from reasoning_jax.sampling.prefix import Prefix
from reasoning_jax.sampling.prompts import collect, read_prompts
from reasoning_jax.sampling.task import Row
from reasoning_jax.text import Tokenizer
from reasoning_jax.tools import Desk, Toolbox, ToolResult, encode_result
from reasoning_jax.types import Completion, ToolCall


class TurnSampler:
    """A sampler whose completions may call tools; used as a `Sampler` is.

    Ids that were sampled are never re-tokenised and results are encoded alone, so that the
    trainer scores the very row the policy saw. ``max_tokens`` bounds the whole response, results
    included; a response ends by ``"length"`` when the budget is used up, when a result and a
    token after it do not fit into it, and at a call in the last turn.

    Args:
      sampler: continues rows.
      toolbox: answers calls.
      max_turns: most times the policy writes; it may make one call fewer.
      max_result_tokens: most ids of a result, its delimiters apart; the rest is cut.
    """

    def __init__(
        self, sampler: Sampler, toolbox: Toolbox, max_turns: int = 4, max_result_tokens: int = 128
    ):
        for name, value in (("max_turns", max_turns), ("max_result_tokens", max_result_tokens)):
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        self._sampler = sampler
        self._toolbox = toolbox
        self._max_turns = max_turns
        self._max_result_tokens = max_result_tokens

    @property
    def tokenizer(self) -> Tokenizer:
        """The sampler's."""
        return self._sampler.tokenizer

    def with_params(self, params: dict) -> "TurnSampler":
        """The same sampler over other parameters; compiled programs are shared."""
        sampler = self._sampler.with_params(params)
        return TurnSampler(sampler, self._toolbox, self._max_turns, self._max_result_tokens)

    def generate(
        self,
        prompts: Sequence[str | Sequence[int]],
        sampling: SamplingParams,
        prompt_ids: Sequence[int] | None = None,
    ) -> list[list[Completion]]:
        """``outs[i][j]`` is sample j of prompt i, as `Sampler.generate` has it.

        A completion depends on (parameters, prompt, seed, prompt id, j) and on what the tools
        answer; a result that is empty in ids leaves the draws of a row as they were.
        """
        return collect(self.stream(prompts, sampling, prompt_ids), len(prompts))

    def stream(
        self,
        prompts: Sequence[str | Sequence[int]],
        sampling: SamplingParams,
        prompt_ids: Sequence[int] | None = None,
    ) -> Iterator[tuple[int, list[Completion]]]:
        """(i, the samples of prompt i) of each prompt, as soon as its batch has ended."""
        given = read_prompts(prompts, sampling, prompt_ids, self._sampler.encode)
        order = given.by_length
        step = self._sampler.prompts_at_once(sampling.n)
        for first in range(0, len(order), step):
            batch = order[first : first + step]
            outs = self._batch(
                [given.tokens[i] for i in batch], [given.numbers[i] for i in batch], sampling
            )
            yield from zip(batch, outs)

    def _batch(
        self, prompts: list[tuple[int, ...]], prompt_ids: list[int], sampling: SamplingParams
    ) -> list[list[Completion]]:
        """All turns of the samples of prompts that are decoded at once."""
        until_call = dataclasses.replace(
            sampling, stop=(*sampling.stop, self._toolbox.syntax.call_end)
        )
        rows = [
            _Dialogue(prompt, prompt_id, sample)
            for prompt, prompt_id in zip(prompts, prompt_ids)
            for sample in range(sampling.n)
        ]
        with self._toolbox.desk() as desk:
            calling = self._write(range(len(rows)), rows, desk, until_call)
            for _ in range(1, self._max_turns):
                if calling:
                    going_on = self._read_results(calling, rows, desk, sampling.max_tokens)
                    calling = self._write(going_on, rows, desk, until_call)
        flat = [row.completion(self.tokenizer) for row in rows]
        n = sampling.n
        return [flat[i * n : (i + 1) * n] for i in range(len(prompts))]

    def _write(
        self,
        going_on: Sequence[int],
        rows: "list[_Dialogue]",
        desk: Desk,
        until_call: SamplingParams,
    ) -> dict[int, str]:
        """One turn of some rows; returns the text before the call of those that made one."""
        if not going_on:
            return {}
        states = [rows[i].state(until_call.max_tokens) for i in going_on]
        added = self._sampler.grow(states, until_call, len(rows))
        calling = {}
        for i, (out, prefix) in zip(going_on, added):
            rows[i].write(out)
            if self._ends_in_call(out):
                rows[i].prefix = prefix
                rows[i].finish_reason = "length"  # unless it goes on
                calling[i] = out.text
            else:
                whole = self.tokenizer.decode(out.tokens)
                rows[i].cut = len(whole) - len(out.text)
                rows[i].prefix = None  # its memory is for others
                desk.close_row(i)
        return calling

    def _ends_in_call(self, out: Completion) -> bool:
        """Whether the stop that ended a turn, the first one in its text, was the end of a call."""
        if out.finish_reason != "stop":
            return False
        rest = self.tokenizer.decode(out.tokens)[len(out.text) :]
        return rest.startswith(self._toolbox.syntax.call_end)

    def _read_results(
        self, calling: dict[int, str], rows: "list[_Dialogue]", desk: Desk, max_tokens: int
    ) -> list[int]:
        """Answers the calls; returns the rows whose result leaves room for a token after it."""
        syntax, going_on = self._toolbox.syntax, []
        for (i, text), result in zip(calling.items(), _answers(desk, list(calling.items()))):
            body = syntax.error + result.text if result.error else result.text
            ids = encode_result(self.tokenizer, syntax, body, self._max_result_tokens)
            argument = syntax.argument(text) or ""
            if rows[i].read(ids, ToolCall(argument, body, result.error), max_tokens):
                going_on.append(i)
            else:
                desk.close_row(i)
        return going_on


def _answers(desk: Desk, calls: list[tuple[int, str]]) -> list[ToolResult]:
    """The results of the main process, on all processes: no other one calls a tool."""
    own = desk.answer(calls) if is_main_process() else []
    return [ToolResult(*result) for result in json.loads(exchange(json.dumps(own).encode())[0])]


@dataclasses.dataclass
class _Dialogue:
    """A row while it grows; the three lists have one entry for each id of the response.

    Attributes:
      cut: characters at the end of its text that belong to a stop sequence.
      prefix: its state at its last call, from which the next turn goes on; None at its end.
    """

    prompt: tuple[int, ...]
    prompt_id: int
    sample: int
    tokens: list[int] = dataclasses.field(default_factory=list)
    logprobs: list[float] = dataclasses.field(default_factory=list)
    sampled: list[bool] = dataclasses.field(default_factory=list)
    calls: list[ToolCall] = dataclasses.field(default_factory=list)
    finish_reason: str = "length"
    cut: int = 0
    prefix: Prefix | None = None

    def write(self, out: Completion) -> None:
        """Appends what the policy sampled in one turn."""
        self.tokens += out.tokens
        self.logprobs += out.logprobs
        self.sampled += [True] * len(out.tokens)
        self.finish_reason = out.finish_reason

    def read(self, ids: list[int], call: ToolCall, max_tokens: int) -> bool:
        """Notes a call and appends its result; False where the budget has no room for it."""
        self.calls.append(call)
        if len(self.tokens) + len(ids) >= max_tokens:
            return False
        self.tokens += ids
        self.logprobs += [0.0] * len(ids)
        self.sampled += [False] * len(ids)
        return True

    def state(self, max_tokens: int) -> Row:
        """The row for the sampler to continue."""
        done = len(self.tokens)
        tokens = (*self.prompt, *self.tokens)
        return Row(
            tokens,
            self.prompt_id,
            self.sample,
            step=done,
            limit=max_tokens - done,
            prefix=self.prefix,
        )

    def completion(self, tokenizer: Tokenizer) -> Completion:
        """The row at its end."""
        own = [token for token, sampled in zip(self.tokens, self.sampled) if sampled]
        written = tokenizer.decode(own)
        with_results = tokenizer.decode(self.tokens)
        return Completion(
            text=written[: len(written) - self.cut],
            tokens=tuple(self.tokens),
            logprobs=tuple(self.logprobs),
            finish_reason=self.finish_reason,
            sampled=tuple(self.sampled) if self.calls else None,
            calls=tuple(self.calls),
            transcript=with_results[: len(with_results) - self.cut] if self.calls else None,
        )
