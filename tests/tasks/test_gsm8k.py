import json

import pytest

from reasoning_jax.tasks import load_task
from reasoning_jax.tasks.gsm8k import GSM8K

ROW = {
    "question": "Ann has 3 bags of 400 nuts. How many nuts?",
    "answer": "She has 3*400 = <<3*400=1200>>1200 nuts.\n#### 1,200",
}


TASK_SPLITS = ("train", "validation", "test")


def write(folder, *rows, name="train.jsonl"):
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder)


def test_prompt_solution_and_gold(tmp_path):
    problem = GSM8K(write(tmp_path, ROW)).problem("train", 0)
    assert problem.id == "gsm8k/train/0"
    assert problem.prompt == "Question: Ann has 3 bags of 400 nuts. How many nuts?\nAnswer:"
    assert problem.solution == " She has 3*400 = 1200 nuts.\n#### 1200"
    assert problem.answer == "1200"
    kept = GSM8K(str(tmp_path), calculator="keep").problem("train", 0)
    assert kept.solution == " She has 3*400 = <<3*400=1200>>1200 nuts.\n#### 1200"


@pytest.mark.parametrize(
    ("response", "correct", "reason"),
    [
        (" so\n#### 1200", True, "exact"),
        ("#### 1,200", True, "rational"),
        ("#### $1200.00", True, "rational"),
        ("#### 12", False, "different"),
        ("#### many", False, "unparsed_answer"),
        ("####", False, "no_answer"),
        ("the answer is 1200", False, "no_answer"),
        ("", False, "no_answer"),
    ],
)
def test_grade_needs_the_mark(tmp_path, response, correct, reason):
    task = GSM8K(write(tmp_path, ROW))
    verdict = task.grade(task.problem("train", 0), response)
    assert (verdict.correct, verdict.reason) == (correct, reason)


def test_labels_come_from_the_calculator(tmp_path):
    task = GSM8K(write(tmp_path, ROW))
    problem = task.problem("train", 0)
    labels = task.step_labels(
        problem, "first <<3*400=1300>>1300\nthen\n<<10/3=3.33>> <<1/2=0.5>>\n<<7/2=3>>\n#### 1200"
    )
    # 10/3 = 3.33 to its two decimals; 7/2 is not the whole number 3.
    assert labels.valid == (False, True, True, False, True)
    assert labels.correct == labels.valid
    assert labels.first_error == 0
    assert task.step_labels(problem, "<<9**9**9=1>>").valid == (False,)
    assert task.step_labels(problem, "<<3*400=1200>>\n#### 5").correct == (True, False)
    assert task.step_labels(problem, "").steps == ()


def test_validation_leaves_train(tmp_path):
    rows = [{"question": f"q{k}", "answer": f"#### {k}"} for k in range(10)]
    folder = write(tmp_path, *rows)
    write(tmp_path, *rows[:2], name="test.jsonl")
    task = load_task("gsm8k", data=folder, validation_size=3)
    answers = {s: [task.problem(s, i).answer for i in range(task.size(s))] for s in TASK_SPLITS}
    assert answers == {
        "train": ["0", "1", "2", "3", "4", "5", "6"],
        "validation": ["7", "8", "9"],
        "test": ["0", "1"],
    }
    with pytest.raises(IndexError, match="3 validation problems"):
        task.problem("validation", 3)
    whole = load_task("gsm8k", data=folder)
    assert whole.size("train") == 10
    for call in (whole.size, lambda split: whole.problem(split, 0)):
        with pytest.raises(ValueError, match="set validation_size"):
            call("validation")
        with pytest.raises(ValueError, match="unknown split 'dev'"):
            call("dev")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("{", "line 2: "),
        ("", "line 2: "),
        ("[1]", "line 2: expected a JSON object, got list"),
        ({"question": "q"}, "line 2: expected a text 'answer', got None"),
        ({"question": 3, "answer": "#### 1"}, "line 2: expected a text 'question', got 3"),
        ({"question": "q", "answer": "1"}, 'line 2: the answer has no "#### " line'),
        ({"question": "q", "answer": "#### two"}, "line 2: expected a number .*, got 'two'"),
        ({"question": "q", "answer": "####"}, "line 2: expected a number .*, got ''"),
    ],
)
def test_a_broken_line_is_named(tmp_path, broken, message):
    with pytest.raises(ValueError, match=r"train\.jsonl, " + message):
        GSM8K(write(tmp_path, ROW, broken, ROW))


def test_bytes_that_are_no_text_are_named(tmp_path):
    (tmp_path / "test.jsonl").write_bytes(b'{"question": "\xff"}\n')
    with pytest.raises(ValueError, match=r"test\.jsonl, line 1"):
        GSM8K(str(tmp_path))


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        GSM8K(str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"neither train\.jsonl nor test\.jsonl"):
        GSM8K(str(tmp_path))
    task = GSM8K(write(tmp_path, ROW))
    with pytest.raises(FileNotFoundError, match=r"no test\.jsonl"):
        task.size("test")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calculator": "use"}, "strip, keep, got 'use'"),
        ({"validation_size": 2}, r"in \[0, 1\]"),
        ({"validation_size": -1}, "validation_size"),
    ],
)
def test_options_are_checked(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        GSM8K(write(tmp_path, ROW), **options)


@pytest.mark.parametrize("calculator", ["strip", "keep"])
def test_official_files(data_folder, calculator):
    task = GSM8K(str(data_folder("gsm8k")), calculator=calculator)
    assert (task.size("train"), task.size("test")) == (7_473, 1_319)
    flagged = []
    for split in ("train", "test"):
        for index in range(task.size(split)):
            problem = task.problem(split, index)
            assert task.grade(problem, problem.solution).correct is True
            assert ("<<" in problem.solution) <= (calculator == "keep")
            if task.step_labels(problem, problem.solution).first_error != -1:
                flagged.append(problem)
    # Of all 28,000 annotations two are no plain arithmetic: 560//10=56 and 180//3=60.
    assert len(flagged) == (2 if calculator == "keep" else 0)
    assert all("//" in problem.solution for problem in flagged)


def test_published_model_solutions_are_judged_as_published(data_folder):
    folder = data_folder("gsm8k")
    task = GSM8K(str(folder))
    judged = 0
    with (folder / "example_model_solutions.jsonl").open(encoding="utf-8") as lines:
        for index, line in enumerate(lines):
            row, problem = json.loads(line), task.problem("test", index)
            assert problem.prompt == f"Question: {row['question'].strip()}\nAnswer:"
            for model in row.keys() - {"question", "ground_truth"}:
                # These solutions mark their answer by a last line "A: 18".
                response = row[model]["solution"].replace("\nA: ", "\n#### ")
                verdict = task.grade(problem, response)
                assert verdict.correct == row[model]["is_correct"], (index, model, verdict)
                judged += 1
    assert judged == 4 * 1_319
