"""HumanEval: every canonical solution passes, solutions that were changed do not."""

import concurrent.futures
import gzip
import json

import mutation
import pytest

from reasoning_jax.verify.programs import AssertTest, Limits, StdioTest, run_program

# Of changes that leave the function as it was, or that the benchmark's assertions do not see.
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
def test_changed_solutions_fail_unless_the_benchmark_itself_is_blind(data_folder):
    """182 of 1,486 survive, each of them also when all runs in one process, as published."""
    changed = [
        (mutant, problem)
        for problem in _problems(data_folder)
        for mutant in mutation.mutants(
            problem["prompt"] + problem["canonical_solution"], problem["entry_point"]
        )
    ]
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        passed = list(threads.map(lambda pair: _passes(*pair, None), changed))
        survivors = [pair for pair, found in zip(changed, passed) if found is not False]
        published = list(threads.map(lambda pair: _passes_in_one_process(*pair), survivors))
    assert len(changed) > 1000
    assert all(published)
    assert len(survivors) < SURVIVING_SHARE * len(changed)


def _passes_in_one_process(source: str, problem: dict) -> bool | None:
    program = f"{source}\n{problem['test']}\ncheck({problem['entry_point']})\nprint('end')"
    limits = Limits(cpu_seconds=6, wall_seconds=60)
    return run_program(program, [StdioTest("", "end")], limits).passed
