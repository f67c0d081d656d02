"""What contestants are given to do, as JSON values; their data follow from a seed."""

import dataclasses
import math
import random
from typing import Any


@dataclasses.dataclass(frozen=True)
class Work:
    """One piece of work on one model.

    Attributes:
      task: what to do; contestants name those they know.
      folder: of the model, in Hugging Face format.
      dtype: computation dtype.
      rows: completions, or rows of an update.
      prompt, response: tokens of every row.
      group: samples of each prompt.
      shared: whether the samples of a prompt are asked for together.
      temperature, top_k, top_p: of sampling.
      slots: rows decoded at once; 0 for all.
      rounds: how often in a row before the clock stops, for short works.
      seed: of prompts, responses and advantages.
      options: what only one contestant understands.
    """

    task: str
    folder: str
    dtype: str = "float32"
    rows: int = 64
    prompt: int = 64
    response: int = 128
    group: int = 1
    shared: bool = True
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    slots: int = 0
    rounds: int = 1
    seed: int = 0
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As `Arena.prepare` takes it."""
        return dataclasses.asdict(self)


def read(work: dict[str, Any]) -> Work:
    """The work of a request."""
    return Work(**{key: value for key, value in work.items() if key != "warm_ups"})


def token_rows(rows: int, length: int, vocab_size: int, seed: int) -> list[list[int]]:
    """[rows][length] ids, none of them 0, which peers keep for padding."""
    draw = random.Random(f"tokens {seed}")
    return [[draw.randrange(1, vocab_size) for _ in range(length)] for _ in range(rows)]


def prompts(work: Work, vocab_size: int) -> list[list[int]]:
    """The distinct prompts of a work, ``rows / group`` of them."""
    return token_rows(work.rows // work.group, work.prompt, vocab_size, work.seed)


def update_rows(work: Work, vocab_size: int) -> list[list[int]]:
    """[rows][prompt + response] ids of an update; rows 2i and 2i + 1 of DPO are pair i."""
    rows = token_rows(work.rows, work.prompt + work.response, vocab_size, work.seed)
    if work.task == "dpo":
        for chosen, rejected in zip(rows[::2], rows[1::2]):
            rejected[: work.prompt] = chosen[: work.prompt]
    return rows


def limits(work: Work) -> list[int]:
    """Tokens of each row: geometric with ``options["mean_length"]``, at most ``response``."""
    draw = random.Random(f"limits {work.seed}")
    stay = math.log1p(-1 / work.options["mean_length"])
    lengths = (1 + int(math.log(1 - draw.random()) / stay) for _ in range(work.rows))
    return [min(length, work.response) for length in lengths]


def advantages(work: Work) -> list[float]:
    """One of each row, of mean 0."""
    draw = random.Random(f"advantages {work.seed}")
    values = [draw.gauss(0, 1) for _ in range(work.rows)]
    mean = sum(values) / len(values)
    return [value - mean for value in values]


LEARNING_RATE, B1, B2, EPS, CLIP_NORM = 1e-6, 0.9, 0.95, 1e-8, 1.0
"""AdamW of every contestant, without weight decay."""

CLIP, BETA, KL_COEF = 0.2, 0.1, 0.04
"""Of GRPO's ratio; of DPO; of whole steps of GRPO."""
