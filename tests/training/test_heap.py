"""The collector passes over what was set aside, and over nothing once the loop has ended."""

import gc
import os
import platform
import subprocess
import sys
import weakref

import pytest

from reasoning_jax.training.heap import small_heap

# Resident MB after 256 MB were had and freed, and after they were given back.
PROBE = """
import ctypes, re
from reasoning_jax.training.heap import give_back
def resident():
    return int(re.search(r"VmRSS:\\s+([0-9]+)", open("/proc/self/status").read())[1]) // 1000
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
block = libc.malloc(256 << 20)
ctypes.memset(block, 1, 256 << 20)
libc.free(block)
before = resident()
give_back()
print(before, resident())
"""


class Node:
    """May refer to itself, and then only the collector frees it."""

    def __init__(self, cyclic):
        self.itself = self if cyclic else None


def test_what_is_set_aside_is_not_looked_through_until_the_end():
    before = gc.get_freeze_count()
    garbage = weakref.ref(Node(cyclic=True))
    with small_heap() as set_aside:
        set_aside()
        assert garbage() is None  # gone before the rest was set aside
        assert gc.get_freeze_count() > before + 1000
        kept = Node(cyclic=True)
        later = weakref.ref(kept)
        set_aside()
        del kept
        gc.collect()
        assert later() is not None
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert later() is None


def test_objects_go_as_soon_as_nothing_refers_to_them():
    with small_heap() as set_aside:
        node = Node(cyclic=False)
        alive = weakref.ref(node)
        set_aside()
        del node
        assert alive() is None


def test_the_collector_sees_everything_after_a_loop_that_failed():
    with pytest.raises(RuntimeError), small_heap() as set_aside:
        set_aside()
        raise RuntimeError
    assert gc.get_freeze_count() == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this system has another malloc")
def test_memory_that_malloc_keeps_is_given_back():
    limits = ("mmap_threshold", "trim_threshold")
    tunables = ":".join(f"glibc.malloc.{name}={1 << 40}" for name in limits)
    variables = {**os.environ, "GLIBC_TUNABLES": tunables}
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=variables, capture_output=True, text=True, check=True
    )
    before, after = map(int, done.stdout.split())
    assert before > 256 and after < before - 200
