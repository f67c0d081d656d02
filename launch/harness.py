"""Runs lm-evaluation-harness against launch.serve and holds its figures against the model's own.

python -m launch.harness --model=DIR --data=FOLDER_OF_GSM8K --lm_eval=PATH_OF_lm_eval --limit=8

It starts the server, asks `configs/lm_eval/gsm8k_local.yaml` (greedy completions) and
`gsm8k_choice.yaml` (log-likelihoods) of it by ``local-completions``, and works the same out in
this process: every log-likelihood has to agree to --tolerance, every completion in all its
characters. Install the harness apart: pip install 'lm_eval[api]' transformers.
"""

from launch import environment  # isort: skip  (before jax starts)

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

from absl import flags

MODEL = flags.DEFINE_string("model", None, "Model folder.", required=True)
DATA = flags.DEFINE_string("data", None, "Folder with GSM8K's test.jsonl.", required=True)
LM_EVAL = flags.DEFINE_string("lm_eval", "lm_eval", "The harness's command.")
LIMIT = flags.DEFINE_integer("limit", 8, "Questions.", lower_bound=1)
TOLERANCE = flags.DEFINE_float("tolerance", 1e-3, "Of a sum of log-probabilities, nats.")

ROOT = pathlib.Path(__file__).resolve().parents[1]
TASKS = ("gsm8k_local", "gsm8k_choice")


def main(_: list[str]) -> None:
    """Serves, asks, compares."""
    model, data = pathlib.Path(MODEL.value).resolve(), pathlib.Path(DATA.value).resolve()
    if not (data / "test.jsonl").is_file():
        raise FileNotFoundError(f"--data={DATA.value}: no test.jsonl; give GSM8K's folder")
    from reasoning_jax.bench.harness import completions, likelihoods, read_sample

    with tempfile.TemporaryDirectory() as out:
        asked = [
            one
            for sample in _samples(model, data, pathlib.Path(out))
            for one in read_sample(sample)
        ]
    told = [one for one in asked if one.continuation is None]
    weighed = [one for one in asked if one.continuation is not None]
    gap = max((abs(a - b) for a, b in likelihoods(model, weighed)), default=0.0)
    equal = sum(one.answer == own for one, own in zip(told, completions(model, told)))
    print(f"{len(weighed)} log-likelihoods, largest difference {gap:.2g} nats")
    print(f"{equal} of {len(told)} completions equal")
    if gap > TOLERANCE.value or equal < len(told):
        raise RuntimeError("the server and the model do not agree")


def _samples(model: pathlib.Path, data: pathlib.Path, out: pathlib.Path) -> list[dict]:
    """What the harness wrote of its questions to a server of the model."""
    command = [sys.executable, "-m", "launch.serve", f"--model={model}", "--port=0", "--name=it"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        if not line.startswith("serving "):
            raise RuntimeError(f"the server ended with status {server.wait()}")
        _harness(line.split()[-1], model, data, out)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    paths = sorted(out.rglob("samples_*.jsonl"))
    return [json.loads(row) for path in paths for row in path.read_text().splitlines()]


def _harness(url: str, model: pathlib.Path, data: pathlib.Path, out: pathlib.Path) -> None:
    arguments = {
        "model": "it",
        "base_url": f"{url}/completions",
        "tokenizer": str(model),
        "num_concurrent": 4,
        "tokenized_requests": True,
    }
    command = [
        LM_EVAL.value,
        "--model=local-completions",
        "--model_args=" + ",".join(f"{key}={value}" for key, value in arguments.items()),
        f"--include_path={ROOT / 'configs' / 'lm_eval'}",
        f"--tasks={','.join(TASKS)}",
        f"--limit={LIMIT.value}",
        "--log_samples",
        f"--output_path={out}",
    ]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    try:
        subprocess.run(command, cwd=data, env={**os.environ, **offline}, check=True)
    except FileNotFoundError as error:
        raise RuntimeError(
            f"no command {LM_EVAL.value}: pip install 'lm_eval[api]' transformers, in an "
            "environment of its own, and name its lm_eval by --lm_eval"
        ) from error
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"{LM_EVAL.value} ended with status {error.returncode}") from error


if __name__ == "__main__":
    environment.run(main)
