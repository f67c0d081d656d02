"""The sampler: prompts in, completions out, batched into fixed shapes."""

import copy
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.transformer import Transformer
from reasoning_jax.parallel import make_mesh
from reasoning_jax.sampling.newcomers import ENDS
from reasoning_jax.sampling.params import SamplingParams
from reasoning_jax.sampling.prefix import Prefix
from reasoning_jax.sampling.prompts import collect, encode_prompt, read_prompts
from reasoning_jax.sampling.slots import Slots
from reasoning_jax.sampling.stops import ids_of_stops
from reasoning_jax.sampling.task import Row, Task
from reasoning_jax.sampling.weights import Weights, prepare
from reasoning_jax.shapes import bucket
from reasoning_jax.text import Tokenizer
from reasoning_jax.types import Completion


class Sampler:
    """Generates in the process and with the parameters that train; no second numerics.

    At the first use the layers are taken apart and matrices cast to ``dtype``, a copy that lives as
    long as the sampler.

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
        if len(tokenizer.eos_ids) > ENDS:
            raise ValueError(
                f"the tokenizer has {len(tokenizer.eos_ids)} end-of-sequence ids; at most {ENDS} "
                "can be watched for"
            )
        self.params = params
        self.tokenizer = tokenizer
        self._mesh = mesh if mesh is not None else make_mesh(devices=jax.devices()[:1])
        self._model = Transformer(config, mesh=mesh, dtype=dtype, attention=attention)
        self._max_rows = max_rows
        self._prepared: Weights | None = None

    def with_params(self, params: dict) -> "Sampler":
        """The same sampler over other parameters; compiled programs are shared."""
        other = copy.copy(self)
        other.params, other._prepared = params, None
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
        return collect(self.stream(prompts, sampling, prompt_ids), len(prompts))

    def stream(
        self,
        prompts: Sequence[str | Sequence[int]],
        sampling: SamplingParams,
        prompt_ids: Sequence[int] | None = None,
    ) -> Iterator[tuple[int, list[Completion]]]:
        """(i, the samples of prompt i) of each prompt, as soon as they have all ended.

        What is done with them while others are decoded costs no time of its own. Arguments and
        completions are those of `generate`.
        """
        given = read_prompts(prompts, sampling, prompt_ids, self.encode)
        where, tasks = {}, []
        for i in given.by_length:
            for sample in range(sampling.n):
                row = Row(given.tokens[i], given.numbers[i], sample, 0, sampling.max_tokens)
                tasks.append(self.task(row, sampling))
                where[tasks[-1]] = i, sample
        outs = [[None] * sampling.n for _ in given.tokens]
        missing = [sampling.n] * len(given.tokens)
        slots = self.slots(bucket(len(tasks), 1))
        slots.add(tasks)
        for task in slots.run():
            i, sample = where.pop(task)
            outs[i][sample] = task.completion()
            missing[i] -= 1
            if not missing[i]:
                yield i, outs[i]

    def prompts_at_once(self, n: int) -> int:
        """How many prompts with n samples each are decoded at once; a power of two."""
        return 1 << (max(1, self._max_rows // n).bit_length() - 1)

    def extend(self, rows: Sequence[Row], sampling: SamplingParams, of: int) -> list[Completion]:
        """Continues each row once; its draws are those of an uninterrupted completion.

        Args:
          rows: from `Row`; a row and its limit must fit into the context.
          sampling: ``n`` and ``max_tokens`` are not used.
          of: rows of the first turn; those left take all, a quarter, a sixteenth ... of their
            slots, since each number of slots is a program.

        Returns:
          What was added to each row.
        """
        return [task.completion() for task in self._extended(rows, sampling, of, keeps=False)]

    def read(self, prompts: Sequence[str | Sequence[int]]) -> list[Prefix]:
        """The state of each prompt, for rows of `extend` and `grow` to begin with.

        Raises:
          ValueError: as `generate` does.
        """
        one = SamplingParams(max_tokens=1)
        encoded = [self.encode(i, prompt, one) for i, prompt in enumerate(prompts)]
        return self.slots(self._max_rows).read(encoded)

    def grow(
        self, rows: Sequence[Row], sampling: SamplingParams, of: int
    ) -> list[tuple[Completion, Prefix]]:
        """As `extend`, with the state of each row at its end beside what was added to it.

        A search forks by beginning several rows, which differ in ``sample`` or ``prompt_id``,
        with one prefix; tokens from elsewhere, such as the result of a tool, may follow it.
        """
        for i, row in enumerate(rows):
            if row.limit < 1:
                raise ValueError(f"the limit of row {i} is {row.limit}; give at least 1")
        tasks = self._extended(rows, sampling, of, keeps=True)
        return [(task.completion(), task.prefix) for task in tasks]

    def _extended(
        self, rows: Sequence[Row], sampling: SamplingParams, of: int, keeps: bool
    ) -> list[Task]:
        for i, row in enumerate(rows):
            self._check_prefix(i, row)
        tasks = [self.task(row, sampling, keeps) for row in rows]
        order = sorted(tasks, key=lambda task: len(task.row.tokens))
        slots = self.slots(bucket(of, 1), ladder=4)
        slots.add([task for task in order if not task.finished])
        for _ in slots.run():
            pass
        return tasks

    def _check_prefix(self, index: int, row: Row) -> None:
        prefix = row.prefix
        if prefix is None:
            return
        if prefix.tokens != row.tokens[: len(prefix.tokens)]:
            raise ValueError(
                f"row {index} does not begin with the {len(prefix.tokens)} tokens of its prefix"
            )
        if prefix.weights is not self._weights():
            raise ValueError(
                f"the prefix of row {index} was made with other parameters; read the prompt again"
            )

    def task(self, row: Row, sampling: SamplingParams, keeps: bool = False) -> Task:
        """A row for `slots`; ``keeps`` its state at the end."""
        ends = (*self.tokenizer.eos_ids, *ids_of_stops(self.tokenizer, sampling.stop))
        return Task(row, sampling, ends[:ENDS], self.tokenizer, keeps)

    def slots(self, rows: int, ladder: int = 2) -> Slots:
        """Slots for at most so many rows, and no more than ``max_rows``, at once; see `Slots`."""
        return Slots(
            self._model,
            self._weights(),
            self._mesh,
            min(rows, self._max_rows),
            self.tokenizer.vocab_size,
            ladder,
        )

    def encode(
        self, index: int, prompt: str | Sequence[int], sampling: SamplingParams
    ) -> tuple[int, ...]:
        """The ids of prompt ``index`` of a call of `generate`; raises as it does."""
        config = self._model.config
        return encode_prompt(self.tokenizer, config, index, prompt, sampling.max_tokens)

    def _weights(self) -> Weights:
        if self._prepared is None:
            self._prepared = prepare(self._model, self.params)
        return self._prepared
