"""Cross-model corrections of a scripted policy's errors."""

import types

import pytest

from reasoning_jax.generators import LocalGenerator
from reasoning_jax.preference.pairs import Pair
from reasoning_jax.stages import generators
from reasoning_jax.stages.correction_sources import CrossCorrections
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


def test_the_inspector_lets_right_corrections_pass(make_context, monkeypatch):
    _, second, wrong = blocks(0)
    own = ["no\n</Cause>\n" + wrong, "so\n</Cause>\n" + wrong]
    taught = ["a\n</Cause>\n" + wrong, "b\n</Cause>\n" + second]
    teacher = Scripted([taught])

    def model_folder(context, *, folder):
        return LocalGenerator(teacher, context.tokenizer, folder)

    monkeypatch.setattr(generators, "model_folder", model_folder)
    spec = {"name": "reasoning_jax.stages.generators.model_folder", "folder": "big"}
    source = CrossCorrections(steps=STEPS, problems=2, n=1, corrections=2, most=2, teacher=spec)
    (pair,) = source.pairs(make_context(responses(), [own]), {}, seed=3)
    assert (pair.chosen, pair.rejected) == (taught[1], own[0])
    with pytest.raises(FileNotFoundError, match=r"source\.teacher\.folder is 'big'"):
        source.validate(make_context())


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
