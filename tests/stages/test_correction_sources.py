"""Cross-model corrections of a scripted policy's errors."""

import dataclasses
import types

import pytest

from reasoning_jax.generators import LocalGenerator
from reasoning_jax.preference.pairs import Pair
from reasoning_jax.stages.sources import generators
from reasoning_jax.stages.sources.corrections import CrossCorrections
from reasoning_jax.tasks.modchain import ModChain
from reasoning_jax.tasks.templated import CAUSE, TemplatedWordChain
from reasoning_jax.text import CharTokenizer
from reasoning_jax.types import Completion
from reasoning_jax.verify.pool import Pool
from reasoning_jax.verify.verifier import Verifier

TASK = TemplatedWordChain(length=2, maximum=9, noise=0.0)
STEPS = {"name": "reasoning_jax.tasks.templated.Tagged"}


def blocks(index):
    """The two steps of a solution, and the second one with another result."""
    solution = TASK.problem("train", index).solution
    head, _, tail = solution.partition("<Step2>")
    second = "<Step2>" + tail.split("<Generalized>")[0]
    left, _, result = second.partition("=")
    number, _, rest = result.partition("\n")
    return head, second, f"{left}={int(number) + 1}\n{rest}"


class Scripted:
    """Gives what it is told, call by call."""

    def __init__(self, *calls):
        self.calls, self.asked = list(calls), []

    def stream(self, prompts, sampling, prompt_ids):
        self.asked.append((prompts, sampling))
        for place, texts in enumerate(self.calls.pop(0)):
            yield place, [Completion(text, (), (), "stop") for text in texts]


@pytest.fixture
def make_context():
    verifier = Verifier(Pool(1), max_failures=1.0, window=10, least=10)

    def make(*calls, task=TASK):
        scripted = Scripted(*calls)
        return types.SimpleNamespace(
            task=task,
            tokenizer=CharTokenizer(TASK.alphabet),
            verifier=verifier,
            tooling=types.SimpleNamespace(toolbox=None),
            model=types.SimpleNamespace(max_position=1024),
            sampler=lambda trained: scripted,
            scripted=scripted,
        )

    yield make
    verifier.close()


def responses():
    """Of two problems, one answered rightly and one with a wrong second step."""
    first, _, wrong = blocks(0)
    other = TASK.problem("train", 1).solution
    return [[first + wrong + "<Answer>99</Answer>"], [other]]


def test_a_teacher_against_own_corrections(make_context):
    first, second, wrong = blocks(0)
    tries = [["so\n</Cause>\n" + second, "no\n</Cause>\n" + wrong + "<Answer>", "none"]]
    context = make_context(responses(), tries)
    source = CrossCorrections(steps=STEPS, problems=2, n=1, corrections=3, max_tokens=64)
    source.validate(context)
    problem = TASK.problem("train", 0)
    cause, step = TASK.correction(problem, 1)
    prefix = first + wrong + CAUSE
    # The right one of the policy's own is no pair's rejected side; nor is one without a step.
    assert source.pairs(context, {}, seed=3) == (
        Pair(problem.prompt, cause + step, "no\n</Cause>\n" + wrong, prefix, False, problem.id),
    )
    (prompts, sampling) = context.scripted.asked[1]
    asked = context.tokenizer.encode_prompt(problem.prompt) + context.tokenizer.encode(prefix)
    assert prompts == [asked] and (sampling.n, sampling.seed) == (3, 4)


def named_models(monkeypatch, **models):
    """Has the folders of ``model_folder`` be scripted models; gives their specs by name."""

    def model_folder(context, *, folder):
        return LocalGenerator(models[folder], context.tokenizer, folder)

    monkeypatch.setattr(generators, "model_folder", model_folder)
    name = "reasoning_jax.stages.sources.generators.model_folder"
    return {folder: {"name": name, "folder": folder} for folder in models}


