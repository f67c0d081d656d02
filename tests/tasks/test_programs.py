"""Program benchmarks: their formats on rows made by hand, and where a program is in a response."""

import gzip
import json

import pytest

from reasoning_jax.tasks import Task, load_task
from reasoning_jax.types import Check, Verdict
from reasoning_jax.verify.programs import AssertTest, StdioTest

HUMANEVAL = {
    "task_id": "HumanEval/900",
    "prompt": (
        "import math\n\n\ndef half(x):\n    return x / 2\n\n\n"
        'def root(x):\n    """Root of half."""\n'
    ),
    "entry_point": "root",
    "canonical_solution": "    return math.sqrt(half(x))\n",
    "test": (
        "def check(candidate):\n    assert candidate(8) == 2\n    assert candidate(2) == half(2)\n"
    ),
}
MBPP = {
    "task_id": 601,
    "text": "Write a function to add.",
    "code": "def add(a, b):\r\n  return a + b",
    "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
    "test_setup_code": "",
    "challenge_test_list": [],
}
SANITIZED = {
    "source_file": "x.ipynb",
    "task_id": 126,
    "prompt": "Write a function to sum common divisors.",
    "code": "import math\ndef sum(a, b):\n  return math.gcd(a, b)",
    "test_imports": ["import math"],
    "test_list": ["assert sum(10, 15) == math.gcd(10, 15)"],
}
LEETCODE = {
    "problem": "Reverse a list.",
    "solutions": (
        "class Solution:\n"
        "    def flip(self, head: Optional[ListNode]) -> Optional[ListNode]:\n"
        "        last = None\n"
        "        while head:\n"
        "            head.next, last, head = last, head, head.next\n"
        "        return last\n"
    ),
    "tests": {
        "functional": (
            "def check(candidate):\n"
            "    assert is_same_list(candidate(head = list_node([1,2])), list_node([2,1]))\n"
            "    assert is_same_list(candidate(head = list_node([])), list_node([]))\n"
            "\n\ncheck(Solution().flip)"
        )
    },
}
CODEFORCES = {"problem": "Add.", "tests": [{"input": "1 2", "output": "3"}]}
CODE_CONTESTS = {
    "problem": "Add.",
    "tests": {"inputs": ["1 2\n", "0 0\n"], "outputs": ["3\n", "0"]},
}

ROWS = {
    "humaneval": ("HumanEval.jsonl.gz", HUMANEVAL, "test"),
    "mbpp": ("mbpp.jsonl", MBPP, "train"),
    "mbpp_prime": ("new_mbpp.json", SANITIZED, "test"),
    "leetcode": ("leetcode.json", LEETCODE, "test"),
    "codeforces": ("codeforces.json", CODEFORCES, "test"),
    "code_contests": ("code_contests.json", CODE_CONTESTS, "test"),
}


def write(path, rows):
    text = json.dumps(rows) if path.suffix == ".json" else "\n".join(map(json.dumps, rows))
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path.parent)


def one(tmp_path, name, **changes):
    file, row, split = ROWS[name]
    task = load_task(name, write(tmp_path / file, [row | changes]))
    return task, task.problem(split, 0)


def source(check) -> str:
    assert isinstance(check, Check), check
    return check.args[0]


@pytest.mark.parametrize("name", ROWS)
def test_what_every_program_task_offers(tmp_path, name):
    task, problem = one(tmp_path, name)
    assert isinstance(task, Task) and task.name == problem.task == name
    json.dumps(dict(problem.info))
    hash(task.grade(problem, problem.solution or "```python\nprint(3)\n```"))
    with pytest.raises(ValueError, match="no truth for single steps"):
        task.step_labels(problem, "x")


def test_humaneval_continues_the_head(tmp_path):
    task, problem = one(tmp_path, "humaneval")
    start, body = HUMANEVAL["prompt"], HUMANEVAL["canonical_solution"]
    assert (problem.prompt, problem.solution, problem.answer) == (start, body, start + body)
    check = task.grade(problem, body)
    assert source(check).strip() == (start + body).strip()
    (test,) = check.args[1]
    assert isinstance(test, AssertTest)
    assert test.source.startswith("def check") and test.source.endswith("check(root)\n")


@pytest.mark.parametrize(
    "response",
    [
        "    return math.sqrt(half(x))\n\n\ndef other():\n    return 1\n",
        "    return math.sqrt(half(x))\nprint(root(8))",
        "    return math.sqrt(half(x))\n# and so on",
        "    return math.sqrt(half(x))\n```\nThat is it.",
        "So:\n```python\n    return math.sqrt(half(x))\n```\n",
        "<think>\n```py\nreturn 0\n```\n</think>\n```py\n    return math.sqrt(half(x))\n```",
    ],
)
def test_a_continuation_ends_with_its_function(tmp_path, response):
    task, problem = one(tmp_path, "humaneval")
    lines = source(task.grade(problem, response)).strip().splitlines()
    assert lines == (HUMANEVAL["prompt"] + "    return math.sqrt(half(x))").splitlines()


