"""What a run verifies with; whole runs with it are in tests/stages/test_run.py."""

import time

import checks
import jax
import pytest

from reasoning_jax.types import Check, Completion, Problem, Verdict
from reasoning_jax.verify import verifier as module
from reasoning_jax.verify.pool import Pool
from reasoning_jax.verify.verifier import TooManyFailures, Verifier

PROBLEMS = [Problem(f"words/test/{i}", "words", f"{i}?", str(i)) for i in range(6)]


class Words:
    """Grades by what the response says."""

    def grade(self, problem, response):
        match response:
            case "check":
                return Check(checks.equal, (problem.id, problem.id))
            case "crash":
                return Check(checks.leave, (0,))
            case "raise":
                raise KeyError(problem.id)
            case "nonsense":
                return response == problem.answer
            case "lambda":
                return Check(lambda: None, ())
            case "unparsed_gold":
                return Verdict(None, "unparsed_gold")
        return Verdict(response == problem.answer, "exact", response)


def completions(*texts):
    return [Completion(text, (1,), (0.0,), "stop") for text in texts]


def make(max_failures=1.0, window=10, least=1):
    return Verifier(Pool(processes=1), max_failures, window, least)


@pytest.fixture
def verifier():
    made = make()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        ("0", Verdict(True, "exact", "0")),
        ("7", Verdict(False, "exact", "7")),
        ("check", Verdict(True, "equal", "words/test/0")),
        ("crash", Verdict(None, "crash")),
        ("raise", Verdict(None, "error:KeyError")),
        ("nonsense", Verdict(None, "error:TypeError")),
        ("lambda", Verdict(None, "error:ValueError")),
    ],
)
def test_whatever_a_task_does_there_is_a_verdict(verifier, response, verdict):
    assert verifier.submit(Words(), PROBLEMS[0], response).result(60) == verdict


def test_verdicts_stand_where_their_completions_stand(verifier):
    stream = [(2, completions("2", "check")), (0, completions("1", "0")), (1, completions())]
    pending = verifier.start(Words(), PROBLEMS[:3], stream)
    assert [[out.text for out in outs] for outs in pending.completions] == [
        ["1", "0"],
        [],
        ["2", "check"],
    ]
    verdicts = verifier.finish(pending)
    assert [[v.correct for v in row] for row in verdicts] == [[False, True], [], [True, True]]


def test_checks_run_while_the_next_batch_is_sampled(verifier, tmp_path):
    file = tmp_path / "checked"

    class Writes:
        def grade(self, problem, response):
            return Check(checks.touch, (str(file),))

    def stream():
        yield 0, completions("first")
        until = time.monotonic() + 60
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert file.exists(), "the first answer was not verified before the second was sampled"
        yield 1, completions("second")

    pending = verifier.start(Writes(), PROBLEMS[:2], stream())
    assert [row[0].correct for row in verifier.finish(pending)] == [True, True]


def judge(verifier, *texts):
    pending = verifier.start(Words(), PROBLEMS[:1], [(0, completions(*texts))])
    return [v.correct for v in verifier.finish(pending)[0]]


def test_failures_below_the_threshold_are_verdicts_and_above_it_stop_the_run():
    verifier = make(max_failures=0.5, window=4, least=3)
    assert judge(verifier, "raise", "raise") == [None, None]  # too few to tell
    assert judge(verifier, "0", "0") == [True, True]
    assert judge(verifier, "raise", "raise") == [None, None]  # the first two are forgotten
    with pytest.raises(TooManyFailures) as stop:
        judge(verifier, "nonsense")
    assert "3 of the last 4 answers (2 error:KeyError, 1 error:TypeError)" in str(stop.value)
    assert "verify.max_failures 0.5" in str(stop.value)


def test_what_cannot_be_judged_does_not_stop_a_run():
    assert judge(make(max_failures=0.0), *["unparsed_gold"] * 5) == [None] * 5


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"max_failures": 1.5}, "max_failures 1.5 is no fraction"),
        ({"least": 0}, "least 0 must be at least 1"),
        ({"least": 11}, "at most window 10"),
    ],
)
def test_numbers_that_make_no_threshold_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        make(**numbers)


def as_process(monkeypatch, index, told):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "process_index", lambda: index)
    monkeypatch.setattr(module, "exchange", lambda data: told.append(data) or told)


def test_processes_share_the_work_and_agree(verifier, monkeypatch):
    stream = [(i, completions(str(i), "check")) for i in range(5)]
    told = []
    as_process(monkeypatch, 0, told)
    first = verifier.start(Words(), PROBLEMS[:5], stream)
    assert [len(row) for row in first.verdicts] == [2, 0, 2, 0, 2]
    monkeypatch.setattr(module, "exchange", lambda data: told.append(data) or [data, data])
    with pytest.raises(IndexError):
        module._agree(first.verdicts)[1][0]  # the other's share is not here
    as_process(monkeypatch, 1, told)
    second = verifier.start(Words(), PROBLEMS[:5], stream)
    assert [len(row) for row in second.verdicts] == [0, 2, 0, 2, 0]
    verdicts = verifier.finish(second)
    assert [[v.extracted for v in row] for row in verdicts] == [
        [str(i), f"words/test/{i}"] for i in range(5)
    ]


def test_one_process_without_workers_stops_all(verifier, monkeypatch):
    pending = verifier.start(Words(), PROBLEMS[:1], [(0, completions("0"))])
    as_process(monkeypatch, 0, [b'{"error": "process 1: RuntimeError: no workers"}'])
    with pytest.raises(RuntimeError, match="cannot go on: process 1: RuntimeError: no workers"):
        verifier.finish(pending)
