"""Which way a job of several processes is joined; the joining itself is jax's."""

import jax
import pytest

from reasoning_jax import parallel


@pytest.fixture
def joined(monkeypatch):
    """Records the calls of jax.distributed.initialize instead of making them."""
    calls = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *a, **k: calls.append((a, k)))
    monkeypatch.setattr(jax.config, "update", lambda *a: calls.append(a))
    return calls


def test_a_single_process_joins_nothing(joined):
    parallel.start_processes("", 1, 0)
    assert joined == []
    assert parallel.is_main_process()


def test_auto_reads_the_cluster(joined):
    parallel.start_processes("auto", 0, 0)
    assert joined == [((), {})]


def test_an_address_is_joined_with_collectives_between_hosts_on_cpu(joined):
    parallel.start_processes("localhost:1234", 2, 1)
    assert joined == [
        ("jax_cpu_collectives_implementation", "gloo"),
        (("localhost:1234",), {"num_processes": 2, "process_id": 1}),
    ]


@pytest.mark.parametrize("index", [-1, 2])
def test_an_index_outside_the_job_is_refused(joined, index):
    with pytest.raises(ValueError, match=rf"process index {index} is outside 0\.\.1"):
        parallel.start_processes("localhost:1234", 2, index)
    assert joined == []
