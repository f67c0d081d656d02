"""What cannot work is refused with one message, before any work and without leaving anything."""

import json
import shutil
import sys

import jax
import job
import numpy as np
import pytest

from configs.quickstart import get_config
from reasoning_jax.models import init_params, preset, save_hf
from reasoning_jax.stages.run import run
from reasoning_jax.stages.stage import Stage
from reasoning_jax.text import load_tokenizer


def tiny():
    config = get_config("small").unlock()
    config.sft.examples = 200
    config.sft.steps = 4
    config.sft.evaluate_every = 2
    config.sft.gate.after = 0
    for block in (config.sft.evaluation, config.rl.evaluation):
        block.problems = 8
    return config


def refused(change, tmp_path) -> str:
    config = tiny()
    change(config)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    return str(error.value)


def test_dropout_of_adapters_is_refused_in_rl(tmp_path):
    def change(config):
        config.lora.rank = 2
        config.lora.dropout = 0.1

    message = refused(change, tmp_path)
    assert "config.rl: config.lora.dropout is 0.1" in message and "set it to 0" in message


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("sft.rows", 12, ["config.sft", "12 rows", "multiple of 8"]),
        ("rl.micro_batches", 3, ["config.rl", "128 rows", "multiple of 24"]),
        ("rl.group_size", 1, ["group_size 1", "at least 2"]),
        ("rl.temperature", 0.0, ["temperature 0.0"]),
        ("rl.max_tokens", 5000, ["modchain/train/0", "5000", "context of 4096"]),
        ("sft.row_tokens", 8, ["modchain/train/", "row_tokens 8"]),
        ("sft.row_tokens", 8192, ["row_tokens 8192", "context 4096"]),
        ("sft.examples", 10**9, ["examples 1000000000"]),
        ("sft.examples", 8, ["fewer than one update"]),
        ("rl.advantage.name", "reasoning_jax.rl.advantages.none", ["advantage.name"]),
        ("rl.updates", 7, ["7 updates"]),
        ("rl.updates", 0, ["updates"]),
        ("rl.evaluate_every", 0, ["guard needs evaluations"]),
        ("rl.steps", -1, ["steps -1"]),
        ("rl.prompts", 0, ["prompts 0", "at least 1"]),
        ("rl.prompts", 200_000, ["200000", "100000 problems"]),
        ("rl.max_tokens", 0, ["max_tokens is 0"]),
        ("verify.processes", -1, ["config.verify", "processes=-1", "at least 0"]),
        ("verify.max_failures", 1.5, ["config.verify", "max_failures 1.5"]),
        ("verify.least", 0, ["config.verify", "least 0"]),
        ("lora.rank", -1, ["LoRA rank is -1"]),
        ("lora.base_dtype", "int4", ["choose float32 or bfloat16"]),
        ("lora.adapter", "no/adapter", ["no adapter_config.json in no/adapter"]),
        ("rl.aggregate.name", "reasoning_jax.rl.token_sum_constant", ["needs max_length"]),
        ("rl.advantage.name", "reasoning_jax.rl.advantages.process_grpo", ["advantage", "step_"]),
        ("rl.policy_loss.name", "reasoning_jax.rl.k1", ["policy_loss cannot be used"]),
        ("rl.filters", ("reasoning_jax.rl.token_mean",), ["filters cannot be used"]),
        ("rl.optimizer.schedule.name", "reasoning_jax.training.schedules.cosine", ["total_steps"]),
        ("evaluate_rl.max_tokens", 5000, ["evaluate_rl", "context of 4096"]),
        ("evaluate_rl.problems", -1, ["-1 problems"]),
        ("sft.steps", 0, ["steps is 0"]),
        ("sft.micro_batches", 0, ["at least 1"]),
        ("sft.gate.metric", "eval/gredy", ["eval/gredy", "eval/greedy"]),
        ("sft.gate.after", 10, ["gate.after 10"]),
        ("dtype", "bf16", ["bf16", "bfloat16"]),
        ("attention", "flash", ["flash", "blockwise"]),
        ("unroll", -1, ["unroll is -1"]),
        ("remat", "some", ["remat is 'some'", "projections"]),
        ("model", "", ["model is empty"]),
        ("evaluate_rl.split", "exam", ["exam", "validation"]),
        ("evaluate_rl.problems", 10**6, ["1000000 problems", "0 is all"]),
        ("mesh.data", 3, ["3 devices", "there are 8", "mesh.data"]),
        ("model", "giant", ["giant", "micro"]),
        ("model", "no/such/folder", ["no/such/folder"]),
        ("task", "chess", ["chess", "modchain"]),
        ("data", "somewhere", ["makes its own problems"]),
        ("task_options.modulus", 1, ["modulus"]),
        ("tokenizer", "char:01", ["not in the alphabet"]),
    ],
)
def test_bad_values_are_named(key, value, parts, tmp_path):
    def change(config):
        *path, last = key.split(".")
        for name in path:
            config = config[name]
        config[last] = value

    message = refused(change, tmp_path)
    for part in parts:
        assert part in message, message