def test_without_rounds_only_right_corrections_pass(make_context, monkeypatch):
    _, second, wrong = blocks(0)
    own = ["no\n</Cause>\n" + wrong, "so\n</Cause>\n" + wrong]
    taught = ["a\n</Cause>\n" + wrong, "b\n</Cause>\n" + second]
    specs = named_models(monkeypatch, big=Scripted([taught]))
    source = CrossCorrections(
        steps=STEPS, problems=2, n=1, corrections=2, most=2, teacher=specs["big"], rounds=0
    )
    (pair,) = source.pairs(make_context(responses(), [own]), {}, seed=3)
    assert (pair.chosen, pair.rejected) == (taught[1], own[0])
    with pytest.raises(FileNotFoundError, match=r"source\.teacher\.folder is 'big'"):
        source.validate(make_context())


def test_the_inspector_rewrites_what_fails(make_context, monkeypatch):
    first, second, wrong = blocks(0)
    own = ["no\n</Cause>\n" + wrong]
    taught = ["a\n</Cause>\n" + wrong]
    again = ["b\n</Cause>\n" + wrong]
    right = ["c\n</Cause>\n" + second]
    inspector = Scripted([again], [right])
    specs = named_models(monkeypatch, big=Scripted([taught]), critic=inspector)
    source = CrossCorrections(
        steps=STEPS, problems=2, n=1, corrections=1, teacher=specs["big"], rounds=2
    )
    rewritten = dataclasses.replace(source, inspector=specs["critic"])
    (pair,) = rewritten.pairs(make_context(responses(), [own]), {}, seed=3)
    # The failed correction is what it goes on from, and no part of the pair.
    assert (pair.chosen, pair.prefix) == (right[0], first + wrong + CAUSE)
    tokenizer, prompt = CharTokenizer(TASK.alphabet), TASK.problem("train", 0).prompt
    for (prompts, sampling), failed, seed in zip(inspector.asked, (taught, again), (5, 6)):
        text = first + wrong + CAUSE + failed[0] + CAUSE
        assert prompts == [tokenizer.encode_prompt(prompt) + tokenizer.encode(text)]
        assert sampling.seed == seed
    # The task writes them itself where no inspector is named.
    specs = named_models(monkeypatch, big=Scripted([taught]))
    (pair,) = source.pairs(make_context(responses(), [own]), {}, seed=3)
    assert pair.chosen == "".join(TASK.correction(TASK.problem("train", 0), 1))


def test_a_step_too_many_has_no_correction_by_the_task(make_context):
    problem = TASK.problem("train", 0)
    steps = len(problem.info["steps"])
    solution = "".join(TASK.correction(problem, k)[1] for k in range(steps))
    extra = TASK.correction(problem, steps - 1)[1]
    source = CrossCorrections(steps=STEPS, problems=1, n=1, corrections=1)
    context = make_context([[solution + extra]], [[extra]])
    (error,) = source.errors(context, {}, seed=3)
    assert error[1].index == steps
    assert source.pairs(make_context([[solution + extra]], [[extra]]), {}, seed=3) == ()


def test_the_share_of_errors_that_are_corrected(make_context):
    _, second, wrong = blocks(0)
    own = ["so\n</Cause>\n" + second, "so\n</Cause>\n" + wrong, "none", ""]
    source = CrossCorrections(steps=STEPS, problems=2, n=1, corrections=4)
    found = source.corrected(make_context(responses(), [own]), {}, seed=3)
    assert found == {"errors": 1.0, "corrected": 0.25}
    right = [[TASK.problem("train", i).solution] for i in range(2)]
    assert source.corrected(make_context(right), {}, 3) == {"errors": 0.0, "corrected": 0.0}
    assert source.pairs(make_context(right), {}, 3) == ()


def test_a_task_that_corrects_nothing_needs_a_teacher(make_context):
    source = CrossCorrections(steps=STEPS, problems=2, max_tokens=8)
    with pytest.raises(ValueError, match=r"modchain corrects no steps itself; name a source"):
        source.validate(make_context(task=ModChain(length=3)))
    chat = {
        "name": "reasoning_jax.stages.sources.generators.chat",
        "url": "http://x",
        "model": "big",
    }
    taught = dataclasses.replace(source, teacher=chat)
    with pytest.raises(ValueError, match=r"name a source\.inspector, or set rounds to 0"):
        taught.validate(make_context(task=ModChain(length=3)))
    with pytest.raises(ValueError, match=r"source\.rounds is -1; it is at least 0"):
        dataclasses.replace(source, rounds=-1).validate(make_context())
