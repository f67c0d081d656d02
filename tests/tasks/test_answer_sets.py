"""Every answer benchmark: its format on rows made by hand, and the real files where they are."""

import json

import pytest

from reasoning_jax.tasks import load_task
from reasoning_jax.types import Check

SPLIT = {"math_train": "train", "aime_train": "train"}


def worked_out(verdict):
    return verdict.function(*verdict.args) if isinstance(verdict, Check) else verdict


def one(tmp_path, name, file, row):
    """The problem that a single row becomes, and its task."""
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row] if file.endswith(".json") else row), encoding="utf-8")
    task = load_task(name, str(tmp_path))
    assert task.size(SPLIT.get(name, "test")) == 1
    return task, task.problem(SPLIT.get(name, "test"), 0)


# name, file, row; then what comes of it: question, gold, columns of info.
FORMATS = [
    (
        "math500",
        "MATH500.jsonl",
        {
            "problem": "What is $1/2 + 1/4$?",
            "solution": r"It is $\boxed{\frac{3}{4}}$.",
            "answer": r"\frac{3}{4}",
            "subject": "Prealgebra",
            "level": 1,
            "unique_id": "test/prealgebra/1.json",
        },
        ("What is $1/2 + 1/4$?", r"\frac{3}{4}", {"level": 1, "subject": "Prealgebra"}),
    ),
    (
        "math_train",
        "rllm_math_train.json",
        {"problem": "1+1?", "answer": "2", "difficulty": 1.0, "type": "Algebra"},
        ("1+1?", "2", {"difficulty": 1.0, "type": "Algebra"}),
    ),
    (
        "math_perturb_hard",
        "hard.jsonl",
        {"problem": "1+2?", "answer": "3", "level": "Level 5"},
        ("1+2?", "3", {"level": "Level 5"}),
    ),
    ("math_perturb_simple", "simple.jsonl", {"problem": "1+2?", "answer": "3"}, ("1+2?", "3", {})),
    (
        "aime24",
        "aime24/test.jsonl",
        {"id": 60, "problem": "p", "question": "p", "answer": "073", "solution": "so 73"},
        ("p", "073", {}),
    ),
    ("aime25", "aime25.json", {"problem": "p", "answer": 70, "id": "0"}, ("p", "70", {"id": "0"})),
    (
        "aime_2021_2024",
        "aime_2021_2024.jsonl",
        {"question": "p", "answer": "97", "year": 2021, "id": "2021-I-1", "problem_number": 1},
        ("p", "97", {"year": 2021}),
    ),
    (
        "aime_validation",
        "aimo-validation-aime.jsonl",
        {"id": 0, "question": "p", "answer": "116", "url": "u", "solution": r"\boxed{116}"},
        ("p", "116", {"url": "u"}),
    ),
    (
        "aime_train",
        "aime.json",
        {"problem": "p", "solution": r"\boxed{60}.", "answer": "60", "year": 1983},
        ("p", "60", {"year": 1983}),
    ),
    ("amc23", "test.jsonl", {"problem": "p", "answer": 27.0, "url": "u"}, ("p", "27", {})),
    (
        "minerva_math",
        "test.jsonl",
        {"problem": "p", "solution": r"so \boxed{4.5e33} ergs", "type": "Astronomy", "idx": 1},
        ("p", "4.5e33", {"type": "Astronomy"}),
    ),
    (
        "olympiadbench",
        "test.jsonl",
        {
            "context": "Let $x > 0$.",
            "question": "Find all $x$.",
            "solution": ["either", "or"],
            "final_answer": ["$1$,$3$"],
            "is_multiple_answer": True,
            "unit": None,
            "answer_type": "Numerical",
            "error": None,
        },
        ("Let $x > 0$.\nFind all $x$.", r"\{1,3\}", {"answer_type": "Numerical"}),
    ),
    (
        "college_math",
        "test.jsonl",
        {"question": "Simplify", "answer": "$10-4 n$", "data_topic": "algebra"},
        ("Simplify", "$10-4 n$", {"data_topic": "algebra"}),
    ),
    (
        "carp_en",
        "test.jsonl",
        {"content": "equals ____?", "answer": "20", "steps": "Therefore it is 20."},
        ("equals ____?", "20", {}),
    ),
    (
        "gaokao2023en",
        "test.jsonl",
        {"source": "s", "question": "q", "answer": "$1-i$"},
        ("q", "$1-i$", {"source": "s"}),
    ),
    (
        "svamp",
        "SVAMP.json",
        {"ID": "chal-1", "Body": "A costs 2", "Question": "How much?", "Answer": 51.0},
        ("A costs 2. How much?", "51", {"ID": "chal-1"}),
    ),
    ("svamp", "svamp.jsonl", {"input": "How much?", "target": 51.0}, ("How much?", "51", {})),
    ("mawps", "test.jsonl", {"input": "How many?", "target": 43.0}, ("How many?", "43", {})),
    ("mawps_addsub", "mawpsaddsub.jsonl", {"input": "q", "target": 43.0}, ("q", "43", {})),
    ("mawps_multiarith", "multiarith.jsonl", {"input": "q", "target": 39}, ("q", "39", {})),
    ("mawps_singleeq", "mawps/singleeq.jsonl", {"input": "q", "target": 1.0}, ("q", "1", {})),
    (
        "mawps_singleop",
        "singleop.jsonl",
        {"input": "q", "target": 0.5},
        ("q", "0.5", {"rule": "near_number", "tolerance": 0.5e-4}),
    ),
    (
        "gsm_hard",
        "gsmhardv2.jsonl",
        {"input": "q", "code": "", "target": -9867630.0},
        ("q", "-9867630", {"rule": "equal_answer"}),
    ),
    (
        "cmath",
        "test.jsonl",
        {"grade": 1, "question": "还剩多少?", "answer": "9", "num_digits": 2},
        ("还剩多少?", "9", {"grade": 1}),
    ),
    (
        "aqua",
        "test.jsonl",
        {"question": "q", "options": ["A)5", "B)B)6"], "rationale": "so", "correct": "B"},
        ("q\nA. 5\nB. 6", "B", {"options": {"A": "5", "B": "6"}}),
    ),
    (
        "mmlu_stem",
        "test.jsonl",
        {"question": "q", "type": "biology", "choices": ["w", "x", "y", "z"], "answer": 2},
        ("q\nA. w\nB. x\nC. y\nD. z", "C", {"type": "biology"}),
    ),
    (
        "sat_math",
        "test.jsonl",
        {"id": "0", "question": "q", "options": "A) $f(-6)$ B) (A) C) c D. d", "Answer": "B"},
        ("q\nA. $f(-6)$\nB. (A)\nC. c\nD. d", "B", {}),
    ),
    (
        "gaokao_math_qa",
        "test.jsonl",
        {"question": "q", "options": {"A": "x", "B": "y"}, "label": "B A", "answer": None},
        ("q\nA. x\nB. y", "AB", {}),
    ),
    (
        "gaokao_math_cloze",
        "test.jsonl",
        {"passage": None, "question": "q", "answer": "$5$"},
        ("q", "$5$", {}),
    ),
    (
        "gaokao2024_i",
        "test.jsonl",
        {"question": "q A. 1 B. 2", "answer": "ACD", "type": "multi"},
        ("q A. 1 B. 2", "ACD", {"rule": "choice"}),
    ),
    (
        "gaokao2024_ii",
        "test.jsonl",
        {"question": "q", "answer": "95", "type": "blank"},
        ("q", "95", {"rule": "equal_answer"}),
    ),
    (
        "gaokao2024_mix",
        "test.jsonl",
        {"question": "q A. 6", "answer": "6", "choice_answer": "A"},
        ("q A. 6", "A", {"rule": "choice"}),
    ),
    (
        "cn_middle_school",
        "test.jsonl",
        {"question": "q", "answer": "10%", "choice_answer": ""},
        ("q", "10%", {"rule": "equal_answer"}),
    ),
]


