import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from launch import environment

# Memory that malloc maps for this block alone, touched; how much of it lies in huge pages, kB.
PROBE = """
import ctypes, re
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
block = libc.malloc(64 << 20)
ctypes.memset(block, 1, 64 << 20)
print(re.search(r"AnonHugePages: +([0-9]+)", open("/proc/self/smaps_rollup").read())[1])
"""


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """pages(choice) makes the kernel's setting, or with None takes its file away."""

    def choose(choice):
        path = tmp_path / "enabled"
        if choice is not None:
            path.write_text(
                " ".join(f"[{c}]" if c == choice else c for c in ("always", "madvise", "never"))
            )
        monkeypatch.setattr(environment, "HUGE_PAGES", path)
        monkeypatch.setattr(environment.platform, "libc_ver", lambda: ("glibc", "2.36"))

    return choose


@pytest.mark.parametrize(
    "before, after",
    [
        ("", "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.check=1", "glibc.malloc.check=1:glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", None),
    ],
)
def test_huge_pages_unless_the_user_has_decided(pages, before, after):
    pages("madvise")
    assert environment.with_huge_pages(before) == after


@pytest.mark.parametrize("choice", ["always", "never", None])
def test_no_new_start_where_it_would_change_nothing(pages, choice):
    pages(choice)
    assert environment.with_huge_pages("") is None


def test_no_new_start_without_glibc(pages, monkeypatch):
    pages("madvise")
    monkeypatch.setattr(environment.platform, "libc_ver", lambda: ("", ""))
    assert environment.with_huge_pages("") is None


def test_malloc_takes_huge_pages():
    tunables = environment.with_huge_pages("")
    if tunables is None:
        pytest.skip("this system does not leave huge pages to the process")

    def huge(tunables):
        variables = {"GLIBC_TUNABLES": tunables}
        done = subprocess.run(
            [sys.executable, "-c", PROBE], env=variables, capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert huge("") < 8_000
    assert huge(tunables) > 48_000


def test_a_launch_script_begins_anew_and_an_importer_does_not(tmp_path):
    if environment.with_huge_pages("") is None:
        pytest.skip("this system does not leave huge pages to the process")
    shutil.copytree(pathlib.Path(environment.__file__).parent, tmp_path / "launch")
    shown = (
        "from launch import environment\nimport os, sys\n"
        "print(os.environ.get('GLIBC_TUNABLES'), sys.argv[1:])"
    )
    for place in (tmp_path, tmp_path / "launch"):
        (place / "probe.py").write_text(shown)
    variables = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}

    def run(module):
        return subprocess.run(
            [sys.executable, "-m", module, "--a=b c"],
            env=variables | {"PYTHONPATH": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert run("probe") == "None ['--a=b c']\n"
    assert run("launch.probe") == "glibc.malloc.hugetlb=1 ['--a=b c']\n"


def test_what_the_user_has_set_stays(monkeypatch):
    chosen = {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=3",
        "JAX_COMPILATION_CACHE_DIR": "elsewhere",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "2",
        "TF_CPP_MIN_LOG_LEVEL": "0",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=0",
    }
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    environment.prepare()
    assert {name: os.environ[name] for name in chosen} == chosen


def test_flags_of_the_user_are_added_to(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "2")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda _: range(6))
    environment.prepare()
    flags = os.environ["XLA_FLAGS"].split()
    assert flags == [
        "--xla_cpu_enable_fast_math=false",
        "--xla_force_host_platform_device_count=4",  # the power of two below the cores
    ]
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == ""
