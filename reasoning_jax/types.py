"""The data that flows between the rooms: problems, completions, verdicts, step labels, rollouts.

Host types need no jax: worker processes import this module in milliseconds. `Rollouts` is of
the device, defined in `reasoning_jax.rollouts` and loaded from here on first use.
"""

import dataclasses
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reasoning_jax.rollouts import Rollouts

__all__ = ["Check", "Completion", "Problem", "Rollouts", "StepLabels", "ToolCall", "Verdict"]


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
class ToolCall:
    """One call that a completion made, and what came back.

    Attributes:
      argument: text between the delimiters of the call.
      result: text the policy was given to read.
      error: the call was malformed, or its tool failed or ran out of time.
    """

    argument: str
    result: str
    error: bool = False


@dataclasses.dataclass(frozen=True)
class Completion:
    """One sampled continuation of a prompt.

    Attributes:
      text: what the policy wrote, decoded, cut before the stop sequence that ended it. Results
        of tools are not in it, so that no grader takes them for the policy's own words.
      tokens: ids as sampled, end-of-sequence included; never re-tokenised. Results of tools
        stand where the policy read them.
      logprobs: log p(token | prefix) of each id, full softmax at the sampling temperature;
        0 for ids that were not sampled.
      finish_reason: ``"stop"`` (end of sequence or stop sequence) or ``"length"``.
      sampled: for each id whether the policy sampled it; None where it sampled all.
      calls: of tools, in order.
      transcript: the text with the results of tools in place; None where there are none.
    """

    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: str
    sampled: tuple[bool, ...] | None = None
    calls: tuple[ToolCall, ...] = ()
    transcript: str | None = None


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a grader says of one answer.

    Attributes:
      correct: True, False, or None when it cannot be judged.
      reason: which rule decided, a short stable word such as ``"exact"`` or ``"no_answer"``.
      extracted: the answer found in the response, equal ones in one spelling; or None.
      path: name of the extraction policy that found it, or None where none was needed.
    """

    correct: bool | None
    reason: str
    extracted: str | None = None
    path: str | None = None


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


def __getattr__(name: str) -> Any:
    if name != "Rollouts":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reasoning_jax.rollouts import Rollouts

    return Rollouts
