"""launch.bench as a user types it, every suite on a model of a few thousand parameters."""

import json
import os
import subprocess
import sys

import job
import pytest


def bench(folder, *flags, code=0):
    done = job.command("bench", "--shape=tiny", f"--out={folder}", *flags, code=code, devices=2)
    return done.stdout + done.stderr


def rows(folder, suite):
    return [json.loads(line) for line in (folder / f"{suite}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--suite=verification"], "suite"),
        (["--suite=load", "--against=/no/file"], "/no/file"),
    ],
)
def test_bad_flags_are_one_line(tmp_path, flags, message):
    first = bench(tmp_path, *flags, code=1).splitlines()[0]
    assert first.startswith("error: ") and message in first


@pytest.mark.slow
def test_sampling_and_its_gate(tmp_path):
    said = bench(tmp_path, "--suite=sample", "--rounds=1", "--peer=tunix", f"--save={tmp_path}/r")
    assert "tunix: pip install google-tunix" in said or "tunix" in {
        row["who"] for row in rows(tmp_path, "sample")
    }
    found = rows(tmp_path, "sample")
    assert {"greedy", "temperature", "top-k top-p", "lengths", "group, prompts=1"} <= {
        row["case"] for row in found
    }
    assert all(row["of_floor"] > 0 for row in found if row["case"] == "temperature")
    stored = json.loads((tmp_path / "r").read_text())
    key = "sample/tiny/lengths/reasoning_jax:fixed batches"
    assert stored[key] > 0
    (tmp_path / "r").write_text(json.dumps({key: 1000 * stored[key]}))
    again = ("--suite=sample", "--case=lengths", "--rounds=1", f"--against={tmp_path}/r")
    assert f"{key}: " in bench(tmp_path, *again, code=1)


@pytest.mark.slow
@pytest.mark.parity
def test_updates_beside_transformers(tmp_path):
    pytest.importorskip("transformers")
    pytest.importorskip("torch")
    bench(tmp_path, "--suite=update", "--rounds=1", "--peer=transformers")
    found = rows(tmp_path, "update")
    beside = [row for row in found if row["who"] == "transformers"]
    assert [(row["case"], row["agrees"]) for row in beside] == [
        ("sft", True),
        ("grpo", True),
        ("dpo", True),
    ]
    memory = [row for row in found if row["case"].startswith("memory")]
    assert len(memory) == 4 and all(row["temp_mb"] > 0 for row in memory)


@pytest.mark.slow
def test_whole_steps(tmp_path):
    bench(tmp_path, "--suite=rl_step", "--rounds=1")
    for row in rows(tmp_path, "rl_step"):
        assert 0 < row["sample"] < 1 and 0 < row["update"] < 1 and row["host"] < 1
    assert [row["case"] for row in rows(tmp_path, "rl_step")] == ["grpo", "quickstart"]


@pytest.mark.slow
def test_files_scale_and_server(tmp_path):
    pytest.importorskip("aiohttp")
    for suite in ("load", "scale", "serve"):
        bench(tmp_path, f"--suite={suite}", "--rounds=1")
    assert {"files", "start"} == {row["case"] for row in rows(tmp_path, "load")}
    assert {"rows", "length", "devices"} == {row.get("over") for row in rows(tmp_path, "scale")} - {
        None
    }
    assert any("growth" in row for row in rows(tmp_path, "scale"))
    assert rows(tmp_path, "serve")[1]["share"] > 0


DEVICES = "--xla_force_host_platform_device_count=2"


def gpu_bench(*args):
    return subprocess.run(
        ["bash", str(job.REPOSITORY / "launch" / "gpu_bench.sh"), *args],
        env=os.environ | {"PYTHON": sys.executable, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": DEVICES},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_the_script_for_accelerators_tells_what_it_takes_and_what_is_missing():
    assert "launch/gpu_bench.sh [--out=DIR]" in gpu_bench("--help").stdout
    wrong = gpu_bench("--shapes=tiny")
    assert wrong.returncode == 2 and "unknown argument --shapes=tiny" in wrong.stderr
    without = gpu_bench()
    assert without.returncode == 2 and "jax finds no accelerator" in without.stderr


@pytest.mark.slow
def test_a_dry_run_of_the_script_for_accelerators(tmp_path):
    out = gpu_bench("--dry_run", "--rounds=1", f"--out={tmp_path}", "--option=attention=blockwise")
    assert out.returncode == 0, out.stdout + out.stderr
    names = {path.name for path in tmp_path.glob("*.md")}
    assert names == {
        f"{suite}-tiny.md" for suite in ("sample", "update", "rl_step", "scale", "load")
    }
