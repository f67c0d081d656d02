"""Complements by a scripted policy, and the task that reads them."""

import types

import pytest

from reasoning_jax.stages import complements
from reasoning_jax.tasks.augmented import StoryComplement, WrittenAugmentedWordChain
from reasoning_jax.text import CharTokenizer
from reasoning_jax.types import Completion
from reasoning_jax.verify.pool import Pool
from reasoning_jax.verify.verifier import Verifier

TASK = StoryComplement(length=2, maximum=9)


class Scripted:
    """Right for the training split, wrong elsewhere; goes on after the line."""

    def stream(self, prompts, sampling, prompt_ids):
        known = {p.prompt: p.answer for p in map(TASK.problem, ["train"] * 4, range(4))}
        for place, ids in enumerate(prompts):
            text = known.get(CharTokenizer(TASK.alphabet).decode(ids), "1") + "\n"
            yield place, [Completion(text, (), (), "stop")]


@pytest.fixture
def context(tmp_path):
    verifier = Verifier(Pool(1), max_failures=1.0, window=10, least=10)
    logged = []
    yield types.SimpleNamespace(
        task=TASK,
        tokenizer=CharTokenizer(TASK.alphabet),
        verifier=verifier,
        tooling=types.SimpleNamespace(toolbox=None),
        model=types.SimpleNamespace(max_position=256),
        sampler=lambda trained: Scripted(),
        workdir=tmp_path,
        log=types.SimpleNamespace(log=lambda *line: logged.append(line)),
        logged=logged,
    )
    verifier.close()


def test_the_file_holds_what_was_written_for_every_story(context):
    block = complements.default_config()
    block.problems.update({"train": 4, "test": 2})
    complements.validate(context, block)
    stage = types.SimpleNamespace(
        name="complements",
        config=block,
        context=context,
        seed=lambda number: number,
        finish=lambda step, params: None,
    )
    assert complements.run(stage, {"a": 1}) == {"a": 1}
    ((name, step, metrics),) = context.logged
    assert (name, step) == ("complements", 0)
    assert metrics == {"complements/written": 6.0, "complements/right": pytest.approx(4 / 6)}
    path = context.workdir / complements.FILE
    task = WrittenAugmentedWordChain(length=2, maximum=9, data=str(path))
    for split, count in (("train", 4), ("test", 2)):
        for index in range(count):
            problem = TASK.problem(split, index)
            complement = problem.answer if split == "train" else "1"
            expected = f"{problem.prompt.rstrip()} ({complement})\n"
            assert task.problem(split, index).prompt == expected


def test_it_says_what_it_cannot_do(context):
    block = complements.default_config()
    block.problems.update({"train": 0, "test": 0})
    with pytest.raises(ValueError, match="problems names none"):
        complements.validate(context, block)
    block.problems.test = 10_000
    with pytest.raises(ValueError, match="problems is 10000; 'test' has 512"):
        complements.validate(context, block)
    block.problems.test = 1
    block.generator.name = "reasoning_jax.stages.sources.generators.model_folder"
    block.generator.folder = "nowhere"
    with pytest.raises(FileNotFoundError, match=r"generator\.folder is 'nowhere'"):
        complements.validate(context, block)
