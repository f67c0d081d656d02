"""The processes of a sandbox as its zygote sees them: what they use, and their end."""

import contextlib
import os
import resource
import signal

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def processes(policy, first):
    """Ids of all processes of the sandbox, the zygote left out.

    Args:
      policy: "namespace" (the zygote is process 1 of its own), "uid" and "seccomp", as for
        `harden.confine`.
      first: the process that was forked, alone where it may start no others.
    """
    if policy["namespace"]:
        return [pid for pid in _visible() if pid != 1]
    if policy["uid"] is not None:
        return [pid for pid in _visible() if _owner(pid) == policy["uid"]]
    return [first] if policy["seccomp"] else _descendants(os.getpid())


def usage(pids):
    """(CPU seconds, resident bytes) of living processes and those of their ended children."""
    ticks = pages = 0
    for pid in pids:
        if fields := _fields(pid):
            ticks += sum(map(int, fields[11:15]))
            pages += int(fields[21])
    return ticks / _TICK, pages * _PAGE


def ended_seconds():
    """CPU seconds of all children and orphans this process has ever reaped."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def end_all(policy):
    """Kills every process of the sandbox and returns when none is left.

    The program itself has been waited for: its number may be another's by now.
    """
    if policy["namespace"]:
        _kill(-1)
    elif policy["uid"] is not None:
        _kill_as(policy["uid"])
    elif not policy["seccomp"]:
        _kill_descendants()
    # Orphans become children of the zygote.
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _kill_descendants():
    # Others may be born meanwhile; none that is unwaited for gives its number away.
    while found := _descendants(os.getpid()):
        for pid in found:
            _kill(pid)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)


def _visible():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _owner(pid):
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def _descendants(root):
    parents = {}
    for pid in _visible():
        if fields := _fields(pid):
            parents[pid] = int(fields[1])
    found = [root]
    for parent in found:
        found += [pid for pid, above in parents.items() if above == parent]
    return found[1:]


def _fields(pid):
    """What /proc/PID/stat says, from the state on; [] for a process that has gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name, in parentheses, may hold anything.
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _kill_as(uid):
    # The user is the sandbox's own: one call reaches all its processes at once, and no other.
    if (helper := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            _kill(-1)
        finally:
            os._exit(0)
    os.waitpid(helper, 0)
