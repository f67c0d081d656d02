"""The rows that pretraining reads, and which of their tokens count."""

import types

import numpy as np
import pytest

from reasoning_jax.stages.pretrain_text import text_rows
from reasoning_jax.tasks.modchain import ModChain
from reasoning_jax.text import CharTokenizer

TASK = ModChain(length=2, modulus=5, operations="+-")


@pytest.fixture
def context():
    return types.SimpleNamespace(
        task=TASK,
        tokenizer=CharTokenizer(TASK.alphabet),
        energy=None,
        config=types.SimpleNamespace(task="modchain"),
    )


def counted(rows, tokenizer):
    """The text of the tokens that count, of all rows."""
    return "".join(tokenizer.decode(list(t[m])) for t, m in zip(rows.tokens, rows.loss_mask))


def test_prompts_count_unless_they_are_left_out(context):
    problems = [TASK.problem("train", index) for index in range(4)]
    solutions = sorted("".join(p.solution for p in problems))
    everything = sorted("".join(p.prompt + p.solution for p in problems))
    whole = text_rows(context, "train", 4, 16, seed=0)
    answers = text_rows(context, "train", 4, 16, seed=0, prompts=False)
    np.testing.assert_array_equal(whole.tokens, answers.tokens)
    assert sorted(counted(answers, context.tokenizer)) == solutions
    # The first token of a document follows nothing, so nothing predicts it.
    assert len(everything) - len(counted(whole, context.tokenizer)) == 4
    assert answers.loss_mask.sum() == len(solutions) + 4  # and the ends


def test_what_is_cut_off_begins_anew(context):
    problems = [TASK.problem("train", index) for index in range(4)]
    length = len(problems[0].prompt)
    rows = text_rows(context, "train", 4, length, seed=0, prompts=False)
    assert len(rows.tokens) == 8  # prompts, which count nothing, and solutions
    assert sorted(counted(rows, context.tokenizer)) == sorted(
        "".join(p.solution[1:] for p in problems)
    )
