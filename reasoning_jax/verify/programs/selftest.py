"""Tries to break out of a sandbox of some level, and says what succeeded."""

import json
import os
import pathlib
import socket
import tempfile
import time

from reasoning_jax.verify.programs import warm
from reasoning_jax.verify.programs.limits import Limits
from reasoning_jax.verify.programs.line import Capture, collect
from reasoning_jax.verify.programs.sandbox import SandboxLost, memory_file

LIMITS = Limits(cpu_seconds=20, wall_seconds=60, memory_bytes=256 << 20, processes=6)
# What limits alone promise; the other levels promise everything.
BY_LIMITS = ("memory grows beyond its limit", "files grow beyond their limit")

# Runs inside; reads what to attack from stdin and prints the attacks that succeeded.
_ATTACKS = r"""
import ctypes, json, os, signal, socket, sys, time
goal = json.loads(sys.stdin.read())
broken = []

def attack(name, attempt):
    try:
        if attempt() is not False:
            broken.append(name)
    except (OSError, MemoryError, ImportError, AttributeError):
        pass

def connect():
    with socket.create_connection(("127.0.0.1", goal["port"]), timeout=2):
        pass

def listen():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))

def write(path):
    with open(path, "w") as file:
        file.write("x")

def memory():
    return len(bytearray(goal["memory"])) > 0

def large_file():
    with open("large", "wb") as file:
        for _ in range(goal["file"] // (1 << 20) + 1):
            file.write(bytes(1 << 20))

def fork():
    children = []
    try:
        for _ in range(goal["processes"] + 8):
            pid = os.fork()
            if pid == 0:
                time.sleep(60)
                os._exit(0)
            children.append(pid)
        return True
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

def peek():
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(8)
    vectors = (ctypes.c_size_t * 4)(ctypes.addressof(buffer), 8, goal["address"], 8)
    base = ctypes.addressof(vectors)
    number = {"x86_64": 310, "aarch64": 270}[os.uname().machine]
    far = ctypes.c_void_p(base + 16)
    return libc.syscall(number, goal["pid"], ctypes.c_void_p(base), 1, far, 1, 0) > 0

def unshare():
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.unshare(0x10000000) == 0

def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    return False

attack("the network is reachable", connect)
attack("sockets may be opened", listen)
attack("a secret file is readable", lambda: open(goal["secret"]).read())
attack("files outside are listed", lambda: os.listdir(goal["folder"]))
for path in (goal["target"], "/usr/escape", "/dev/shm/escape", "/escape", "/var/tmp/escape"):
    attack("files outside are written", lambda: write(path))
attack("other processes are signalled", lambda: os.kill(goal["pid"], 0))
attack("the environment of others is readable", lambda: open(f"/proc/{goal['pid']}/environ").read())
attack("memory of others is readable", peek)
attack("namespaces may be made", unshare)
attack("memory grows beyond its limit", memory)
attack("files grow beyond their limit", large_file)
if goal["forks"]:
    attack("processes are not bounded", fork)
print(json.dumps(sorted(set(broken))), flush=True)
try:
    daemon()
except OSError:
    pass
"""


def self_test(level: str) -> list[str]:
    """What a program at an isolation level can do that the level promises it cannot.

    Raises:
      IsolationError: when a sandbox of the level does not start.
    """
    with (
        tempfile.TemporaryDirectory(prefix="secret-") as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        os.chmod(folder, 0o777)  # so that nothing but the sandbox guards it
        secret = pathlib.Path(folder, "secret")
        secret.write_text("secret")
        secret.chmod(0o666)
        goal = {
            "port": server.getsockname()[1],
            "secret": str(secret),
            "folder": folder,
            "target": str(pathlib.Path(folder, "target")),
            "pid": os.getpid(),
            "address": id(level),
            "memory": 2 * LIMITS.memory_bytes,
            "file": 2 * LIMITS.file_bytes,
            "processes": LIMITS.processes,
            "forks": level != "rlimits",
        }
        try:
            return _attack(level, goal)
        except SandboxLost as error:
            return [str(error)]


def _attack(level: str, goal: dict) -> list[str]:
    deadline = time.monotonic() + LIMITS.wall_seconds
    out, errors = Capture(1 << 16), Capture(1 << 14)
    sandbox = warm.fresh(level)
    try:
        with memory_file(json.dumps(goal).encode()) as stdin:
            fds = (stdin, out.write_end, errors.write_end)
            sandbox.start({"kind": "stdio", "source": _ATTACKS}, LIMITS, fds)
            out.started()
            errors.started()
            end = collect(sandbox, out, errors, deadline)
        # A process left behind would hold the pipe open.
        left = out.take()
    finally:
        warm.give_back(sandbox)
        out.close()
        errors.close()
    try:
        broken = json.loads(out.text())
    except ValueError:
        return [f"the self-test ended with {end}: {errors.text()[-300:]}"]
    if level == "rlimits":
        return [fault for fault in broken if fault in BY_LIMITS]
    return broken + (["processes outlive their program"] if left else [])
