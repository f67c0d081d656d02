"""The processes of a sandbox as its zygote sees them: what they use, and their end."""

import os
import resource
import signal

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def processes(policy, first):
    """Ids of all processes of the sandbox, the zygote left out.

    Args:
      policy: "namespace" (the zygote is process 1 of its own) and "uid", as for `confine`.
      first: the process that was forked, alone where it may start no others.
    """
    if not policy["namespace"] and policy["uid"] is None:
        return [first]
    found = []
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit() and _belongs(entry, policy):
                found.append(int(entry.name))
    return found


def usage(pids):
    """(CPU seconds, resident bytes) of living processes and those of their ended children."""
    ticks = pages = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                # The name, in parentheses, may hold anything.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
        pages += int(fields[21])
    return ticks / _TICK, pages * _PAGE


def ended_seconds():
    """CPU seconds of all children and orphans this process has ever reaped."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def end_all(policy, first):
    """Kills every process of the sandbox and returns when none is left."""
    if policy["namespace"]:
        _kill(-1)
    elif policy["uid"] is not None:
        _kill_as(policy["uid"])
    else:
        _kill(first)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _belongs(entry, policy):
    if policy["namespace"]:
        return entry.name != "1"
    try:
        return entry.stat().st_uid == policy["uid"]
    except OSError:
        return False


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
