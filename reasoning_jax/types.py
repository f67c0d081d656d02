"""The data that flows between the rooms: problems, completions, verdicts, step labels, rollouts.

Shape letters: B rows (completions), T tokens of a row (prompt and response, right-padded).
"""

import dataclasses
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import jax
from flax import struct


@dataclasses.dataclass(frozen=True)
class Problem:
    """One question with its gold answer.

    Attributes:
      id: stable and unique, ``"<task>/<split>/<index>"``.
      task: name of the task that made it and grades it.
      prompt: the exact text the policy continues.
      answer: the gold answer, as text.
      solution: a reference response to imitate (without end-of-sequence), or None.
      info: what the task needs to grade and to label steps; JSON-serialisable.
    """

    id: str
    task: str
    prompt: str
    answer: str
    solution: str | None = None
    info: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Completion:
    """One sampled continuation of a prompt.

    Attributes:
      text: decoded response, cut before the stop sequence that ended it.
      tokens: ids as sampled, end-of-sequence included; never re-tokenised.
      logprobs: log p(token | prefix) of each id, full softmax at the sampling temperature.
      finish_reason: ``"stop"`` (end of sequence or stop sequence) or ``"length"``.
    """

    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: str


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a grader says of one answer.

    Attributes:
      correct: True, False, or None when it cannot be judged.
      reason: which rule decided, a short stable word such as ``"exact"`` or ``"no_answer"``.
      extracted: the answer found in the response, equal ones in one spelling; or None.
    """

    correct: bool | None
    reason: str
    extracted: str | None = None


@dataclasses.dataclass(frozen=True)
class Check:
    """A verdict that only a worker process may work out, for the work may hang, crash or swell.

    A grader returns one instead of a Verdict; the pool of `reasoning_jax.verify` runs it.

    Attributes:
      function: of a module's top level, so that it pickles: ``(*args) -> Verdict``.
      args: what it takes; equal functions and arguments have equal verdicts and are cached.
      cpu_seconds, wall_seconds, memory_bytes: the worker is killed and replaced beyond them.
    """

    function: Callable[..., Verdict]
    args: tuple[Hashable, ...]
    cpu_seconds: float = 2.0
    wall_seconds: float = 10.0
    memory_bytes: int = 512 << 20


@dataclasses.dataclass(frozen=True)
class StepLabels:
    """Exact process labels of one response.

    Attributes:
      steps: the response cut into steps.
      correct: step k states the value of the true solution.
      valid: step k follows from the steps before it, whether those are right or not.
      first_error: index of the first step with ``correct`` False, or -1.
    """

    steps: tuple[str, ...]
    correct: tuple[bool, ...]
    valid: tuple[bool, ...]
    first_error: int


@struct.dataclass
class Rollouts:
    """A batch of graded completions, as arrays; every RL function reads this and nothing else.

    A row is a prompt followed at once by its response, right-padded to T. Masks come from
    lengths, never from token values; padding may hold anything, nan included.

    Attributes:
      tokens: [B, T] int32, prompt then response then padding.
      lengths: [B] int32, prompt and response together.
      mask: [B, T] bool, True on tokens the policy sampled (end of sequence included).
      row_mask: [B] bool, False on rows that leave groups, statistics and loss
        (padding rows, filtered rows, answers that cannot be judged).
      group_ids: [B] int32 in [0, B), equal for samples of one prompt.
      rewards: [B] float32, outcome after shaping.
      correct: [B] int8, 1 right, 0 wrong, -1 cannot be judged.
      finished: [B] bool, False where generation was cut at the length limit.
      sampler_logprobs: [B, T] float32 as reported while sampling.
      old_logprobs: [B, T] float32 recomputed by the trainer before the first update,
        or None when one update per batch makes them equal the current ones.
      ref_logprobs: [B, T] float32 under the reference policy, or None.
      values: [B, T] float32 value estimates, or None.
      step_ends: [B, S] int32 position in T of each step's last token, or None.
      step_mask: [B, S] bool, or None.
      step_rewards: [B, S] float32, or None.
      token_rewards: [B, T] float32 dense process reward, or None.
    """

    tokens: jax.Array
    lengths: jax.Array
    mask: jax.Array
    row_mask: jax.Array
    group_ids: jax.Array
    rewards: jax.Array
    correct: jax.Array
    finished: jax.Array
    sampler_logprobs: jax.Array
    old_logprobs: jax.Array | None = None
    ref_logprobs: jax.Array | None = None
    values: jax.Array | None = None
    step_ends: jax.Array | None = None
    step_mask: jax.Array | None = None
    step_rewards: jax.Array | None = None
    token_rewards: jax.Array | None = None

    @property
    def loss_mask(self) -> jax.Array:
        """[B, T] bool: sampled tokens of rows that take part."""
        return self.mask & self.row_mask[:, None]
