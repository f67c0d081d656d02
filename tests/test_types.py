"""The shared types: one class under both names, and none of jax for those who need none."""

import subprocess
import sys

import pytest

from reasoning_jax import rollouts, types


def test_rollouts_is_the_same_class_under_both_names():
    assert types.Rollouts is rollouts.Rollouts
    with pytest.raises(AttributeError, match="no attribute 'Rollout'"):
        _ = types.Rollout


def test_host_types_and_graders_need_no_jax():
    code = "import sys, reasoning_jax.types, reasoning_jax.verify; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