@pytest.mark.parametrize(
    ("name", "file", "row", "expected"),
    FORMATS,
    ids=[f"{name}-{file}" for name, file, *_ in FORMATS],
)
def test_format(tmp_path, name, file, row, expected):
    task, problem = one(tmp_path, name, file, row)
    question, answer, info = expected
    assert problem.prompt == task.prompt.replace("{question}", question)
    assert problem.answer == answer
    assert info.items() <= problem.info.items()
    json.dumps(dict(problem.info))
    grade = {
        response: worked_out(task.grade(problem, response)).correct
        for response in (f"so \\boxed{{{answer}}}", r"so \boxed{-123.5}", "no idea", "")
    }
    assert list(grade.values()) == [True, False, False, False], grade
    if problem.solution is not None:
        assert worked_out(task.grade(problem, problem.solution)).correct is True


def test_solutions_end_in_their_boxed_answer(tmp_path):
    row = {"problem": "p", "answer": "073", "solution": r"\boxed{7} parts, so 73"}
    _, problem = one(tmp_path, "aime24", "test.jsonl", row)
    assert problem.solution == r"\boxed{7} parts, so 73" + "\nThe final answer is $\\boxed{073}$."
    _, problem = one(tmp_path, "aime24", "test.jsonl", row | {"solution": r"\boxed{73}!"})
    assert problem.solution == r"\boxed{73}!"


