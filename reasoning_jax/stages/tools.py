"""The tools of a run, as its config names them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.sampling import Sampler, TurnSampler
from reasoning_jax.text import Tokenizer, encode_example
from reasoning_jax.tools import Syntax, Toolbox, encode_worked
from reasoning_jax.types import Problem


def tools_block() -> ConfigDict:
    """What a policy may call while it writes; nothing at its defaults."""
    block = ConfigDict()
    # functions that make tools, each a dotted name or {"name": dotted name, **keywords}
    block.use = ()
    block.max_turns = 4  # times a policy writes in one response; one call fewer
    block.max_result_tokens = 128  # of a result; the rest is cut
    block.wall_seconds = 30.0  # calls of a turn are given up when none was answered for so long
    block.syntax = ConfigDict(dataclasses.asdict(Syntax()))  # delimiters of calls and results
    return block


@dataclasses.dataclass(frozen=True)
class Tooling:
    """Tools ready for use.

    Attributes:
      toolbox: answers calls, or None for a run without tools.
      max_turns, max_result_tokens: as in TurnSampler.
    """

    toolbox: Toolbox | None
    max_turns: int
    max_result_tokens: int

    def wrap(self, sampler: Sampler) -> Sampler | TurnSampler:
        """The sampler, with tools where there are any."""
        if self.toolbox is None:
            return sampler
        return TurnSampler(sampler, self.toolbox, self.max_turns, self.max_result_tokens)

    def example(self, tokenizer: Tokenizer, problem: Problem) -> tuple[list[int], list[bool]]:
        """A problem with its solution as ids, and for each whether it is trained."""
        if self.toolbox is None:
            return encode_example(tokenizer, problem.prompt, problem.solution)
        return encode_worked(
            tokenizer,
            self.toolbox.syntax,
            problem.prompt,
            problem.solution,
            self.max_result_tokens,
        )


def build_tooling(block: Mapping[str, Any], tokenizer: Tokenizer) -> Tooling:
    """The tools that a ``tools_block`` describes.

    Raises:
      ValueError: something in it that cannot work, delimiters that cannot be encoded included.
    """
    for name in ("max_turns", "max_result_tokens"):
        if block[name] < 1:
            raise ValueError(f"config.tools.{name} is {block[name]}; it must be at least 1")
    if block["wall_seconds"] <= 0:
        raise ValueError(f"config.tools.wall_seconds is {block['wall_seconds']}; give more than 0")
    syntax = Syntax(**block["syntax"])
    toolbox = None
    if block["use"]:
        tools = [
            function({"name": spec} if isinstance(spec, str) else spec, "config.tools.use")()
            for spec in block["use"]
        ]
        for name, delimiter in dataclasses.asdict(syntax).items():
            try:
                tokenizer.encode(delimiter)
            except ValueError as error:
                raise ValueError(f"config.tools.syntax.{name}: {error}") from error
        toolbox = Toolbox(tools, syntax, block["wall_seconds"])
    return Tooling(toolbox, block["max_turns"], block["max_result_tokens"])