def test_a_function_stated_whole_keeps_what_is_before_it(tmp_path):
    task, problem = one(tmp_path, "humaneval")
    whole = (
        "def helper(x):\n    return x\n\n\ndef root(x):\n    return helper(math.sqrt(half(x)))\n"
    )
    given = source(task.grade(problem, f"Here it is.\n```python\n{whole}```\nDone."))
    assert given.count("def root") == given.count("def half") == given.count("import math") == 1
    assert given.strip().endswith(whole.strip())


def test_no_program_is_wrong(tmp_path):
    for name in ("mbpp", "leetcode", "codeforces"):
        task, problem = one(tmp_path, name)
        for response in ("", "I do not know", "```python\nprint(1)"):
            assert task.grade(problem, response) == Verdict(False, "no_program")
    task, problem = one(tmp_path, "humaneval")
    assert task.grade(problem, " \n") == Verdict(False, "no_program")


@pytest.mark.parametrize(
    "response",
    [
        "First\n```python\nprint(1)\n```\nbetter\n```py\nx = 1\n```",
        "```\nx = 1\n```",
        "[BEGIN]\nx = 1\n[DONE]",
        "x = 1\n[DONE]\n[BEGIN]\ny",
        "<think>\n```python\ny\n```\n</think>\n```python\nx = 1\n```\n",
    ],
)
def test_the_last_block_is_the_program(tmp_path, response):
    task, problem = one(tmp_path, "codeforces")
    assert source(task.grade(problem, response)).strip() == "x = 1"


def test_mbpp_formats(tmp_path):
    task, problem = one(tmp_path, "mbpp")
    assert problem.prompt == (
        "Write a function to add.\nYour code should pass these tests:\n\nassert add(1, 2) == 3\n"
        "assert add(0, 0) == 0\n\nPut the program into one ```python block.\n"
    )
    assert problem.solution == "```python\ndef add(a, b):\n  return a + b\n```"
    (test,) = task.grade(problem, problem.solution).args[1]
    assert test.names == ("add",) and test.source.count("assert") == 2
    task, problem = one(tmp_path, "mbpp_prime")
    (test,) = task.grade(problem, problem.solution).args[1]
    # A builtin of that name does not hide the program's.
    assert test.names == ("sum",) and test.setup.startswith("import math")


def test_mbpp_splits_go_by_task_id(tmp_path):
    ids = [1, 10, 11, 510, 511, 600, 601, 974]
    task = load_task("mbpp", write(tmp_path / "mbpp.jsonl", [MBPP | {"task_id": i} for i in ids]))
    found = {
        split: [task.problem(split, i).info["task_id"] for i in range(task.size(split))]
        for split in ("train", "validation", "test")
    }
    assert found == {"train": [601, 974], "validation": [511, 600], "test": [11, 510]}
    with pytest.raises(ValueError, match="a validation split of its own"):
        load_task("mbpp", str(tmp_path), validation_size=1)


def test_tests_on_standard_input(tmp_path):
    for name, expected in (("codeforces", ["3"]), ("code_contests", ["3\n", "0"])):
        task, problem = one(tmp_path, name)
        tests = task.grade(problem, "```python\npass\n```").args[1]
        assert all(isinstance(test, StdioTest) for test in tests)
        assert [test.expected for test in tests] == expected
        assert problem.solution is None


def test_limits_are_options(tmp_path):
    folder = write(tmp_path / "codeforces.json", [CODEFORCES])
    task = load_task("codeforces", folder, cpu_seconds=3.0, memory_mb=256)
    check = task.grade(task.problem("test", 0), "```python\npass\n```")
    limits = check.args[2]
    assert (limits.cpu_seconds, limits.memory_bytes) == (3.0, 256 << 20)
    assert check.wall_seconds > task.total_seconds and limits.wall_seconds > limits.cpu_seconds
    with pytest.raises(ValueError, match="cpu_seconds must be positive"):
        load_task("codeforces", folder, cpu_seconds=0.0)
    with pytest.raises(ValueError, match="total_seconds must be positive, got -1"):
        load_task("codeforces", folder, total_seconds=-1)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("humaneval", {"test": None}, "expected a text 'test', got None"),
        ("humaneval", {"entry_point": ""}, "expected a text 'entry_point'"),
        ("mbpp", {"test_list": []}, "has no tests"),
        ("mbpp", {"test_list": "assert"}, "list of texts 'test_list'"),
        ("mbpp", {"task_id": 975}, r"'task_id' in \[1, 974\], got 975"),
        ("mbpp", {"code": "def ("}, "no Python"),
        ("leetcode", {"tests": []}, "expected an object 'tests'"),
        ("codeforces", {"tests": {}}, "expected a list of objects 'tests'"),
        ("codeforces", {"tests": [{"input": "1"}]}, "lacks a text 'input' or 'output'"),
        ("codeforces", {"tests": []}, "has no tests"),
        ("code_contests", {"tests": {"inputs": ["1"], "outputs": []}}, "1 inputs and 0 outputs"),
    ],
)
def test_broken_rows(tmp_path, name, changes, message):
    with pytest.raises(ValueError, match=rf", (line|entry) 1: .*{message}"):
        one(tmp_path, name, **changes)


