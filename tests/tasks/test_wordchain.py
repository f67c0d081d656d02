from reasoning_jax.tasks.wordchain import WordChain
from reasoning_jax.types import Problem

# 3+4=7; 7*2=14; 14-5=9
STORY = Problem(
    id="wordchain/test/0",
    task="wordchain",
    prompt="ann has 3 apples. she buys 4 more. then there are 2 times as many. she loses 5. "
    "how many apples does ann have now?\n",
    answer="9",
    info={"start": 3, "operators": "+*-", "operands": [4, 2, 5], "steps": [7, 14, 9]},
)
TASK = WordChain(length=3)


def test_labels_of_a_carried_slip():
    # 7*2 is not 13; 13-5=8 follows; the last line repeats it.
    labels = TASK.step_labels(STORY, "3+4=7\n7*2=13\n13-5=8\n#### 8")
    assert labels.correct == (True, False, False, False)
    assert labels.valid == (True, False, True, True)
    assert labels.first_error == 1


def test_labels_of_a_wrong_operation_with_the_right_value():
    labels = TASK.step_labels(STORY, "3+4=7\n7+7=14\n14-5=9\n#### 9")
    assert all(labels.correct)
    assert labels.valid == (True, False, True, True)


def test_labels_of_an_early_end_and_of_noise():
    assert TASK.step_labels(STORY, "3+4=7\n#### 9").correct == (True, False)
    assert TASK.step_labels(STORY, "3+4=7\nhello\n14-5=9").valid == (True, False, False)


def test_grade_needs_the_mark():
    assert TASK.grade(STORY, "3+4=7\n#### 9").correct is True
    assert TASK.grade(STORY, "#### 8").reason == "different"
    assert TASK.grade(STORY, "9").reason == "no_answer"


def test_stories_stay_within_bounds_and_name_their_numbers():
    task = WordChain(length=5, maximum=60)
    for index in range(300):
        problem = task.problem("test", index)
        info = problem.info
        assert all(0 <= step <= 60 for step in info["steps"])
        assert all(operand >= 1 for operand in info["operands"])
        words = problem.prompt.replace(".", " ").split()
        numbers = [int(word) for word in words if word.isdigit()]
        assert numbers == [info["start"], *info["operands"]]


def test_the_teacher_slips_only_in_training():
    task = WordChain(noise=0.25)
    wrong = [
        task.step_labels(p, p.solution).valid.count(False)
        for p in (task.problem("train", index) for index in range(1_000))
    ]
    # 4 equations at 0.25 * 50/51 = 0.245: mean 0.980, standard deviation of the mean 0.027.
    assert abs(sum(wrong) / 1_000 - 0.980) < 0.12


def test_a_fixed_example():
    problem = WordChain().problem("test", 0)
    assert problem.prompt == (
        "jon has 48 eggs. he gives away 22. he sells 18. he gives away 2. a friend brings 6 more. "
        "how many eggs does jon have now?\n"
    )
    assert problem.solution == "48-22=26\n26-18=8\n8-2=6\n6+6=12\n#### 12"
