"""The scores that a reward model gives whole answers, read at their last token."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from reasoning_jax.models import Transformer, load_reward_model
from reasoning_jax.models.heads import row_rewards
from reasoning_jax.parallel import batch_ways, put_batch, to_host
from reasoning_jax.shapes import bucket
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.keep import source_folder
from reasoning_jax.types import Completion


@dataclasses.dataclass(frozen=True)
class RewardScores:
    """Scores completions by a reward model of one output.

    Attributes:
      context: of the run, whose tokenizer and mesh it uses.
      name: of the model, see ``source_folder``.
      rows: completions scored at once, a little more where devices do not divide them.
    """

    context: Context
    name: str
    rows: int = 256

    def __call__(
        self, prompts: Sequence[str], completions: Sequence[Sequence[Completion]]
    ) -> list[list[float]]:
        """Score of each completion of each prompt."""
        context, mesh = self.context, self.context.mesh
        config, params, head = load_reward_model(source_folder(context, self.name), mesh)
        model = Transformer(config, mesh, context.dtype, attention=context.config.attention)

        @jax.jit
        def score(params, head, rows):
            tokens, lengths = rows
            hidden = model.apply({"params": params}, tokens, method="hidden")
            return row_rewards(head, hidden, lengths)

        ids = [
            (*context.tokenizer.encode_prompt(prompt), *out.tokens)
            for prompt, outs in zip(prompts, completions, strict=True)
            for out in outs
        ]
        found = np.zeros(len(ids), np.float32)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        ways = batch_ways(mesh)
        at_once = -(-self.rows // ways) * ways
        for first in range(0, len(order), at_once):
            members = order[first : first + at_once]
            rows = _arrays([ids[i] for i in members], at_once)
            found[members] = to_host(score(params, head, put_batch(rows, mesh)))[: len(members)]
        scores = iter(found.tolist())
        return [[next(scores) for _ in outs] for outs in completions]


def _arrays(ids: Sequence[Sequence[int]], count: int) -> tuple[np.ndarray, np.ndarray]:
    """tokens [N, T] int32 and lengths [N] int32, filled up to N = ``count`` with empty rows."""
    tokens = np.zeros((count, bucket(max(map(len, ids)))), np.int32)
    lengths = np.zeros(count, np.int32)
    for row, of_row in enumerate(ids):
        tokens[row, : len(of_row)] = of_row
        lengths[row] = len(of_row)
    return tokens, lengths