def test_a_keyword_that_a_function_does_not_take(tmp_path):
    message = refused(lambda config: setattr(config.rl.advantage, "epsilon", 1.0), tmp_path)
    assert "takes no 'epsilon'" in message and "eps" in message


def test_a_model_override_that_is_no_field(tmp_path):
    message = refused(lambda config: setattr(config.model_overrides, "depth", 3), tmp_path)
    assert "'depth' is not a field" in message


def model_folder(path, vocab_size: int = 32):
    tokenizer = load_tokenizer("char:0123456789+-*=,")
    config = preset("nano", vocab_size)
    save_hf(path, config, init_params(config, jax.random.key(0)))
    tokenizer.save(path)
    return path


def test_a_model_folder_without_weights(tmp_path):
    folder = model_folder(tmp_path / "model")
    for file in folder.glob("*.safetensors"):
        file.unlink()
    config = tiny()
    config.model = str(folder)
    with pytest.raises((ValueError, FileNotFoundError), match="safetensors"):
        run(config, tmp_path / "run")


def test_an_unsupported_architecture(tmp_path):
    folder = model_folder(tmp_path / "model")
    description = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(description | {"model_type": "mamba"}))
    assert "mamba" in refused(lambda config: setattr(config, "model", str(folder)), tmp_path)


def test_a_tokenizer_larger_than_the_embedding(tmp_path):
    folder = model_folder(tmp_path / "model", vocab_size=8)
    message = refused(lambda config: setattr(config, "model", str(folder)), tmp_path)
    assert "17 ids" in message and "8 rows" in message


def test_a_broken_line_of_data(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"question": "1+1?", "answer": "#### 2"}\n{"question"\n')
    shutil.copy(tmp_path / "train.jsonl", tmp_path / "test.jsonl")

    def change(config):
        config.task, config.data, config.tokenizer = "gsm8k", str(tmp_path), "char:abc"
        config.task_options = {}

    message = refused(change, tmp_path)
    assert "train.jsonl" in message and "2" in message


def test_a_warm_up_that_never_clicks_ends_with_its_value(tmp_path):
    config = tiny()
    config.sft.rows = 8
    with pytest.raises(RuntimeError, match=r"eval/greedy is 0\.\d+ after 4 steps.*raise sft.steps"):
        run(config, tmp_path / "run")
    assert (tmp_path / "run" / "report.html").exists()


def test_rl_refuses_to_start_from_nothing(tmp_path):
    config = tiny()
    config.stages = ("rl",)
    config.sampler_rows = 64
    with pytest.raises(RuntimeError, match=r"pass@1 is 0\.\d+ before RL, below guard.start 0.3"):
        run(config, tmp_path / "run")


def test_a_torn_checkpoint_is_named(finished_run, tmp_path):
    workdir = tmp_path / "torn"
    shutil.copytree(finished_run, workdir)
    latest = max((workdir / "checkpoints").iterdir(), key=lambda path: int(path.name))
    for file in (latest / "params").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    output = job.finish(job.start(workdir), code=1)
    assert str(latest) in output and "delete that folder" in output
    shutil.rmtree(latest)
    job.finish(job.start(workdir))
    assert job.lines(workdir) == job.lines(finished_run)


def test_an_unknown_flag_of_the_config_is_one_line(tmp_path):
    flags = ("--config=configs/quickstart.py", f"--workdir={tmp_path}/run")
    result = job.command("train", *flags, "--config.rl.learning_rate=1", code=1)
    assert "--config.rl.learning_rate: the config has no key" in result.stderr.splitlines()[0]
    assert not (tmp_path / "run").exists()


def test_nan_rewards_stop_the_run_with_the_completion(tmp_path):
    config = tiny()
    config.stages = ("rl",)
    config.rl.guard.start = 0.0
    config.rl.reward.name = f"{__name__}.nan_reward"
    sys.modules[__name__].nan_reward = lambda problem, completion, verdict: np.nan
    with pytest.raises(ValueError, match=r"reward of completion .* is nan"):
        run(config, tmp_path / "run")


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    config = tiny()
    config.sft.optimizer.schedule.peak = float("inf")
    config.sft.log_every = 1
    config.sft.optimizer.schedule.warmup_steps = 0
    with pytest.raises(
        RuntimeError, match=r"train/\w+ is nan at step \d+; lower the learning rate"
    ):
        run(config, tmp_path / "run")


def test_what_a_stage_needs_stays_until_its_end_is_on_disk(tmp_path, monkeypatch):
    config = tiny()
    config.stages = ("rl",)
    config.rl.guard.start = 0.0
    config.rl.steps = 4
    config.rl.evaluate_every = 1
    config.rl.optimizer.schedule.peak = 0.1  # falls at once: the best policy is the first
    left = {}

    def finish(stage, step, params, keep=()):
        original(stage, step, params, keep)
        left["keep"], left["numbers"] = set(keep), set(stage.context.checkpoints.numbers())

    original = Stage.finish
    monkeypatch.setattr(Stage, "finish", finish)
    run(config, tmp_path / "run")
    assert left["keep"] and left["keep"] <= left["numbers"]
