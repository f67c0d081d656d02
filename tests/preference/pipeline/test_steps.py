"""The steps of the pipeline on chains modulo 10, with scripted generators and judges."""

import dataclasses
import json

import pytest

from reasoning_jax.generators import Request
from reasoning_jax.preference.pairs import Numbered, Pair, Separated
from reasoning_jax.preference.pipeline import (
    Correction,
    ExactJudge,
    MajorityJudge,
    Mistake,
    ScoreJudge,
    Trace,
    assemble,
    checked,
    collect,
    grader,
    locate,
    problem_of,
    read_traces,
    rectified,
    rectify,
    run_lines,
    whole_pairs,
)
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.tasks.modchain import ModChain
from reasoning_jax.tasks.wordchain import WordChain
from reasoning_jax.types import Completion
from reasoning_jax.verify.pool import Pool
from reasoning_jax.verify.verifier import Verifier

TASK = ModChain(length=3)
PROBLEMS = [TASK.problem("train", index) for index in range(4)]
COMMAS = Separated(",")
SAMPLING = SamplingParams(max_tokens=8, n=4, seed=3)


@pytest.fixture(scope="module")
def grade():
    verifier = Verifier(Pool(1), max_failures=1.0, window=10, least=10)
    yield grader(verifier, TASK)
    verifier.close()


class Scripted:
    """Answers each request by a function of it; a text that ends in ~ is cut at the limit."""

    name = "scripted"

    def __init__(self, answer):
        self.answer = answer
        self.asked: list[Request] = []

    def stream(self, requests, sampling):
        self.asked += requests
        for index in reversed(range(len(requests))):
            texts = self.answer(requests[index])
            yield (
                index,
                [
                    Completion(t.rstrip("~"), (), (), "length" if t.endswith("~") else "stop")
                    for t in texts
                ],
            )


def spell(steps):
    return ",".join(str(step % 10) for step in steps)


def truth(index):
    return PROBLEMS[index].info["steps"]


def wrong(index, step):
    """The true chain up to a step, one too many from there."""
    values = truth(index)
    return spell([*values[:step], *(value + 1 for value in values[step:])])


def collected():
    return [
        Trace(problem.id, problem.prompt, (Mistake(wrong(i, i % 3)), Mistake(wrong(i, 2))))
        for i, problem in enumerate(PROBLEMS)
    ]


def test_collect_sorts_responses_by_their_verdict(grade):
    right = {p.prompt: spell(p.info["steps"]) for p in PROBLEMS}
    generator = Scripted(lambda r: [right[r.prompt], "1,x", "1,x", " ", "2~", right[r.prompt]])
    traces = collect(generator, grade, PROBLEMS[1:3], SAMPLING)
    assert traces == [
        Trace(p.id, p.prompt, (Mistake("1,x"),), (right[p.prompt],), {"collect": "scripted"})
        for p in PROBLEMS[1:3]
    ]
    # The draws for a problem are its own, whatever is asked beside it.
    assert [request.key for request in generator.asked] == [1, 2]


def test_locate_cuts_at_the_first_wrong_step():
    located = locate(ExactJudge(TASK), COMMAS, PROBLEMS, collected(), most=2)
    for i, trace in enumerate(located):
        first, second = trace.mistakes
        assert (first.index, second.index) == (i % 3, 2)
        assert first.prefix + first.rejected == ",".join(first.response.split(",")[: i % 3 + 1])
        assert trace.made_by == {"locate": "exact"}
    one = locate(ExactJudge(TASK), COMMAS, PROBLEMS, collected())
    assert [len(trace.mistakes) for trace in one] == [1] * 4
    with pytest.raises(ValueError, match="0 mistakes of a problem"):
        locate(ExactJudge(TASK), COMMAS, PROBLEMS, collected(), most=0)


