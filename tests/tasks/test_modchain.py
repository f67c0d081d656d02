import pytest

from reasoning_jax.tasks.modchain import ModChain
from reasoning_jax.types import Problem

# 7+5=12 -> 2; 2*4=8; 8-9=-1 -> 9, modulo 10.
CHAIN = Problem(
    id="modchain/test/0",
    task="modchain",
    prompt="7+5*4-9=",
    answer="9",
    solution="2,8,9",
    info={"operands": [7, 5, 4, 9], "operators": "+*-", "steps": [2, 8, 9]},
)
TASK = ModChain(length=3)


def test_the_corrupted_chain_is_wrong_from_its_second_step():
    # 7 is not 2*4; 7-9=-2 -> 8 follows from the wrong 7.
    labels = TASK.step_labels(CHAIN, "2,7,8")
    assert labels.steps == ("2", "7", "8")
    assert labels.valid == (True, False, True)
    assert labels.correct == (True, False, False)
    assert labels.first_error == 1


def test_cases(cases):
    case = cases("small_tasks")["chain"]
    assert case["prompt"] == CHAIN.prompt and case["left_to_right"] == CHAIN.info["steps"]
    labels = TASK.step_labels(CHAIN, case["corrupted"].removesuffix("$"))
    assert labels.first_error == case["first_wrong_step"]
    assert list(labels.valid) == case["step_locally_valid"]
    assert TASK.grade(CHAIN, case["response"].removesuffix("$")).correct


@pytest.mark.parametrize(
    ("response", "correct", "reason"),
    [
        ("2,8,9", True, "exact"),
        ("2,7,9", True, "exact"),  # the outcome is the last step alone
        ("2,8,8", False, "different"),
        ("8,9", False, "format"),
        ("2,8,9,9", False, "format"),
        ("2,8,09", False, "format"),
        ("2,8,19", False, "format"),  # no residue modulo 10
        ("2,,9", False, "format"),
        ("9", False, "format"),
        ("", False, "format"),
    ],
)
def test_grade(response, correct, reason):
    verdict = TASK.grade(CHAIN, response)
    assert (verdict.correct, verdict.reason) == (correct, reason)


def test_labels_of_malformed_and_surplus_steps():
    # x states nothing, so nothing follows from it; a fourth step answers no operation.
    labels = TASK.step_labels(CHAIN, "2,x,9,9")
    assert labels.correct == (True, False, True, False)
    assert labels.valid == (True, False, False, False)
    assert labels.first_error == 1


def test_every_single_corruption_is_found():
    task = ModChain()
    for index in range(50):
        problem = task.problem("test", index)
        for k, value in enumerate(problem.info["steps"]):
            steps = [*problem.info["steps"]]
            steps[k] = (value + 1) % 10
            labels = task.step_labels(problem, ",".join(map(str, steps)))
            assert labels.first_error == k
            assert labels.correct.count(False) == 1
            assert not labels.valid[k] and all(labels.valid[:k])


def test_the_teacher_errs_at_the_stated_rate(cases):
    # 0.08 * 9/10 = 0.072 a step; (1 - 0.072)^6 = 0.6387 for six steps.
    expected = cases("small_tasks")["noisy_teacher"]
    assert expected["p_step_wrong"] == pytest.approx(0.072)
    assert expected["p_all_steps_right"] == pytest.approx(0.6387, abs=1e-4)


def test_the_teacher_slips_binomially():
    task = ModChain(length=6, modulus=10, noise=0.08)
    count = 8_000
    slips = all_valid = 0
    for index in range(count):
        problem = task.problem("train", index)
        valid = task.step_labels(problem, problem.solution).valid
        slips += valid.count(False)
        all_valid += all(valid)
    # Standard deviations: sqrt(.072*.928/48000) = .0012 and sqrt(.639*.361/8000) = .0054.
    assert slips / (6 * count) == pytest.approx(0.072, abs=0.005)
    assert all_valid / count == pytest.approx(0.6387, abs=0.022)


def test_a_wrong_value_is_carried_on():
    task = ModChain(noise=0.5)
    problems = [task.problem("train", index) for index in range(200)]
    labels = [task.step_labels(p, p.solution) for p in problems]
    carried = [
        k
        for label in labels
        for k in range(1, 6)
        if label.valid[k] and not label.correct[k] and not label.correct[k - 1]
    ]
    assert len(carried) > 50


def test_larger_moduli_are_written_with_several_digits():
    task = ModChain(length=4, modulus=97, noise=0.0)
    problem = task.problem("train", 0)
    value = problem.info["operands"][0]
    for operator, operand, step in zip(
        problem.info["operators"], problem.info["operands"][1:], problem.info["steps"]
    ):
        value = {"+": value + operand, "-": value - operand, "*": value * operand}[operator] % 97
        assert value == step
    assert problem.solution == ",".join(map(str, problem.info["steps"]))
    assert any(step > 9 for step in problem.info["steps"])


def test_fixed_examples():
    train, test = ModChain().problem("train", 0), ModChain().problem("test", 0)
    # 2-4=8, +2=0, *2=0, -4=6, -9=7, +0=7
    assert (train.prompt, train.answer) == ("2-4+2*2-4-9+0=", "7")
    # 6+6=2, +3=5, *4=0, +2=2, -7=5, +4=9
    assert (test.prompt, test.solution, test.answer) == ("6+6+3*4+2-7+4=", "2,5,0,2,5,9", "9")
