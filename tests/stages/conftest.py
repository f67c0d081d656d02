"""The job helpers, and one finished tiny run that several tests compare with."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import job


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> pathlib.Path:
    """The workdir of a tiny run on one device, never interrupted."""
    workdir = tmp_path_factory.mktemp("jobs") / "reference"
    job.finish(job.start(workdir))
    return workdir
