"""Lines are whole, exact, and neither doubled nor lost by a kill and a rewind."""

import json
import struct

import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from reasoning_jax.training.metrics import START, NullLog, RunLog, read_lines, read_metrics


def read_events(workdir):
    """The events of the TensorBoard files in order (a record: length, crc, data, crc)."""
    events = []
    for path in sorted((workdir / "tensorboard").iterdir()):
        content, at = path.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            events.append(Event.FromString(content[at + 12 : at + 12 + length]))
            at += 12 + length + 4
    return events


def without_time(workdir):
    return [{k: v for k, v in line.items() if k != "time"} for line in read_metrics(workdir)]


def test_lines_keep_names_order_and_exact_floats(tmp_path):
    with RunLog(tmp_path) as log:
        log.log("rl", 3, {"rl/reward": np.float32(0.1), "eval/pass@1": 1 / 3, "rl/count": 7})
        log.log("rl", 4, {"rl/reward": jnp.asarray(0.5)})
    (first, second) = read_metrics(tmp_path)
    assert list(first) == ["stage", "step", "time", "rl/reward", "eval/pass@1", "rl/count"]
    # The float32 nearest 0.1, as a double.
    assert first["rl/reward"] == 0.10000000149011612
    assert first["eval/pass@1"] == 1 / 3
    assert (first["stage"], first["step"], first["rl/count"]) == ("rl", 3, 7)
    assert second["rl/reward"] == 0.5
    assert first["time"] <= second["time"]


def test_values_that_are_not_finite_become_null(tmp_path):
    with RunLog(tmp_path) as log:
        log.log("rl", 1, {"a": float("nan"), "b": jnp.inf, "c": np.float32("-inf"), "d": 0.0})
        log.samples("rl", 1, [{"reward": float("nan"), "verdict": None}])
    assert without_time(tmp_path) == [
        {"stage": "rl", "step": 1, "a": None, "b": None, "c": None, "d": 0.0}
    ]
    assert list(read_lines(tmp_path / "samples/rl.jsonl")) == [
        {"step": 1, "reward": None, "verdict": None}
    ]


@pytest.mark.parametrize("value", [np.zeros(2), "0.5", None])
def test_a_metric_must_be_one_number(tmp_path, value):
    with RunLog(tmp_path) as log, pytest.raises(ValueError, match="'rl/reward' must be one number"):
        log.log("rl", 1, {"rl/reward": value})
    assert not (tmp_path / "metrics.jsonl").exists()


def test_samples_go_to_the_file_of_their_stage(tmp_path):
    # A byte token alone may decode to a lone surrogate, which UTF-8 cannot hold.
    text = "línea 1\nx² \udcff"
    with RunLog(tmp_path) as log:
        log.samples("rl", 5, [{"completion": text, "reward": np.float32(1)}, {"completion": ""}])
        log.samples("sft", 1, [{"completion": "a"}])
    assert list(read_lines(tmp_path / "samples/rl.jsonl")) == [
        {"step": 5, "completion": text, "reward": 1.0},
        {"step": 5, "completion": ""},
    ]
    assert list(read_lines(tmp_path / "samples/sft.jsonl")) == [{"step": 1, "completion": "a"}]


def test_a_resumed_run_has_the_lines_of_an_uninterrupted_one(tmp_path):
    def steps(log, begin, end):
        for step in range(begin, end):
            log.log("rl", step, {"rl/reward": step / 7})
            log.samples("rl", step, [{"completion": f"answer {step}"}])

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with RunLog(whole) as log:
        steps(log, 0, 6)

    log = RunLog(killed)
    steps(log, 0, 3)
    position = json.loads(json.dumps(log.position()))
    steps(log, 3, 5)
    log.samples("search", 0, [{"completion": "a file the checkpoint does not know"}])
    for name in ("metrics.jsonl", "samples/rl.jsonl"):
        with open(killed / name, "a") as file:
            file.write('{"stage": "rl", "st')

    with RunLog(killed) as log:
        log.rewind(position)
        assert log.position() == position
        steps(log, 3, 6)
    assert without_time(killed) == without_time(whole)
    samples = "samples/rl.jsonl"
    assert (killed / samples).read_bytes() == (whole / samples).read_bytes()
    assert not (killed / "samples/search.jsonl").exists()


def test_rewind_to_the_start_removes_everything(tmp_path):
    log = RunLog(tmp_path)
    log.log("sft", 1, {"train/loss": 1.0})
    log.samples("sft", 1, [{"completion": "a"}])
    log.rewind(START)
    assert log.position() == START
    assert not (tmp_path / "metrics.jsonl").exists()


def test_opening_drops_a_torn_line_and_appends(tmp_path):
    with RunLog(tmp_path) as log:
        log.log("sft", 1, {"train/loss": 1.0})
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"stage": "sft", "step": 2, "tr')
    with RunLog(tmp_path) as log:
        assert log.position()["lines"] == 1
        log.log("sft", 2, {"train/loss": 0.5})
    assert [line["train/loss"] for line in read_metrics(tmp_path)] == [1.0, 0.5]


def test_rewind_refuses_files_shorter_than_the_checkpoint_says(tmp_path):
    log = RunLog(tmp_path)
    log.log("sft", 1, {"train/loss": 1.0})
    position = log.position()
    (tmp_path / "metrics.jsonl").write_text("")
    size = position["files"]["metrics.jsonl"]
    with pytest.raises(ValueError, match=f"has 0 bytes but the checkpoint was taken at {size}"):
        log.rewind(position)


def test_tensorboard_holds_the_same_names_and_hides_what_was_rewound(tmp_path):
    log = RunLog(tmp_path)
    log.log("sft", 10, {"train/loss": 2.0})
    position = log.position()
    log.log("sft", 20, {"train/loss": 1.0})
    log.rewind(position)
    log.log("eval", 0, {"eval/pass@1": 0.25, "eval/greedy": float("nan")})
    log.close()
    events = [event for event in read_events(tmp_path) if not event.file_version]
    starts = [e.step for e in events if e.session_log.status == SessionLog.START]
    assert starts == [0, 1]  # the second hides the line logged at global step 1 before it
    assert [(e.step, {v.tag: v.simple_value for v in e.summary.value}) for e in events] == [
        (0, {}),
        (0, {"train/loss": 2.0}),
        (1, {"train/loss": 1.0}),
        (1, {}),
        (1, {"eval/pass@1": 0.25, "eval/greedy": pytest.approx(float("nan"), nan_ok=True)}),
    ]


def test_null_log_writes_nothing(tmp_path):
    with NullLog() as log:
        log.log("sft", 1, {"train/loss": 1.0})
        log.samples("sft", 1, [{"completion": "a"}])
        log.rewind(log.position())
    assert log.position() == START
    assert list(tmp_path.iterdir()) == []


def test_null_log_has_the_methods_of_a_run_log():
    def public(kind):
        return {name for name in vars(kind) if not name.startswith("_")}

    assert public(NullLog) == public(RunLog)


def test_read_metrics_names_the_broken_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no metrics\.jsonl in"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.jsonl").write_text('{"stage": "a"}\n{"stage": \n')
    with pytest.raises(ValueError, match="line 2 is not JSON"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("[1]\n")
    with pytest.raises(ValueError, match=r"line 1 is not a JSON object: '\[1\]'"):
        read_metrics(tmp_path)