def test_the_stated_error_of_olympiadbench(tmp_path):
    row = {"question": "q", "solution": [], "final_answer": ["4.2"], "error": "1e-1", "unit": "%"}
    task, problem = one(tmp_path, "olympiadbench", "test.jsonl", row)
    assert problem.solution is None
    judged = [task.grade(problem, rf"\boxed{{{x}}}").correct for x in ("4.25", "4.31", r"4.2\%")]
    assert judged == [True, False, True]


def test_functions_of_numpy_in_a_gold(tmp_path):
    row = {"problem": "p", "solution": r"$\boxed{np.arcsin(10/13)}$.", "type": "Optics"}
    task, problem = one(tmp_path, "minerva_math", "test.jsonl", row)
    assert problem.answer == r"\arcsin(10/13)"
    assert worked_out(task.grade(problem, r"\boxed{\arcsin\frac{10}{13}}")).correct is True
    assert worked_out(task.grade(problem, problem.solution)).correct is True


@pytest.mark.parametrize("answer", [None, ""])
def test_a_missing_gold_cannot_be_judged(tmp_path, answer):
    task, problem = one(tmp_path, "math_train", "math.json", {"problem": "p", "answer": answer})
    assert worked_out(task.grade(problem, r"\boxed{1}")).correct is None


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("minerva_math", {"problem": "p", "solution": "so 5", "type": "t"}, "no .*boxed"),
        (
            "olympiadbench",
            {"question": "q", "final_answer": ["5"], "solution": [], "error": "small"},
            "expected a number 'error', got 'small'",
        ),
        ("olympiadbench", {"question": "q", "final_answer": []}, "at least one text"),
        ("olympiadbench", {"question": "q", "final_answer": "5"}, "list of texts 'final_answer'"),
        ("mawps", {"input": "q", "target": "many"}, "expected a number as the answer, got 'many'"),
        ("mmlu_stem", {"question": "q", "choices": ["x"], "answer": 1}, "one of 1 choices, got 1"),
        ("sat_math", {"question": "q", "options": "5 or 6", "Answer": "A"}, "letters of .*'A'"),
        ("gaokao_math_qa", {"question": "q", "options": ["x"], "label": "A"}, "map letters"),
        (
            "aqua",
            {"question": "q", "options": ["A)1"], "correct": "B", "rationale": "r"},
            "expected letters of A as the answer, got 'B'",
        ),
        ("gaokao2024_i", {"question": "q", "answer": "E", "type": "single"}, "letters of A, B"),
    ],
)
def test_broken_rows(tmp_path, name, row, message):
    (tmp_path / "test.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"test\.jsonl, line 1: .*{message}"):
        load_task(name, str(tmp_path))


# name, folder, rows, and for a spot check: index, start of the question, gold.
REAL = [
    ("math500", "math500", 500, (499, "", "")),
    ("math_train", "math_train", 7_474, (0, "Let \\[f(x)", "0")),
    ("aime24", "qwen_eval/aime24", 30, (0, "Every morning Aya", "204")),
    ("aime25", "aime", 30, (0, "Find the sum of all integer bases", "70")),
    ("aime_2021_2024", "aime", 103, (0, "Zou and Chou", "97")),
    ("aime_validation", "aime", 90, (0, "Quadratic polynomials", "116")),
    ("aime_train", "aime", 975, (0, "Let $x$, $y$ and $z$ all exceed $1$", "60")),
    ("amc23", "qwen_eval", 40, (0, "Cities $A$ and $B$", "27")),
    ("minerva_math", "qwen_eval", 272, (1, "", "4.5e33")),
    ("olympiadbench", "qwen_eval", 675, (0, "Xenia and Sergey", "2")),
    ("college_math", "qwen_eval", 2_818, (0, "Simplify: $-10-4(n-5)$", "$10-4 n$")),
    ("carp_en", "qwen_eval", 976, (1, "", "20")),
    ("gaokao2023en", "qwen_eval", 385, (3, "", "80")),
    ("svamp", "svamp", 1_000, (0, "Each pack of dvds costs 76 dollars. If", "51")),
    ("svamp", "qwen_eval/svamp", 1_000, (0, "There are 87 oranges", "145")),
    ("svamp", "pal", 1_000, (0, "Each pack of dvds", "51")),
    ("mawps", "qwen_eval", 2_065, (0, "Joan found 70 seashells", "43")),
    ("mawps_addsub", "pal", 395, (0, "Joan found 70", "43")),
    ("mawps_multiarith", "pal", 600, (0, "For Halloween", "39")),
    ("mawps_singleeq", "pal", 508, (0, "Joan", "43")),
    ("mawps_singleop", "qwen_eval/mawps", 562, (0, "If there are 7 bottle caps", "14")),
    ("cmath", "qwen_eval", 600, (0, "芳芳", "9")),
    ("aqua", "qwen_eval", 254, (0, "A car is being driven", "A")),
    ("mmlu_stem", "qwen_eval", 3_018, (0, "Based on the characteristic", "C")),
    ("sat_math", "qwen_eval", 32, (0, "The graph of the polynomial", "A")),
    ("gaokao_math_qa", "qwen_eval", 351, (0, "设集合", "D")),
    ("gaokao_math_cloze", "qwen_eval", 118, (0, "已知", "2")),
    ("gaokao2024_i", "qwen_eval", 14, (9, "", "ACD")),
    ("gaokao2024_ii", "qwen_eval", 14, (11, "", "95")),
    ("gaokao2024_mix", "qwen_eval", 91, (0, "已知集合", "C")),
    ("cn_middle_school", "qwen_eval", 101, (0, "下列四个数中", "A")),
]
# Empty golds in the published files.
UNKNOWN = {"math_train": 4, "gaokao2023en": 2}


@pytest.mark.parametrize(
    ("name", "folder", "rows", "spot"), REAL, ids=[f"{name}-{folder}" for name, folder, *_ in REAL]
)
def test_real_files(data_folder, name, folder, rows, spot):
    task = load_task(name, str(data_folder(folder)))
    split = SPLIT.get(name, "test")
    problems = [task.problem(split, i) for i in range(task.size(split))]
    assert len(problems) == rows
    index, question, answer = spot
    assert problems[index].prompt.startswith(question)
    assert problems[index].answer == answer or not answer
    assert len({problem.prompt for problem in problems}) > 0.9 * rows
    right = unknown = open_golds = 0
    for problem in problems:
        verdict = task.grade(problem, f"So it is \\boxed{{{problem.answer}}}.")
        # A check of the symbolic tier is left to the tests of that tier.
        right += isinstance(verdict, Check) or verdict.correct is True
        unknown += not isinstance(verdict, Check) and verdict.correct is None
        wrong = task.grade(problem, r"So it is \boxed{-98765.4321}.")
        assert isinstance(wrong, Check) or wrong.correct is not True
        open_golds += not isinstance(wrong, Check) and wrong.correct is None
        if problem.solution is not None:
            of_solution = task.grade(problem, problem.solution)
            assert isinstance(of_solution, Check) or of_solution.correct is True, problem.id
    assert (right, unknown) == (rows - UNKNOWN.get(name, 0), UNKNOWN.get(name, 0))
    # Golds in words or broken LaTeX: they match themselves, and nothing can be refuted by them.
    assert open_golds <= 0.05 * rows


def test_all_solutions_of_math500_are_right(data_folder):
    task = load_task("math500", str(data_folder("math500")))
    for index in range(task.size("test")):
        problem = task.problem("test", index)
        assert worked_out(task.grade(problem, problem.solution)).correct is True, problem.id
        assert not problem.solution.endswith(f"The final answer is $\\boxed{{{problem.answer}}}$.")


def test_copies_of_math500_agree(data_folder):
    folder = data_folder("math500")
    names = ("MATH500.jsonl", "simplerl_math500_test.jsonl", "prime_math500_cleaned.json")
    tasks = [load_task("math500", str(folder / name)) for name in names]
    golds = [
        {task.problem("test", i).prompt.strip(): task.problem("test", i).answer for i in range(500)}
        for task in tasks
    ]
    assert golds[0] == golds[1]
    # The third spells answers in its own way.
    assert golds[0].keys() == golds[2].keys()
