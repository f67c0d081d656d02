"""The scores that a process reward model gives the steps of responses."""

import dataclasses
import os
from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import Mesh

from reasoning_jax.models import ModelConfig, Transformer
from reasoning_jax.models.heads import step_scores
from reasoning_jax.models.hf_reward import load_reward_model
from reasoning_jax.parallel import batch_ways, make_mesh, put_batch, to_host
from reasoning_jax.shapes import bucket
from reasoning_jax.text import Tokenizer, load_tokenizer, split_steps


@dataclasses.dataclass(frozen=True)
class ProcessScores:
    """P(right) of each step, read at its last token.

    Attributes:
      config, params, head: of a reward model with one output, or two for (wrong, right).
      tokenizer: of the model.
      mesh: devices.
      separator: ends a step.
      rows: responses scored at once.
    """

    config: ModelConfig
    params: dict
    head: dict[str, jax.Array]
    tokenizer: Tokenizer
    mesh: Mesh
    separator: str = "\n"
    rows: int = 64

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> list[list[float]]:
        """The scores of each response's steps, as ``split_steps`` cuts them.

        Raises:
          ValueError: a response is longer than the model's context.
        """
        encoded = [self._encode(*both) for both in zip(prompts, responses, strict=True)]
        for ids, _ in encoded:
            if len(ids) > self.config.max_position:
                raise ValueError(
                    f"prompt and response of {len(ids)} tokens exceed the context of "
                    f"{self.config.max_position}"
                )
        model = Transformer(self.config, mesh=self.mesh)

        @jax.jit
        def score(params, head, rows):
            tokens, ends, mask = rows
            hidden = model.apply({"params": params}, tokens, method="hidden")
            return jax.nn.sigmoid(step_scores(head, hidden, ends, mask))

        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i][0]))
        found: list[list[float]] = [[] for _ in encoded]
        ways = batch_ways(self.mesh)
        at_once = -(-self.rows // ways) * ways
        for first in range(0, len(order), at_once):
            members = order[first : first + at_once]
            rows = _arrays([encoded[i] for i in members], at_once)
            scores = to_host(score(self.params, self.head, put_batch(rows, self.mesh)))
            for row, i in enumerate(members):
                found[i] = [float(s) for s in scores[row, : len(encoded[i][1])]]
        return found

    def _encode(self, prompt: str, response: str) -> tuple[list[int], list[int]]:
        """(ids, index of the last token of each step)."""
        ids, ends = list(self.tokenizer.encode_prompt(prompt)), []
        for step in split_steps(response, self.separator):
            ids += self.tokenizer.encode(step)
            ends.append(len(ids) - 1)
        return ids, ends


def load_process_scores(folder: str | os.PathLike, separator: str = "\n") -> ProcessScores:
    """A reward model of a Hugging Face folder over all devices.

    Raises:
      ValueError: the folder holds no reward model of one or two outputs.
    """
    mesh = make_mesh()
    config, params, head = load_reward_model(folder, mesh)
    if head["kernel"].shape[1] > 2:
        raise ValueError(
            f"{folder} has a head of {head['kernel'].shape[1]} outputs; steps are scored by one, "
            "or by two for the classes wrong and right"
        )
    return ProcessScores(config, params, head, load_tokenizer(folder), mesh, separator)


def _arrays(
    encoded: Sequence[tuple[list[int], list[int]]], count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """tokens [N, T] int32, ends [N, S] int32, mask [N, S] bool, filled up to N = ``count``."""
    width = bucket(max(len(ids) for ids, _ in encoded))
    steps = bucket(max(1, *(len(ends) for _, ends in encoded)), 1)
    tokens = np.zeros((count, width), np.int32)
    ends = np.zeros((count, steps), np.int32)
    mask = np.zeros((count, steps), bool)
    for row, (ids, last) in enumerate(encoded):
        tokens[row, : len(ids)] = ids
        ends[row, : len(last)] = last
        mask[row, : len(last)] = True
    return tokens, ends, mask