def judged(check) -> Verdict:
    assert isinstance(check, Check), check
    return check.function(*check.args)


SUMS = "```python\nprint(sum(map(int, input().split())))\n```"


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("humaneval", None, "    return math.sqrt(half(x)) + 1\n"),
        ("mbpp", None, "```python\ndef add(a, b):\n    return a - b\n```"),
        ("mbpp_prime", None, "```python\ndef total(a, b):\n    return 5\n```"),
        (
            "leetcode",
            None,
            "```python\nclass Solution:\n    def flip(self, head):\n        return head\n```",
        ),
        ("codeforces", SUMS, "```python\nprint(4)\n```"),
        ("code_contests", SUMS, "```python\nprint(3)\n```"),
    ],
)
def test_right_and_wrong_programs(tmp_path, name, right, wrong):
    task, problem = one(tmp_path, name)
    assert judged(task.grade(problem, right or problem.solution)) == Verdict(True, "passed")
    assert judged(task.grade(problem, wrong)).correct is False
    early = "import sys\nsys.exit(0)"
    quitting = f"    {early.replace(chr(10), '; ')}\n" if name == "humaneval" else early
    block = quitting if name == "humaneval" else f"```python\n{quitting}\n```"
    assert judged(task.grade(problem, block)).correct is False


def test_tests_may_use_what_the_program_imports(tmp_path):
    task, problem = one(
        tmp_path,
        "mbpp",
        code="import sys\ndef size(target):\n    return sys.getsizeof(target)",
        test_list=["assert size(target=(1, 2)) == sys.getsizeof((1, 2))"],
    )
    assert judged(task.grade(problem, problem.solution)).correct is True


def test_tests_may_ask_an_object_of_the_program_for_its_truth(tmp_path):
    task, problem = one(
        tmp_path,
        "mbpp",
        code="import re\ndef found(text):\n    return re.search('a+', text)",
        test_list=["assert found('xaa')", "assert not found('xyz')"],
    )
    assert judged(task.grade(problem, problem.solution)).correct is True
    always = "```python\nclass Equal:\n    def __eq__(self, other):\n        return True\n\n"
    assert (
        judged(task.grade(problem, f"{always}found = lambda text: Equal()\n```")).correct is False
    )
    task, problem = one(tmp_path, "mbpp")
    assert judged(task.grade(problem, f"{always}add = lambda a, b: Equal()\n```")).correct is False


@pytest.mark.parametrize(
    ("name", "folder", "split", "rows", "start"),
    [
        ("humaneval", "humaneval", "test", 164, "from typing import List"),
        ("mbpp_prime", "mbpp", "test", 399, "Write a function to find the shared elements"),
        ("leetcode", "rllm_test_code", "test", 200, "Please solve the programming task"),
        ("codeforces", "rllm_test_code", "test", 408, "You are given two integers"),
        ("code_contests", "rllm_test_code", "test", 165, "Andi and Budi"),
    ],
)
def test_real_files(data_folder, name, folder, split, rows, start):
    task = load_task(name, str(data_folder(folder)))
    problems = [task.problem(split, index) for index in range(task.size(split))]
    assert len(problems) == rows and problems[0].prompt.startswith(start)
    for problem in problems[:: len(problems) // 20]:
        given = "```python\nprint('no')\n```" if problem.solution is None else problem.solution
        assert judged(task.grade(problem, given)).correct is (problem.solution is not None)


def test_mbpp_of_prime_by_the_papers_splits(data_folder):
    task = load_task("mbpp", str(data_folder("mbpp")))
    assert {split: task.size(split) for split in ("train", "validation", "test")} == {
        "train": 111,
        "validation": 42,
        "test": 239,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "folder", "split", "rows"),
    [
        ("humaneval", "humaneval", "test", 164),
        ("mbpp_prime", "mbpp", "test", 399),
        ("leetcode", "rllm_test_code", "test", 200),
        ("leetcode", "rllm_test_code", "train", 1_889),
    ],
)
def test_every_reference_program_passes_and_none_passes_without_it(
    data_folder, name, folder, split, rows
):
    task = load_task(name, str(data_folder(folder)))
    problems = [task.problem(split, index) for index in range(rows)]
    verdicts = [judged(task.grade(problem, problem.solution)) for problem in problems]
    assert [p.id for p, v in zip(problems, verdicts) if v.correct is not True] == []
    idle = "    pass\n" if name == "humaneval" else "```python\nclass Solution:\n    pass\n```"
    for problem in problems[:200]:
        assert judged(task.grade(problem, idle)).correct is False, problem.id
