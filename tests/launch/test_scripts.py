import os
import pathlib
import shutil
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).parents[2]
TOOLS = ("bash", "basename", "cat", "cksum", "cp", "dirname", "mkdir", "rm")

# Stands in for a Python: notes what it is asked, fails where told to.
PYTHON = """#!/usr/bin/env bash
printf '%s:' "$(basename "$PWD")" >>"$LOG"
printf ' %q' "$@" >>"$LOG"
printf '\\n' >>"$LOG"
if [[ -n ${FAIL_ON:-} && "$*" == *"$FAIL_ON"* ]]; then exit 1; fi
case "$*" in
  --version) echo "Python ${VERSION:-3.11.7}" ;;
  "-m venv"*)
    rm -rf "${@: -1}"
    mkdir -p "${@: -1}/bin"
    cp "$0" "${@: -1}/bin/python"
    ;;
esac
"""


class Checkout:
    """A copy of the scripts on a path with a space, and a world with only a stand-in Python."""

    def __init__(self, folder: pathlib.Path):
        self.root = folder / "a checkout"
        self.log = folder / "log"
        self.bin = folder / "bin"
        self.bin.mkdir()
        shutil.copytree(REPOSITORY / "launch", self.root / "launch")
        for name in ("setup.py", "pyproject.toml"):
            shutil.copy(REPOSITORY / name, self.root)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.add_python("python3")

    def add_python(self, name: str):
        python = self.bin / name
        python.write_text(PYTHON.replace("#!/usr/bin/env bash", f"#!{shutil.which('bash')}"))
        python.chmod(0o755)

    def run(self, script: str, *args: str, cwd=None, **env: str):
        """Runs a script; returns the process and the lines its Python was asked."""
        self.log.write_text("")
        out = subprocess.run(
            [self.bin / "bash", self.root / "launch" / script, *args],
            cwd=cwd or self.root.parent,
            env={"PATH": str(self.bin), "LOG": str(self.log), "TMPDIR": "/tmp", **env},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return out, self.log.read_text().splitlines()


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


SCRIPTS = pytest.mark.parametrize("script", ["quickstart.sh", "test.sh"])


def assert_one_line(out, status: int, *parts: str):
    assert (out.returncode, out.stdout) == (status, "")
    assert out.stderr.count("\n") == 1
    assert all(part in out.stderr for part in parts), out.stderr


@SCRIPTS
def test_a_python_that_is_too_old(checkout, script):
    checkout.add_python("old")
    python = str(checkout.bin / "old")
    out, _ = checkout.run(script, PYTHON=python, FAIL_ON="version_info")
    assert_one_line(out, 1, "Python 3.11 or newer is needed", f"(tried {python})")
    assert not list(checkout.root.glob(".venv*"))


@SCRIPTS
def test_no_python(checkout, script):
    (checkout.bin / "python3").unlink()
    out, _ = checkout.run(script)
    assert_one_line(out, 1, "tried python3 python3.13 python3.12 python3.11")


@SCRIPTS
def test_any_of_the_names_will_do(checkout, script):
    (checkout.bin / "python3").rename(checkout.bin / "python3.12")
    out, _ = checkout.run(script)
    assert out.returncode == 0, out.stderr


@SCRIPTS
def test_no_venv_module(checkout, script):
    out, _ = checkout.run(script, FAIL_ON="import ensurepip")
    assert_one_line(out, 1, "python3 lacks the venv and ensurepip modules", "python3-venv")


@SCRIPTS
def test_an_environment_is_made_once(checkout, script):
    out, asked = checkout.run(script)
    assert out.returncode == 0, out.stderr
    assert sum("pip install" in line for line in asked) == 1
    _, asked = checkout.run(script)
    assert not any("pip install" in line for line in asked)


@SCRIPTS
def test_an_interrupted_install_is_repeated(checkout, script):
    out, _ = checkout.run(script, FAIL_ON="pip install")
    assert out.returncode == 1
    _, asked = checkout.run(script)
    assert sum("pip install" in line for line in asked) == 1


@SCRIPTS
@pytest.mark.parametrize("change", ["setup.py", "pyproject.toml", "python", "place", "broken"])
def test_an_environment_out_of_date_is_made_anew(checkout, script, change):
    checkout.run(script)
    env = {}
    if change == "python":
        env = {"VERSION": "3.12.1"}
    elif change == "place":
        checkout.root = checkout.root.rename(checkout.root.with_name("another place"))
    elif change == "broken":
        for folder in checkout.root.glob(".venv*"):
            (folder / "bin" / "python").unlink()
    else:
        with (checkout.root / change).open("a") as file:
            file.write("# changed\n")
    out, asked = checkout.run(script, **env)
    assert out.returncode == 0, out.stderr
    assert sum("pip install" in line for line in asked) == 1


def test_quickstart_trains_in_the_checkout(checkout):
    _, asked = checkout.run("quickstart.sh")
    workdir = str(checkout.root / "runs" / "quickstart").replace(" ", "\\ ")
    assert asked[-1] == (
        f"a checkout: -m launch.train --config=configs/quickstart.py --workdir={workdir}"
    )
    assert any(line.endswith("install --quiet --disable-pip-version-check -e .") for line in asked)


def test_quickstart_small_with_work_directory_and_overrides(checkout, tmp_path):
    _, asked = checkout.run(
        "quickstart.sh", "--small", "my run", "--", "--config.seed=3", cwd=tmp_path
    )
    workdir = f"{tmp_path}/my run"  # relative to where the caller stands
    assert asked[-1].endswith(
        "-m launch.train --config=configs/quickstart.py:small "
        + f"--workdir={workdir} --config.seed=3".replace("my run", "my\\ run")
    )


def test_quickstart_fails_with_the_run(checkout):
    out, _ = checkout.run("quickstart.sh", FAIL_ON="launch.train")
    assert out.returncode == 1


@pytest.mark.parametrize(
    "args, message",
    [(["--tiny"], "unknown option --tiny"), (["a", "b"], "two work directories, a and b")],
)
def test_quickstart_bad_arguments(checkout, args, message):
    out, asked = checkout.run("quickstart.sh", *args)
    assert_one_line(out, 2, message, "usage: launch/quickstart.sh")
    assert not asked


def test_test_script_lints_then_tests(checkout):
    _, asked = checkout.run("test.sh", "tests/rl", "-k", "a or b")
    assert [line.split(": ", 1)[1] for line in asked[-3:]] == [
        "-m ruff check",
        "-m ruff format --check",
        "-m pytest tests/rl -k a\\ or\\ b",
    ]
    assert any(line.endswith("-e .\\[test\\]") for line in asked)


def test_parity_brings_what_it_compares_with_in_pinned_versions(checkout):
    tests = checkout.root / "tests"
    tests.mkdir()
    shutil.copy(REPOSITORY / "tests" / "constraints.txt", tests)
    _, asked = checkout.run("test.sh", "--parity", "-x")
    install = "install --quiet --disable-pip-version-check -c tests/constraints.txt -e "
    assert any(line.endswith(install + ".\\[test\\,eval\\,data\\,parity\\]") for line in asked)
    assert asked[-1].endswith("-m pytest -x")
    (tests / "constraints.txt").write_text("torch==0")
    _, asked = checkout.run("test.sh", "--parity")
    assert any("pip install" in line for line in asked)


@pytest.mark.parametrize("step", ["ruff check", "ruff format", "pytest tests"])
def test_test_script_fails_with_any_step(checkout, step):
    out, asked = checkout.run("test.sh", "tests", FAIL_ON=step)
    assert out.returncode == 1
    assert step in asked[-1]  # nothing runs after it


@pytest.mark.parametrize("name", ["quickstart.sh", "test.sh", "tpu_pod.sh"])
def test_scripts_are_executable(name):
    assert os.access(REPOSITORY / "launch" / name, os.X_OK)