def test_what_cannot_be_located_is_left_out():
    judge = ScoreJudge(lambda prompts, responses: [[0.9, 0.4], [0.9, 0.9], [0.9] * 9 + [0.1]])
    traces = [Trace(PROBLEMS[0].id, "Q", tuple(map(Mistake, ("1,2,3", "4,5,6", "7,8"))))]
    (trace,) = locate(judge, COMMAS, PROBLEMS[:1], traces, most=9)
    # The second has no step below the threshold, the third has no tenth step.
    assert trace.mistakes == (Mistake("1,2,3", 1, "1,", "2"),)
    assert trace.made_by["locate"] == "prm"


@pytest.mark.parametrize(
    "votes, index",
    [
        (["Step 2: incorrect", "Step 2: neutral", "Step 3: incorrect", "Step 1: correct"], 1),
        (["Step 3: incorrect", "Step 2: incorrect", "Step 3: neutral", "Step 2: neutral"], 1),
        (["Step 2: incorrect", "Step 1: correct", "nothing", ""], None),  # a quarter of the votes
    ],
)
def test_the_majority_of_a_judge(votes, index):
    generator = Scripted(lambda request: [f"Final Decision: {vote}" for vote in votes])
    judge = MajorityJudge(generator, SAMPLING)
    assert judge.locate(PROBLEMS[:1], ["1,2,3"]) == [index]
    assert judge.name == "majority of 4 of scripted"


def test_a_judge_is_asked_about_problem_solution_and_answer():
    generator = Scripted(lambda request: ["Final Decision: Step 1: incorrect"] * 4)
    problem = dataclasses.replace(PROBLEMS[0], prompt="{response}?", solution="{problem}!")
    judge = MajorityJudge(generator, SAMPLING)
    assert judge.locate([problem, problem], ["a", "b"]) == [0, 0]
    text = generator.asked[0].prompt
    assert "Problem:\n{response}?" in text and "solution:\n{problem}!" in text
    assert text.endswith("Wrong answer:\na\n")
    assert len({request.key for request in generator.asked}) == 2
    with pytest.raises(ValueError, match=r"must hold \{problem\}"):
        MajorityJudge(generator, SAMPLING, instruction="{response}")


def test_rectify_keeps_what_reaches_the_answer(grade):
    traces = locate(ExactJudge(TASK), COMMAS, PROBLEMS, collected(), most=2)

    def answer(request):
        steps = [s for p in PROBLEMS if p.prompt == request.prompt for s in p.info["steps"]]
        rest = steps[request.prefix.count(",") :]
        lucky = [rest[0] + 3, *rest[1:]] if len(rest) > 1 else rest
        return [spell(rest), spell(rest), spell(rest) + "~", spell(lucky), "9,9,9,9"]

    generator = Scripted(answer)
    done = rectify(generator, grade, COMMAS, PROBLEMS, traces, SAMPLING)
    for i, trace in enumerate(done):
        first, second = trace.mistakes
        assert first.corrections[0] == Correction(spell(truth(i)[i % 3 :][:1]), spell(truth(i)))
        assert len(first.corrections) == (1 if i % 3 == 2 else 2)
        assert [c.step for c in second.corrections] == [spell(truth(i)[2:])]
        assert trace.made_by["rectify"] == "scripted"
    assert len({request.key for request in generator.asked}) == 8
    # A judge of steps throws the lucky ones out.
    strict = checked(ExactJudge(TASK), PROBLEMS, done)
    assert all(len(m.corrections) == 1 for trace in strict for m in trace.mistakes)


def trace_of(*mistakes, id="modchain/train/0"):
    return Trace(id, "Q", mistakes)


