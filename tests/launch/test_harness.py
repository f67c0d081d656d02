"""launch.harness without the harness: what it reads, and how it ends where something is missing."""

import job
import pytest

from reasoning_jax.bench.harness import Asked, read_sample


def test_requests_are_read_from_the_samples_of_the_harness():
    # Lines of lm-evaluation-harness 0.4.13, cut.
    written = {
        "arguments": {
            "gen_args_0": {"arg_0": "Q", "arg_1": {"until": ["\n\n"], "max_gen_toks": 8}},
        },
        "resps": [[" 5"]],
    }
    assert read_sample(written) == [Asked("Q", None, ("\n\n",), 8, " 5")]
    weighed = {
        "arguments": {
            "gen_args_0": {"arg_0": "Q", "arg_1": " 5"},
            "gen_args_1": {"arg_0": "Q", "arg_1": " 6"},
        },
        "resps": [[["-1.5", "True"]], [["-2.5", "False"]]],
    }
    assert read_sample(weighed) == [
        Asked("Q", " 5", (), 0, (-1.5, True)),
        Asked("Q", " 6", (), 0, (-2.5, False)),
    ]


@pytest.mark.slow
def test_a_folder_without_the_questions_is_named(tmp_path):
    result = job.command("harness", f"--model={tmp_path}", f"--data={tmp_path}", code=1)
    assert result.stderr.startswith("error: ") and "no test.jsonl" in result.stderr
