"""Files, splits, prompts and options of benchmarks read from a folder."""

import json

import pytest

from reasoning_jax.tasks import FILE_BACKED, Task, load_task
from reasoning_jax.tasks.answers import answer_set, fields

ROWS = [{"problem": f"q{k}", "answer": str(k), "level": k} for k in range(6)]
COLUMNS = ("topic", "answer", "rule")
SPLITS = ("train", "validation", "test")


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def both(folder, **options):
    files = {"train": ("train.jsonl",), "test": ("test.jsonl", "other.jsonl")}
    make = answer_set("both", files, fields(("problem",), ("answer",), (), ("level",)))
    return make(data=str(folder), **options)


def answers_of(task, splits=("train", "validation")):
    return {
        split: [task.problem(split, i).answer for i in range(task.size(split))] for split in splits
    }


def test_every_name_leads_to_something_that_reads_files():
    for name in FILE_BACKED:
        with pytest.raises(ValueError, match=rf"task '{name}' reads files: give data="):
            load_task(name)
        with pytest.raises(ValueError, match="has no option 'lenght': choose among data, "):
            load_task(name, "folder", lenght=3)


def test_problems_of_a_folder_and_of_a_file(tmp_path):
    path = write(tmp_path / "math500" / "test.jsonl", ROWS)
    for data in (tmp_path, path.parent, path):
        task = load_task("math500", str(data))
        assert isinstance(task, Task) and task.name == "math500" and task.alphabet == ""
        assert task.size("test") == 6
        problem = task.problem("test", 3)
        assert (problem.id, problem.task, problem.answer) == ("math500/test/3", "math500", "3")
        assert problem.prompt.startswith("q3\nPlease reason step by step")
        assert json.loads(json.dumps(dict(problem.info))) == {"level": 3, "rule": "equal_answer"}
        with pytest.raises(IndexError, match="6 test problems"):
            task.problem("test", 6)


def test_questions_of_ones_own(tmp_path):
    rows = [
        {"q": "1+1?", "a": 2, "worked": "so 2", "topic": "sums", "rule": "x", "answer": 7},
        {"q": "1+2?", "a": "3"},
    ]
    write(tmp_path / "train.jsonl", rows)
    (tmp_path / "validation.json").write_text(json.dumps(rows[1:]))
    task = load_task(
        "questions", str(tmp_path), question="q", answer="a", solution="worked", columns=COLUMNS
    )
    assert answers_of(task) == {"train": ["2", "3"], "validation": ["3"]}
    problem = task.problem("train", 0)
    assert problem.info == {"topic": "sums", "answer": 7, "rule": "equal_answer"}
    assert problem.solution == "so 2\nThe final answer is $\\boxed{2}$."
    assert task.problem("train", 1).solution is None
    assert task.grade(problem, problem.solution).correct is True
    with pytest.raises(FileNotFoundError, match=r"questions: no test\.jsonl or test\.json"):
        task.size("test")
    with pytest.raises(ValueError, match="a validation split of its own"):
        load_task("questions", str(tmp_path), question="q", answer="a", validation_size=1)
    with pytest.raises(ValueError, match=r"train\.jsonl, line 1: expected a text 'question'"):
        load_task("questions", str(tmp_path))


def test_tasks_of_the_same_files_and_options_are_equal(tmp_path):
    write(tmp_path / "test.jsonl", ROWS)
    one, other = (load_task("amc23", str(tmp_path)) for _ in range(2))
    assert one == other and hash(one) == hash(other) and "q3" not in repr(one)
    assert one != load_task("amc23", str(tmp_path), prompt="{question}")


def test_the_preferred_file_is_read(tmp_path):
    write(tmp_path / "other.jsonl", ROWS[:1])
    assert both(tmp_path).size("test") == 1
    write(tmp_path / "test.jsonl", ROWS[:2])
    assert both(tmp_path).size("test") == 2


def test_validation_leaves_train(tmp_path):
    write(tmp_path / "train.jsonl", ROWS)
    write(tmp_path / "test.jsonl", ROWS[:2])
    assert answers_of(both(tmp_path, validation_size=2), SPLITS) == {
        "train": ["0", "1", "2", "3"],
        "validation": ["4", "5"],
        "test": ["0", "1"],
    }
    task = both(tmp_path)
    assert task.size("train") == 6
    with pytest.raises(ValueError, match="set validation_size"):
        task.size("validation")
    with pytest.raises(ValueError, match="unknown split 'dev'"):
        task.size("dev")
    for size in (-1, 7):
        with pytest.raises(ValueError, match=rf"validation_size must be in \[0, 6\].* got {size}"):
            both(tmp_path, validation_size=size)


def test_missing_splits_and_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"both: none of train\.jsonl, test\.jsonl, other"):
        both(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"both: no folder or file .*nowhere"):
        both(tmp_path / "nowhere")
    path = write(tmp_path / "train.jsonl", ROWS)
    with pytest.raises(FileNotFoundError, match=r"no test\.jsonl or other\.jsonl in"):
        both(tmp_path).size("test")
    with pytest.raises(ValueError, match="a file for each of train, test: give their folder"):
        both(path)
    write(tmp_path / "test.jsonl", ROWS)
    with pytest.raises(ValueError, match="math500 has no train split, only test"):
        load_task("math500", str(tmp_path)).size("train")


def test_a_broken_record_is_named(tmp_path):
    write(tmp_path / "test.jsonl", [*ROWS, {"problem": "q", "solution": "s"}])
    with pytest.raises(ValueError, match=r"test\.jsonl, line 7: expected a number 'answer'"):
        load_task("amc23", str(tmp_path))


def test_a_prompt_of_ones_own(tmp_path):
    write(tmp_path / "test.jsonl", [{"problem": "What is {x}?", "answer": 1}])
    task = load_task("aime24", str(tmp_path), prompt="Q: {question} {y} \\boxed{}\nA:")
    assert task.problem("test", 0).prompt == "Q: What is {x}? {y} \\boxed{}\nA:"
    with pytest.raises(ValueError, match=r"prompt is 'Q:'; it must hold \{question\}"):
        load_task("aime24", str(tmp_path), prompt="Q:")


def test_steps_have_no_truth(tmp_path):
    write(tmp_path / "test.jsonl", ROWS)
    task = load_task("amc23", str(tmp_path))
    with pytest.raises(ValueError, match="amc23 has no truth for single steps"):
        task.step_labels(task.problem("test", 0), "so\n2")