def test_pairs_of_traces():
    first = Mistake("1,2,3", 1, "1,", "2", (Correction("5", "1,5,6"), Correction("7", "1,7,6")))
    second = Mistake("4,2,3", 0, "", "4", (Correction("1", "1,5,6"),))
    traces = [trace_of(first, second), trace_of(first, id="modchain/train/9")]
    id = "modchain/train/0"
    steps = (
        Pair("Q", "5", "2", "1,", False, id),
        Pair("Q", "7", "2", "1,", False, id),
        Pair("Q", "1", "4", "", False, id),
    )
    assert assemble(traces) == steps  # the second problem's are the same ones
    assert assemble(traces, most=1) == steps[:1]
    assert whole_pairs(traces) == (
        Pair("Q", "1,5,6", "1,2,3", source=id),
        Pair("Q", "1,7,6", "1,2,3", source=id),
        Pair("Q", "1,5,6", "4,2,3", source=id),
    )
    assert rectified(traces) == (("Q", "1,5,6"), ("Q", "1,7,6"))
    with pytest.raises(ValueError, match="-1 pairs of a problem"):
        assemble(traces, most=-1)


def test_numbered_steps_of_the_worked_case(cases):
    worked = cases("step_dpo")["pipeline"]
    steps, index = Numbered(), worked["step_used"] - 1
    mistake = steps.cut(worked["completion"], index)
    assert mistake == (worked["prefix_after_cut"], worked["rejected_step"])
    texts = [s["text"] for s in worked["rectification_samples"] if s["answer_correct"]]
    found = dict.fromkeys(steps.first(text, index) for text in texts)
    assert list(found) == worked["chosen_steps_deduplicated"]


def test_wordchain_is_cut_at_its_lines():
    task = WordChain(length=3)
    problem = task.problem("test", 0)
    lines = problem.solution.split("\n")
    left, _, value = lines[1].partition("=")
    lines[1] = f"{left}={int(value) + 1}"
    trace = Trace(problem.id, problem.prompt, (Mistake("\n".join(lines)),))
    (located,) = locate(ExactJudge(task), Separated("\n"), [problem], [trace])
    assert located.mistakes[0].prefix == lines[0] + "\n"
    assert located.mistakes[0].rejected == lines[1]


def test_problems_by_id():
    assert problem_of(TASK, "modchain/train/3") == PROBLEMS[3]
    with pytest.raises(ValueError, match="not one of 'modchain'"):
        problem_of(TASK, "wordchain/train/3")
    with pytest.raises(ValueError, match="'x' is no id"):
        problem_of(TASK, "x")


def test_a_command_goes_on_where_it_stopped(tmp_path):
    path, calls, told = tmp_path / "out" / "traces.jsonl", [], []

    def work(part):
        calls.append(tuple(part))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return [Trace(f"modchain/train/{i}", "Q", (Mistake(str(i), 1, "a", "b"),)) for i in part]

    settings = {"n": 4}
    with pytest.raises(KeyboardInterrupt):
        run_lines(range(7), path, work, 2, settings)
    with open(path, "a") as lines:
        lines.write('{"id": "modchain/tr')  # killed in the midst of a line
    traces = run_lines(range(7), path, work, 2, settings, lambda *at: told.append(at))
    assert calls == [(0, 1), (2, 3), (4, 5), (4, 5), (6,)]
    assert told == [(4, 7), (6, 7), (7, 7)]
    assert [trace.id for trace in traces] == [f"modchain/train/{i}" for i in range(7)]
    assert traces == read_traces(path)
    run_lines(range(7), path, work, 2, settings)
    assert len(calls) == 5
    with pytest.raises(ValueError, match=r"other settings \(n was 4, is 5\)"):
        run_lines(range(7), path, work, 2, {"n": 5})
    with pytest.raises(ValueError, match="7 lines for 3 entries"):
        run_lines(range(3), path, work, 2, settings)


def test_traces_are_written_and_read(tmp_path):
    mistake = Mistake("1,2", 1, "1,", "2", (Correction("3", "1,3"),))
    trace = Trace("modchain/train/1", "Q", (mistake, Mistake("4")), ("1,3",), {"collect": "own"})
    assert Trace.from_json(json.loads(json.dumps(trace.to_json()))) == trace
    (tmp_path / "traces.jsonl").write_text('{"id": "x"}\n')
    with pytest.raises(ValueError, match=r"traces\.jsonl, line 1: this is no trace"):
        read_traces(tmp_path / "traces.jsonl")
