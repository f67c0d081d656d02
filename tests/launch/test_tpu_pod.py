import os
import pathlib
import shlex
import shutil
import subprocess

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "launch" / "tpu_pod.sh"
WHERE = ["--name=pod", "--zone=us-west4-a"]
KIND = ["--type=v5litepod-16", "--version=v2-alpha-tpuv5-lite"]
RUN = ["--workdir=gs://bucket/run", "--", "--config=configs/quickstart.py"]


def pod(*args, path=None):
    env = os.environ | ({"PATH": str(path)} if path else {})
    bash = shutil.which("bash")
    return subprocess.run(
        [bash, SCRIPT, *args], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def dry_run(*args, path=None):
    """The commands that would run, each as its list of words, as a shell reads them."""
    out = pod(args[0], "--dry_run", *args[1:], path=path)
    assert (out.returncode, out.stderr) == (0, "")
    read_words = (
        "while IFS= read -r line; do eval \"set -- $line\"; printf '%s\\0' \"$@\" '\\n'; done"
    )
    words = subprocess.run(
        ["bash", "-c", read_words], input=out.stdout, capture_output=True, text=True, check=True
    ).stdout
    commands = words.split("\0\\n\0")
    return [command.split("\0") for command in commands if command]


def remote(command):
    """The shell command that an ssh command runs on its worker."""
    (shell,) = [word for word in command if word.startswith("--command=")]
    return shell.removeprefix("--command=")


def test_create():
    (command,) = dry_run("create", *WHERE, *KIND, "--project=lab", "--spot")
    assert command == [
        *("gcloud", "compute", "tpus", "tpu-vm", "create", "pod"),
        *("--accelerator-type=v5litepod-16", "--version=v2-alpha-tpuv5-lite", "--spot"),
        *("--zone=us-west4-a", "--project=lab"),
    ]
    (command,) = dry_run("create", *WHERE, *KIND)
    assert not {"--spot", "--project=lab"} & set(command)


def test_copy_sends_the_checkout_without_environments_and_runs():
    archive, send, clean, unpack = dry_run("copy", *WHERE)
    assert archive[:2] == ["tar", "-czf"]
    assert archive[-3:] == ["-C", str(SCRIPT.parents[1]), "."]
    assert {"--exclude=.git", "--exclude=.venv*", "--exclude=./runs"} <= set(archive)
    assert send[4:8] == ["scp", archive[2], "pod:reasoning_jax.tar.gz", "--worker=all"]
    assert clean == ["rm", archive[2]]
    assert "--worker=all" in unpack
    assert "tar -xzf reasoning_jax.tar.gz -C reasoning_jax" in remote(unpack)


def test_setup_installs_for_tpu_on_every_worker():
    (command,) = dry_run("setup", *WHERE)
    assert command[4:7] == ["ssh", "pod", "--worker=all"]
    assert "-e ./reasoning_jax[tpu]" in " ".join(shlex.split(remote(command)))


def test_run_starts_the_same_command_on_every_worker():
    (command,) = dry_run("run", *WHERE, *RUN, "--config.seed=3")
    assert command[4:7] == ["ssh", "pod", "--worker=all"]
    words = shlex.split(remote(command))
    start = words.index("launch.train")
    assert words[start + 1 : start + 5] == [
        "--coordinator=auto",
        "--workdir=../bucket/run",
        "--config=configs/quickstart.py",
        "--config.seed=3",
    ]


def test_quoting_survives_both_shells():
    odd = ["--workdir=gs://bucket/my run", "--", "--config=c.py", "--config.x=it's $HOME; (1, 2)"]
    (command,) = dry_run("run", *WHERE, *odd)
    words = shlex.split(remote(command))
    assert "--workdir=../bucket/my run" in words
    assert "gcsfuse --implicit-dirs bucket bucket" in remote(command)
    assert "--config.x=it's $HOME; (1, 2)" in words


def test_values_may_stand_apart_from_flags():
    apart = ["--name", "pod", "--zone", "us-west4-a"]
    assert dry_run("delete", *apart) == dry_run("delete", *WHERE)


def test_logs_status_delete():
    (logs,) = dry_run("logs", *WHERE)
    assert "--worker=0" in logs and "-F train.log" in remote(logs)
    describe, processes = dry_run("status", *WHERE)
    assert describe[4:6] == ["describe", "pod"]
    assert "--worker=all" in processes
    (delete,) = dry_run("delete", *WHERE)
    assert delete[4:7] == ["delete", "pod", "--quiet"]


def test_all_is_its_parts_in_order():
    parts = [
        *dry_run("create", *WHERE, *KIND),
        *dry_run("copy", *WHERE),
        *dry_run("setup", *WHERE),
        *dry_run("run", *WHERE, *RUN),
        *dry_run("logs", *WHERE),
    ]
    assert dry_run("all", *WHERE, *KIND, *RUN) == parts


@pytest.fixture
def worker(tmp_path):
    """run(shell): runs a remote command in a home folder where the environment is a stand-in."""
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nwhile [ -e ../go ]; do sleep 0.05; done\n')
    python.chmod(0o755)
    mount = tmp_path / "bin" / "gcsfuse"
    mount.parent.mkdir()
    mount.write_text('#!/bin/sh\necho "$@" >mounted\n')
    mount.chmod(0o755)
    (tmp_path / "reasoning_jax").mkdir()
    (tmp_path / "go").touch()
    environment = {**os.environ, "PATH": f"{mount.parent}:{os.environ['PATH']}"}

    def run(shell):
        return subprocess.run(
            ["bash", "-c", shell],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=20,
        )

    yield run, tmp_path
    (tmp_path / "go").unlink(missing_ok=True)


def test_the_life_of_a_run_on_a_worker(worker):
    run, home = worker
    (start,) = dry_run("run", *WHERE, "--workdir=gs://b/my run", "--", "--config=c.py")
    (logs,) = dry_run("logs", *WHERE)
    _, status = dry_run("status", *WHERE)
    assert run(remote(status)).stdout.endswith(": not training\n")
    assert run(remote(start)).returncode == 0  # and returns at once
    assert run(remote(status)).stdout.endswith(": training\n")
    second = run(remote(start))
    assert (second.returncode, second.stderr) == (1, "already training\n")
    (home / "go").unlink()
    assert (home / "mounted").read_text() == "--implicit-dirs b bucket\n"
    told = "launch.train\n--coordinator=auto\n--workdir=../bucket/my run\n--config=c.py\n"
    assert told in run(remote(logs)).stdout
    assert run(remote(status)).stdout.endswith(": not training\n")


@pytest.mark.parametrize(
    "args, message",
    [
        ([], "which command? create, copy, setup"),
        (["launch"], "no command launch; one of create"),
        (["status", "--zone=z"], "status needs --name"),
        (["create", *WHERE, "--type=v6e-8"], "create needs --version"),
        (["create", *WHERE, "--type"], "--type needs a value"),
        (["run", *WHERE, "--", "--config=c.py"], "run needs --workdir"),
        (["run", *WHERE, "--workdir=/tmp/x", "--", "--config=c.py"], "gs:// path"),
        (["run", *WHERE, "--workdir=gs://b/r"], "run needs a recipe"),
        (["run", *WHERE, "--workdir=gs://b/r", "--", "--config.seed=1"], "run needs a recipe"),
        (["run", *WHERE, "--config=c.py"], "unknown flag --config=c.py; flags of launch.train"),
        (["delete", *WHERE, "--", "--force"], "delete takes nothing after --"),
    ],
)
def test_bad_flags(args, message):
    out = pod(*args)
    assert (out.returncode, out.stdout) == (2, "")
    assert message in out.stderr
    assert out.stderr.count("\n") == 1


def test_missing_gcloud(tmp_path):
    (tmp_path / "dirname").symlink_to(shutil.which("dirname"))
    out = pod("status", *WHERE, path=tmp_path)
    assert (out.returncode, out.stdout) == (2, "")
    assert out.stderr == "tpu_pod.sh: gcloud is not installed; see the Google Cloud CLI\n"
    assert dry_run("delete", *WHERE, path=tmp_path)  # which a dry run does not need


def test_help_is_the_header():
    out = pod("--help")
    assert out.returncode == 0
    assert out.stdout.startswith("Trains on a Cloud TPU slice")
    assert "set -e" not in out.stdout
