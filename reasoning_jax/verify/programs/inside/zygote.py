"""The first process of a sandbox: forks a confined process per program, watches it, cleans up.

It is warm: modules that programs use are imported once. It runs no untrusted code, holds no secret,
and ends, with everything in the sandbox, when the control socket closes.
"""

import array
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys

from inside import folder, harden, jobs, kernel, watch

POLL_SECONDS = 0.02
MESSAGE = 1 << 16
CHANNELS = 5  # stdin, stdout, stderr and two more
CLEAR = 40  # descriptors from here on are free in a zygote, and below the limit of open files


def main():
    """Serves jobs until the control socket closes. One argument: the policy, as JSON."""
    policy = json.loads(sys.argv[1])
    sys.path[:] = [*sys.path, *policy["packages"], ""]
    for name in policy["preload"]:
        importlib.import_module(name)
    control = socket.socket(fileno=policy["control"])
    kernel.prctl(kernel.SET_DUMPABLE, 0)
    kernel.prctl(kernel.SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _own_folder(policy)
    os.chdir(policy["folder"])
    rules = harden.file_rules(policy)
    gc.collect()
    gc.freeze()
    control.send(json.dumps({"ready": True}).encode())
    try:
        while (message := _receive(control)) is not None:
            request, fds = message
            if request["op"] == "start":
                _run(control, policy, rules, request["limits"], fds)
    except ConnectionError:
        pass
    finally:
        _leave(policy)


def _leave(policy):
    folder.empty(policy["folder"])
    if not policy["namespace"]:
        os.rmdir(policy["folder"])


def _own_folder(policy):
    if policy["uid"] is not None:
        os.chown(policy["folder"], policy["uid"], policy["uid"])
    os.chmod(policy["folder"], 0o700)


def _receive(control):
    """(request, file descriptors), or None when the other side has gone."""
    data, extra, _, _ = control.recvmsg(MESSAGE, socket.CMSG_SPACE(16 * 4))
    fds = array.array("i")
    for level, kind, content in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return (json.loads(data), list(fds)) if data else None


def _run(control, policy, rules, limits, fds):
    before = watch.ended_seconds()
    confined, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become_program(policy, rules, limits, fds, tell)
    for fd in (*fds, tell):
        os.close(fd)
    handle = os.pidfd_open(pid)
    try:
        why, gone = _attend(control, policy, limits, pid, handle, before)
        if why:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(handle)
    watch.end_all(policy)
    if not why:
        why = _overfull(policy, limits) if os.read(confined, 1) else "unconfined"
    os.close(confined)
    folder.empty(policy["folder"])
    if gone:
        raise ConnectionError
    code = os.waitstatus_to_exitcode(status)
    cpu = watch.ended_seconds() - before
    control.send(json.dumps({"end": {"code": code, "why": why, "cpu": round(cpu, 4)}}).encode())


def _attend(control, policy, limits, pid, handle, before):
    """Waits for the end of a program: (the bound it broke or "", whether nobody waits for it)."""
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(handle, select.POLLIN)
    spent = 0.0
    while True:
        events = dict(poller.poll(POLL_SECONDS * 1000))
        if control.fileno() in events:
            message = _receive(control)
            if message is None:
                return "lost", True
            request, _ = message
            if request["op"] == "kill":
                return request["why"], False
            if request["op"] == "renew":
                spent = _seconds(policy, pid, before)[0]
        if handle in events:
            return "", False
        if not events:
            cpu, resident = _seconds(policy, pid, before)
            if cpu - spent > limits["cpu_seconds"]:
                return "timeout", False
            if resident > limits["memory_bytes"]:
                return "memory", False
            if why := _overfull(policy, limits):
                return why, False


def _seconds(policy, pid, before):
    cpu, resident = watch.usage(watch.processes(policy, pid))
    return cpu + watch.ended_seconds() - before, resident


def _overfull(policy, limits):
    try:
        folder.check(policy["folder"], limits["file_bytes"])
    except folder.TooMuch:
        return "file_limit"
    return ""


def _become_program(policy, rules, limits, fds, tell):
    """Never returns: this process is the program from here on."""
    try:
        os.setsid()
        harden.confine(policy, rules, limits)
        os.write(tell, b"1")  # before a program could have any say in it
        # Clear of the numbers they shall get.
        fds = [os.dup2(fd, CLEAR + i, inheritable=False) for i, fd in enumerate(fds)]
        for number in range(CHANNELS):
            if number + 1 < len(fds):
                os.dup2(fds[number + 1], number)
        os.closerange(min(len(fds) - 1, CHANNELS), fds[0])
        os.closerange(fds[0] + 1, 4096)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with open(fds[0], "rb") as file:
            job = json.load(file)
        gc.unfreeze()
        jobs.run(job)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(70)
