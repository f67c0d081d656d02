"""HumanEval: every canonical solution passes, solutions that were changed do not."""

import gzip
import json

import mutation
import pytest

from reasoning_jax.verify.programs import AssertTest, Limits, run_program

# Changes that leave the function as it was, or that the benchmark's assertions do not see.
SURVIVING_SHARE = 0.2


def _problems(data_folder) -> list[dict]:
    path = data_folder("humaneval") / "HumanEval.jsonl.gz"
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def _test(problem: dict) -> AssertTest:
    name = problem["entry_point"]
    return AssertTest(f"{problem['test']}\ncheck({name})", names=(name,), setup=problem["prompt"])


def _passes(source: str, problem: dict, level: str | None) -> bool | None:
    limits = Limits(cpu_seconds=3, wall_seconds=60)
    return run_program(source, [_test(problem)], limits, level).passed


def test_canonical_solutions_pass_and_stubs_fail(data_folder, level):
    for problem in _problems(data_folder):
        source = problem["prompt"] + problem["canonical_solution"]
        assert _passes(source, problem, level) is True, problem["task_id"]
        stub = mutation.stub(source, problem["entry_point"])
        assert _passes(stub, problem, level) is False, problem["task_id"]


@pytest.mark.slow
def test_changed_solutions_fail(data_folder):
    made = survived = 0
    for problem in _problems(data_folder):
        source = problem["prompt"] + problem["canonical_solution"]
        for mutant in mutation.mutants(source, problem["entry_point"]):
            made += 1
            survived += _passes(mutant, problem, None) is not False
    print(f"{survived} of {made} changed solutions pass")
    assert made > 1000
    assert survived < SURVIVING_SHARE * made
