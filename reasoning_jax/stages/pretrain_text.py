"""The text that pretraining reads: the documents of the run's task, as rows of tokens."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from ml_collections import ConfigDict

from reasoning_jax.stages.blocks import (
    build_optimizer,
    check_rows,
    optimizer_block,
)
from reasoning_jax.stages.context import Context
from reasoning_jax.text.packing import PackedRows
from reasoning_jax.training.data import pack_examples


def text_block(stage: str) -> ConfigDict:
    """What pretraining of every architecture has in common, so that two of them can be compared.

    A document is the prompt and the solution of a problem.
    """
    block = ConfigDict()
    block.stage = stage
    block.split = "train"
    block.documents = 0  # the first so many of the split; 0 is all
    block.prompts = True  # whether prompts are to be predicted, too, or are context alone
    block.row_tokens = 128  # length of a packed row; longer documents are cut
    block.rows = 32  # packed rows per update
    block.micro_batches = 1
    block.steps = 1000
    block.optimizer = optimizer_block(peak=3e-3, warmup_steps=50)
    block.log_every = 10
    block.evaluate_every = 100
    block.checkpoint_every = 0  # besides those after every evaluation
    block.validation = ConfigDict({"split": "validation", "documents": 256})
    return block


def check_text(context: Context, block: ConfigDict) -> None:
    """Raises ValueError where text, rows or optimiser cannot be."""
    check_rows(context, block.rows, block.micro_batches, "rows")
    build_optimizer(block.optimizer)
    if not 2 <= block.row_tokens <= context.model.max_position:
        raise ValueError(
            f"row_tokens is {block.row_tokens}; it must lie in [2, {context.model.max_position}], "
            "the context of the model"
        )
    if block.steps < 1 or block.evaluate_every < 1:
        raise ValueError(
            f"steps {block.steps} and evaluate_every {block.evaluate_every} must be at least 1"
        )
    rows = training_rows(context, block, seed=0)
    if len(rows.tokens) < block.rows:
        raise ValueError(
            f"the documents fill {len(rows.tokens)} rows of {block.row_tokens} tokens, fewer than "
            f"one update of {block.rows}; lower rows or row_tokens"
        )
    validation_rows(context, block)


def training_rows(context: Context, block: ConfigDict, seed: int) -> PackedRows:
    """What is trained on, as ``text_block`` describes it; ValueError as ``text_rows``."""
    return text_rows(context, block.split, block.documents, block.row_tokens, seed, block.prompts)


def validation_rows(context: Context, block: ConfigDict) -> PackedRows:
    """What is held out, predicted where training predicts; ValueError as ``text_rows``."""
    held_out = block.validation
    return text_rows(
        context, held_out.split, held_out.documents, block.row_tokens, 0, block.prompts
    )


def text_rows(
    context: Context,
    split: str,
    documents: int,
    row_tokens: int,
    seed: int,
    prompts: bool = True,
) -> PackedRows:
    """The first documents of a split as packed rows; a row mixes what the data keeps apart.

    Args:
      documents: how many; 0: all.
      prompts: whether the tokens of prompts count in the loss.

    Raises:
      ValueError: the split has fewer documents, or none of two tokens.
    """
    size = context.task.size(split)
    count = documents or size
    if not 1 <= count <= size:
        raise ValueError(f"documents {count}: {context.config.task} has {size} in {split!r}")
    tokenizer = context.tokenizer
    examples = []
    for index in range(count):
        problem = context.task.problem(split, index)
        prompt = tokenizer.encode_prompt(problem.prompt)
        solution = [*tokenizer.encode(problem.solution or ""), tokenizer.eos_id]
        ids = [*prompt, *solution]
        counts = [prompts] * len(prompt) + [True] * len(solution)
        for first in range(0, len(ids), row_tokens):
            some = slice(first, first + row_tokens)
            if len(ids[some]) > 1:  # alone it is neither predicted nor does it predict
                examples.append((ids[some], counts[some]))
    if not examples:
        raise ValueError(f"no document of {split!r} has two tokens")
    rows = pack_examples(examples, row_tokens, seed)
    energy = context.energy
    if energy is not None and energy.conditioning != "candidate" and rows.segment_ids.max() > 1:
        raise ValueError(
            f"config.energy.conditioning is {energy.conditioning!r}, for rows of one document, and "
            f"rows of {row_tokens} tokens hold several; lower row_tokens"
        )
    return rows


def in_chunks(rows: PackedRows, size: int) -> Iterator[PackedRows]:
    """Chunks of ``size`` rows; the last is filled up with rows of padding."""
    arrays = dataclasses.asdict(rows)
    for first in range(0, len(rows.tokens), size):
        part = {name: x[first : first + size] for name, x in arrays.items()}
        room = size - len(part["tokens"])
        yield PackedRows(**{name: np.pad(x, ((0, room), (0, 0))) for name, x in part.items()})


def floor_of(context: Context) -> float | None:
    """Nats a token below which no model stays, where the source of the text knows it."""
    floor = getattr(context.task, "floor", None)
    # A first token that is always the same would be one more that is certain.
    return None if floor is None or context.tokenizer.bos_id is not None else floor()
