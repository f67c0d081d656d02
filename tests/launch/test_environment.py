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
# Page faults of a thread that gets 64 MB, touches and frees them again, after its first time.
AGAIN = """
import ctypes, resource, threading
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
def once():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
thread = threading.Thread(target=lambda: print([once(), once()][1]))
thread.start()
thread.join()
"""
KEPT = ":".join(f"{name}={value}" for name, value in environment.KEEP.items())


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
        ("", f"glibc.malloc.hugetlb=1:{KEPT}"),
        ("glibc.malloc.check=1", f"glibc.malloc.check=1:glibc.malloc.hugetlb=1:{KEPT}"),
        (f"glibc.malloc.hugetlb=0:{KEPT}", None),
    ],
)
def test_huge_pages_unless_the_user_has_decided(pages, before, after):
    pages("madvise")
    assert environment.with_tunables(before) == after


def test_each_tunable_unless_the_user_has_decided(pages):
    pages("madvise")
    before = "glibc.malloc.trim_threshold=0:glibc.malloc.hugetlb=0"
    mapped, _, arenas = KEPT.split(":")
    assert environment.with_tunables(before) == f"{before}:{mapped}:{arenas}"


@pytest.mark.parametrize("choice", ["always", "never", None])
def test_no_huge_pages_where_they_would_change_nothing(pages, choice):
    pages(choice)
    assert environment.with_tunables("") == KEPT
    assert environment.with_tunables(KEPT) is None


def test_no_new_start_without_glibc(pages, monkeypatch):
    pages("madvise")
    monkeypatch.setattr(environment.platform, "libc_ver", lambda: ("", ""))
    assert environment.with_tunables("") is None


def test_malloc_takes_huge_pages():
    tunables = environment.with_tunables("")
    if tunables is None or environment.HUGE not in tunables:
        pytest.skip("this system does not leave huge pages to the process")
    assert _printed(PROBE, "") < 8_000
    assert _printed(PROBE, tunables) > 48_000


def test_malloc_keeps_what_is_freed():
    if environment.with_tunables("") is None:
        pytest.skip("this system has another malloc")
    assert _printed(AGAIN, "") > 16_000  # 4 kB each
    assert _printed(AGAIN, KEPT) < 160


def _printed(program, tunables):
    """The number that a Python program prints under GLIBC_TUNABLES."""
    variables = {"GLIBC_TUNABLES": tunables}
    done = subprocess.run(
        [sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_a_launch_script_begins_anew_and_an_importer_does_not(tmp_path):
    tunables = environment.with_tunables("")
    if tunables is None:
        pytest.skip("this system has another malloc")
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
    assert run("launch.probe") == f"{tunables} ['--a=b c']\n"


def test_what_the_user_has_set_stays(monkeypatch):
    chosen = {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=3",
        "JAX_COMPILATION_CACHE_DIR": "elsewhere",
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
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda _: range(6))
    environment.prepare()
    flags = os.environ["XLA_FLAGS"].split()
    assert flags == [
        "--xla_cpu_enable_fast_math=false",
        "--xla_force_host_platform_device_count=4",  # the power of two below the cores
    ]
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == ""
