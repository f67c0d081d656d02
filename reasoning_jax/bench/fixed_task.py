"""A task whose prompts have one length, for any vocabulary; rewards that pass a turnstile."""

from reasoning_jax.bench.turnstile import TURNSTILE
from reasoning_jax.bench.works import token_rows
from reasoning_jax.types import Completion, Problem, StepLabels, Verdict
from reasoning_jax.verify.rewards import outcome

_SIZE = {"train": 256, "validation": 1, "test": 1}


class FixedPrompts:
    """Prompts of random numbers; an answer is right when its last number is even.

    Args:
      length: numbers in a prompt, each a token of the model folders of `bench.folders`.
      vocab_size: numbers are below it.
    """

    name = "fixed"
    alphabet = ""

    def __init__(self, length: int, vocab_size: int):
        self._prompts = {
            split: token_rows(size, length, vocab_size, seed)
            for seed, (split, size) in enumerate(_SIZE.items())
        }

    def size(self, split: str) -> int:
        """Number of problems."""
        return len(self._prompts[split])

    def problem(self, split: str, index: int) -> Problem:
        """A prompt."""
        prompt = " ".join(map(str, self._prompts[split][index]))
        return Problem(f"fixed/{split}/{index}", self.name, prompt, "")

    def grade(self, problem: Problem, response: str) -> Verdict:
        """By the last number alone."""
        return Verdict(even(response), "even")

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """There are none.

        Raises:
          ValueError: always.
        """
        raise ValueError("the prompts of a benchmark have no steps")


def even(response: str) -> bool:
    """Whether the last number of a text is even."""
    words = response.split()
    return bool(words) and int(words[-1]) % 2 == 0


def reward_even(problem: Problem, completion: Completion, verdict: Verdict, *, each: int) -> float:
    """1 for a right answer; lets the loop wait at the first of every ``each`` completions."""
    TURNSTILE.count(each)
    return float(bool(verdict.correct))


def reward_outcome(
    problem: Problem, completion: Completion, verdict: Verdict, *, each: int
) -> float | None:
    """The reward ``outcome``, waiting likewise."""
    TURNSTILE.count(each)
    return outcome(problem, completion, verdict)
