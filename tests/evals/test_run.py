"""An evaluation with known answers, by hand."""

import dataclasses
import math

import pytest

from reasoning_jax.evals.run import evaluate
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.types import Completion, Problem, Verdict
from reasoning_jax.verify.pool import Pool
from reasoning_jax.verify.verifier import Verifier

PROBLEMS = [
    Problem(id=f"sums/test/{i}", task="sums", prompt=prompt, answer=answer)
    for i, (prompt, answer) in enumerate([("1+1=", "2"), ("1+2=", "3"), ("2+2=", "4")])
]
SAMPLED = {
    "1+1=": ["2", "2", "5", "?"],
    "1+2=": ["7", "3", "7", "3"],
    "2+2=": ["", "9", "9", "4"],
}
GREEDY = {"1+1=": "2", "1+2=": "7", "2+2=": "4"}


class FakeSampler:
    """Gives the texts above; a text of length 1 ended by itself."""

    def __init__(self):
        self.asked = []

    def stream(self, prompts, sampling):
        self.asked.append(sampling)
        texts = [[GREEDY[p]] if sampling.temperature == 0 else SAMPLED[p] for p in prompts]
        for i, row in reversed(list(enumerate(texts))):
            yield i, [self._completion(text) for text in row[: sampling.n]]

    def _completion(self, text):
        tokens = tuple(range(len(text) + 1))
        return Completion(text, tokens, (0.0,) * len(tokens), "stop" if text else "length")


class FakeTask:
    """An empty response has no answer; "?" cannot be judged."""

    def grade(self, problem, response):
        if response == "?":
            return Verdict(None, "timeout", "?")
        if not response:
            return Verdict(False, "no_answer")
        return Verdict(response == problem.answer, "exact", response)


@pytest.fixture
def sampler():
    return FakeSampler()


def measure(sampler, problems=PROBLEMS, **options):
    sampling = SamplingParams(temperature=0.8, top_p=0.9, seed=3, max_tokens=9, **options)
    verifier = Verifier(Pool(), max_failures=1.0, window=1, least=1)
    return evaluate(sampler, FakeTask(), problems, sampling, verifier)


def test_parts_of_a_mixture_are_measured_apart(sampler):
    parts = ("ones", "ones", "twos")
    problems = [dataclasses.replace(p, info={"part": x}) for p, x in zip(PROBLEMS, parts)]
    metrics = measure(sampler, problems, n=4).metrics
    assert metrics["eval/part/ones/pass@1"] == 0.5 and metrics["eval/part/twos/pass@1"] == 0.25
    assert not any("part" in name for name in measure(sampler, n=4).metrics)


def test_figures_by_hand(sampler):
    # Right: 2, 2 and 1 of 4.
    metrics = measure(sampler, n=4).metrics
    # Problem means 1/2, 1/2, 1/4: mean 5/12, standard deviation 1/(4 sqrt 3).
    half_width = 1.96 / (4 * math.sqrt(3)) / math.sqrt(3)
    # Greedy 1, 0, 1: mean 2/3, standard deviation 1/sqrt 3.
    expected = {
        "eval/pass@1": 5 / 12,
        "eval/pass@1_interval": half_width,
        "eval/greedy": 2 / 3,
        "eval/greedy_interval": 1.96 / 3,
        # Of the 6 pairs all wrong: 1, 1 and 3.
        "eval/pass@2": (5 / 6 + 5 / 6 + 3 / 6) / 3,
        "eval/pass@4": 1.0,
        # First two votes: 2; 7 as the first of a tie; 9, since no answer is no vote.
        "eval/maj@2": 1 / 3,
        # All four: 2; 7 as the first of a tie; 9.
        "eval/maj@4": 1 / 3,
        "eval/truncated": 1 / 12,
        "eval/length": (11 * 2 + 1) / 12,
        "eval/unjudged": 1 / 12,
        "eval/problems": 3,
        "eval/verdict/exact": 10,
        "eval/verdict/no_answer": 1,
        "eval/verdict/timeout": 1,
    }
    assert metrics == pytest.approx(expected)


def test_one_sample_has_no_vote(sampler):
    metrics = measure(sampler, n=1).metrics
    assert metrics["eval/pass@1"] == pytest.approx(1 / 3)
    assert not [name for name in metrics if "maj@" in name or name == "eval/pass@2"]


def test_k_are_the_powers_of_two_up_to_n(sampler):
    metrics = measure(sampler, n=3).metrics
    assert [name for name in metrics if name.startswith("eval/maj@")] == ["eval/maj@2"]
    # The first three: right 2, 1, 0; pairs all wrong 0, 1, 3 of 3.
    assert metrics["eval/pass@2"] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_sampled_and_greedy_differ_in_temperature_and_number_alone(sampler):
    measure(sampler, n=4)
    sampled, greedy = sampler.asked
    assert (sampled.n, sampled.temperature) == (4, 0.8)
    assert (greedy.n, greedy.temperature) == (1, 0.0)
    for name in ("top_p", "seed", "max_tokens", "stop"):
        assert getattr(greedy, name) == getattr(sampled, name)


def test_samples_are_the_first_completion_of_every_problem(sampler):
    samples = measure(sampler, n=4).samples
    assert [row["completion"] for row in samples] == ["2", "7", ""]
    assert samples[2] == {
        "problem": "sums/test/2",
        "prompt": "2+2=",
        "completion": "",
        "gold": "4",
        "verdict": False,
        "reason": "no_answer",
        "finish_reason": "length",
    }
