"""Pairs of a scripted policy's answers to chains modulo 10, graded and labelled by the task."""

import types

import pytest

from reasoning_jax.generators import LocalGenerator
from reasoning_jax.preference.pairs import Pair, write_pairs
from reasoning_jax.preference.pipeline import assemble
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages.sources import generators
from reasoning_jax.stages.sources.pairs import (
    CorrectedWholes,
    PairFile,
    SampledOutcomes,
    SampledSteps,
    TeacherAgainstOwn,
)
from reasoning_jax.tasks.modchain import ModChain
from reasoning_jax.text import CharTokenizer
from reasoning_jax.types import Completion
from reasoning_jax.verify.pool import Pool
from reasoning_jax.verify.verifier import Verifier

TASK = ModChain(length=3)


def truth(index):
    return TASK.problem("train", index).info["steps"]


def spell(steps):
    return ",".join(str(step % 10) for step in steps)


class Scripted:
    """Answers whole prompts, and goes on from prefixes, as told; keeps what it was asked."""

    def __init__(self, answers, continuations):
        self.answers, self.continuations = answers, continuations
        self.asked: list[tuple[list, SamplingParams]] = []

    def stream(self, prompts, sampling, prompt_ids=None):
        script = self.continuations if self.asked else self.answers
        self.asked.append((prompts, sampling))
        for index in reversed(range(len(prompts))):  # streams come in any order
            texts = script[index]
            yield (
                index,
                [
                    Completion(text.rstrip("~"), (), (), "length" if text.endswith("~") else "stop")
                    for text in texts
                ],
            )


@pytest.fixture
def make_context():
    verifier = Verifier(Pool(1), max_failures=1.0, window=10, least=10)

    def make(answers=(), continuations=()):
        scripted = Scripted(answers, continuations)
        return types.SimpleNamespace(
            task=TASK,
            tokenizer=CharTokenizer(TASK.alphabet),
            verifier=verifier,
            tooling=types.SimpleNamespace(toolbox=None),
            model=types.SimpleNamespace(max_position=64),
            sampler=lambda trained: scripted,
            scripted=scripted,
        )

    yield make
    verifier.close()


def test_outcomes_pair_right_and_wrong_answers_that_end(make_context):
    right = [spell(truth(i)) for i in range(2)]
    a, b, c = truth(0)
    wrong = spell([a, b, c + 1])
    context = make_context([[wrong + "~", wrong, right[0], right[0]], [right[1], right[1]]])
    pairs = SampledOutcomes(problems=2, n=4).pairs(context, {}, seed=3)
    problem = TASK.problem("train", 0)
    assert pairs == (Pair(problem.prompt, right[0], wrong, source="modchain/train/0"),)
    ((_, sampling),) = context.scripted.asked
    assert (sampling.n, sampling.seed) == (4, 3)


def test_steps_pair_the_first_wrong_step_with_what_leads_to_the_answer(make_context):
    a, b, c = truth(0)
    wrong = spell([a, b + 1, c + 1])  # from the second step on
    script = [[spell([a, b, c]), wrong], [spell(truth(1))]]
    rest = [spell([b, c]), spell([b, c]), spell([b + 2, c]), spell([b, c + 1])]
    context = make_context(script, [rest])
    pairs = SampledSteps(problems=2, n=2, corrections=4, separator=",").pairs(context, {}, seed=3)
    problem = TASK.problem("train", 0)
    context_text = f"{a},"
    # What reaches the right answer is chosen, a lucky step too; equal steps once.
    assert pairs == tuple(
        Pair(problem.prompt, spell([step]), spell([b + 1]), context_text, False, problem.id)
        for step in (b, b + 2)
    )
    (_, _), (prompts, sampling) = context.scripted.asked
    assert prompts == [context.tokenizer.encode_prompt(problem.prompt + context_text)]
    assert (sampling.n, sampling.seed) == (4, 4)


def test_the_same_corrections_as_whole_responses(make_context):
    a, b, c = truth(0)
    wrong = spell([a, b + 1, c + 1])
    rest = [spell([b, c]), spell([b, c]) + "~", spell([b + 2, c]), spell([b, c + 1])]
    context = make_context([[wrong], [spell(truth(1))]], [rest])
    source = CorrectedWholes(problems=2, n=1, corrections=4, separator=",", most=1)
    problem = TASK.problem("train", 0)
    assert source.pairs(context, {}, seed=3) == (
        Pair(problem.prompt, spell([a, b, c]), wrong, source=problem.id),
    )


