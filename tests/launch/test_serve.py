"""launch.serve as a user types it: a process, real HTTP, SIGTERM."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import job
import pytest

pytest.importorskip("aiohttp")


@pytest.fixture
def served(finished_run):
    """(process, address) of a server of the finished run."""
    process = subprocess.Popen(
        [sys.executable, "-m", "launch.serve", f"--model={finished_run}", "--port=0", "--name=it"],
        cwd=job.REPOSITORY,
        env=job.environment(1),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    assert line.startswith(f"serving {finished_run} at http://127.0.0.1:"), process.stderr.read()
    yield process, line.split()[-1]
    process.kill()


def post(url: str, body: dict) -> dict:
    with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=120) as response:
        return json.load(response)


def test_serves_a_run_and_ends_on_sigterm(served):
    process, address = served
    prompts = ["1+2-1+1=", "4-3+2-2="]
    body = {"prompt": prompts, "max_tokens": 8, "seed": 1, "logprobs": 1, "echo": True}
    answer = post(f"{address}/completions", body)
    assert answer["model"] == "it" and answer == answer | {"object": "text_completion"}
    for prompt, choice in zip(prompts, answer["choices"]):
        assert choice["text"].startswith(prompt)
        assert "".join(choice["logprobs"]["tokens"]) == choice["text"]
    with pytest.raises(urllib.error.HTTPError, match="400"):
        # Its alphabet cannot spell a chat.
        post(f"{address}/chat/completions", {"messages": [{"role": "user", "content": "1"}]})
    process.send_signal(signal.SIGTERM)
    printed, said = process.communicate(timeout=60)
    assert process.returncode == 0 and (printed, said) == ("", "")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--model"),
        (["--model=no/such"], "no/such"),
        (["--model=no/such", "--max_tokens=0"], "max_tokens is 0"),
    ],
)
def test_bad_flags_are_one_line(flags, message, tmp_path):
    result = job.command("serve", *flags, code=1)
    first = result.stderr.splitlines()[0]
    assert first.startswith("error: ") and message in first
