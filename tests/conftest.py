"""Eight host devices for every test, a finished run, and data from outside the repository."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import job

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = " ".join(
    (
        os.environ.get("XLA_FLAGS", ""),
        "--xla_force_host_platform_device_count=8",
        job.QUICK_TO_COMPILE,
    )
)

import gc
import json
import shutil
import tempfile

import jax
import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


# Linux allows a process 65,530 memory mappings, of which each compiled program takes several.
MAPPINGS = pathlib.Path("/proc/self/maps")
MOST_MAPPINGS = 20_000


@pytest.fixture(autouse=True, scope="module")
def few_mappings():
    """Drops the compiled programs of the modules before when there are too many."""
    yield
    if MAPPINGS.exists() and MAPPINGS.read_text().count("\n") > MOST_MAPPINGS:
        jax.clear_caches()
        gc.collect()


def pytest_configure(config):
    """Jobs of all tests and workers share what they compile: many run the same programs."""
    if not hasattr(config, "workerinput"):
        os.environ["REASONING_JAX_TEST_CACHE"] = tempfile.mkdtemp(prefix="reasoning_jax_compiled_")


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["REASONING_JAX_TEST_CACHE"], ignore_errors=True)


def _outside(variable: str, default: str) -> pathlib.Path:
    return pathlib.Path(os.environ.get(variable, REPOSITORY.parent / "shared" / default))


@pytest.fixture
def cases():
    """cases(name) reads one file of worked numbers; skips where the folder is absent.

    The folder is $REASONING_JAX_CASES, else ../shared/cases beside the checkout.
    """

    def read(name: str) -> dict:
        path = _outside("REASONING_JAX_CASES", "cases") / f"{name}.json"
        if not path.exists():
            pytest.skip(f"no worked cases at {path}; set REASONING_JAX_CASES")
        return json.loads(path.read_text())

    return read


@pytest.fixture
def data_folder():
    """data_folder(name) is a benchmark folder in its official format; skips where absent.

    The folder is under $REASONING_JAX_DATA, else ../shared/data beside the checkout.
    """

    def find(name: str) -> pathlib.Path:
        path = _outside("REASONING_JAX_DATA", "data") / name
        if not path.exists():
            pytest.skip(f"no data at {path}; set REASONING_JAX_DATA")
        return path

    return find


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> pathlib.Path:
    """The workdir of a tiny run on one device, never interrupted."""
    workdir = tmp_path_factory.mktemp("jobs") / "reference"
    job.finish(job.start(workdir))
    return workdir