def test_a_teacher_against_own_mistakes(make_context, monkeypatch):
    script = [["1,x", spell(truth(0)), "2,x"], [spell(truth(1))] * 3, ["3,x"] * 3]
    solved = [i for i in (0, 2) if TASK.problem("train", i).solution == spell(truth(i))]
    source = TeacherAgainstOwn(problems=3, n=3, max_tokens=8)
    context = make_context(script)
    source.validate(context)
    wrong = {0: "1,x", 2: "3,x"}
    problems = {i: TASK.problem("train", i) for i in (0, 2)}
    assert source.pairs(context, {}, seed=3) == tuple(
        Pair(problems[i].prompt, spell(truth(i)), wrong[i], source=problems[i].id) for i in solved
    )
    # Another model as the teacher is asked for what the policy errs on, and must be right.
    teacher = Scripted([["4,x"], [spell(truth(2))]], [])

    def model_folder(context, *, folder):
        return LocalGenerator(teacher, context.tokenizer, folder)

    monkeypatch.setattr(generators, "model_folder", model_folder)
    spec = {"name": "reasoning_jax.stages.sources.generators.model_folder", "folder": "big"}
    source = TeacherAgainstOwn(problems=3, n=3, max_tokens=8, teacher=spec)
    with pytest.raises(FileNotFoundError, match=r"source\.teacher\.folder is 'big'"):
        source.validate(context)
    assert source.pairs(make_context(script), {}, seed=3) == (
        Pair(problems[2].prompt, spell(truth(2)), "3,x", source=problems[2].id),
    )


def test_another_model_corrects(make_context, monkeypatch):
    a, b, c = truth(0)
    other = Scripted([[spell([b, c])]], [])

    def model_folder(context, *, folder):
        return LocalGenerator(other, context.tokenizer, folder)

    monkeypatch.setattr(generators, "model_folder", model_folder)
    context = make_context([[spell([a, b + 1, c + 1])]])
    corrector = {"name": "reasoning_jax.stages.sources.generators.model_folder", "folder": "big"}
    keywords = dict(problems=1, n=1, corrections=1, separator=",", max_tokens=8)
    source = SampledSteps(**keywords, corrector=corrector)
    with pytest.raises(FileNotFoundError, match=r"source\.corrector\.folder is 'big'"):
        source.validate(context)
    (trace,) = source.traces(context, {}, seed=3)
    assert trace.made_by == {"collect": "own", "locate": "exact", "rectify": "big"}
    problem = TASK.problem("train", 0)
    assert assemble([trace]) == (
        Pair(problem.prompt, str(b), spell([b + 1]), f"{a},", False, problem.id),
    )


def test_a_policy_that_is_always_right_gives_no_pairs(make_context):
    context = make_context([[spell(truth(0))]])
    assert SampledSteps(problems=1, separator=",").pairs(context, {}, 0) == ()
    context = make_context([[spell(truth(0))]])
    assert SampledOutcomes(problems=1).pairs(context, {}, 0) == ()


def test_files_are_read_when_the_stage_is_checked(make_context, tmp_path):
    pairs = (Pair("1+1=", "2", "3"),)
    write_pairs(tmp_path / "pairs.jsonl", pairs)
    source = PairFile(str(tmp_path / "pairs.jsonl"))
    source.validate(make_context())
    assert source.pairs(make_context(), {}, 0) == pairs
    write_pairs(tmp_path / "chats.jsonl", [Pair("1+1=", "2", "3", turns=(("user", "1"),))])
    with pytest.raises(ValueError, match=r"set chat\.template"):
        PairFile(str(tmp_path / "chats.jsonl")).validate(make_context())
    (tmp_path / "chats.jsonl").write_text("7\n" + (tmp_path / "pairs.jsonl").read_text())
    with pytest.raises(ValueError, match="line 1"):
        PairFile(str(tmp_path / "chats.jsonl")).validate(make_context())
    skipping = PairFile(str(tmp_path / "chats.jsonl"), on_malformed="skip")
    skipping.validate(make_context())
    assert skipping.pairs(make_context(), {}, 0) == pairs
    with pytest.raises(FileNotFoundError):
        PairFile(str(tmp_path / "none.jsonl")).validate(make_context())


@pytest.mark.parametrize(
    "source, fault",
    [
        (SampledOutcomes(problems=0), "problems is 0"),
        (SampledOutcomes(problems=10**6), "'train' has 100000"),
        (SampledOutcomes(max_tokens=60), "exceed the context of 64"),
        (SampledSteps(max_tokens=30), "responses of up to 60 tokens exceed the context of 64"),
        (SampledSteps(max_tokens=8, corrections=0), "n is 0"),
        (SampledSteps(max_tokens=8, mistakes=0), "source.mistakes is 0; at least 1"),
        (
            SampledSteps(
                max_tokens=8, corrector={"name": "reasoning_jax.stages.sources.generators.none"}
            ),
            "source.corrector",
        ),
        (
            SampledSteps(
                max_tokens=8,
                corrector={"name": "reasoning_jax.stages.sources.generators.completions"},
            ),
            "needs url, model",
        ),
    ],
)
def test_what_cannot_work_is_refused(make_context, source, fault):
    with pytest.raises(ValueError, match=fault):
        source.validate(make_context())


def test_tools_are_refused(make_context):
    context = make_context()
    context.tooling.toolbox = object()
    with pytest.raises(ValueError, match="calls of tools make no pairs"):
        SampledOutcomes(max_tokens=8).validate(context)
