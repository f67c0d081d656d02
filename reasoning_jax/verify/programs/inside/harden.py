"""What a freshly forked process gives up before it runs a program."""

import math
import os
import resource

from inside import kernel, landlock, seccomp

FILES = 64  # open at one time
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/dev/full")


def file_rules(policy):
    """What `confine` takes as `rules`, made once per zygote; None without landlock.

    Raises:
      SystemExit: where the kernel lacks what the policy asks for, with the reason.
    """
    if policy["seccomp"] and not seccomp.supported():
        raise SystemExit(f"no table of system calls for {os.uname().machine}")
    if policy["landlock"] is None:
        return None
    if not landlock.version():
        raise SystemExit("this kernel offers no landlock (Linux 5.13 or newer, and switched on)")
    return landlock.ruleset(policy["landlock"], [policy["folder"]], _DEVICES)


def confine(policy, rules, limits):
    """Irrevocably confines this process.

    Args:
      policy: "uid" (to become, or None), "keep_read" (the user may not read the interpreter's
        files by permissions alone), "seccomp" (bool), "alone" (processes of the same user stand
        outside); for `file_rules` also "folder" (private) and "landlock" (readable paths or None).
      rules: of `file_rules`.
      limits: the fields of `Limits`, and "session" (bool).
    """
    uid = policy["uid"]
    # The zygote counts too when it is of the same user.
    _limit(limits, limits["processes"] + (uid is None))
    kernel.prctl(kernel.SET_NO_NEW_PRIVS, 1)
    if rules is not None:
        landlock.restrict(rules)
    if uid is not None:
        _become(uid, policy["keep_read"])
    if policy["seccomp"]:
        seccomp.install(os.getpid() if policy["alone"] else None)


def _limit(limits, processes):
    # A session goes on over many calls; the zygote watches what each of them takes.
    cpu = resource.RLIM_INFINITY if limits["session"] else math.ceil(limits["cpu_seconds"])
    cpu_end = cpu if limits["session"] else cpu + 1
    for name, soft, hard in (
        (resource.RLIMIT_AS, limits["memory_bytes"], limits["memory_bytes"]),
        (resource.RLIMIT_CPU, cpu, cpu_end),
        (resource.RLIMIT_FSIZE, limits["file_bytes"], limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, FILES, FILES),
        (resource.RLIMIT_NPROC, processes, processes),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        _, ceiling = resource.getrlimit(name)
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = _lower(soft, ceiling), _lower(hard, ceiling)
        resource.setrlimit(name, (soft, hard))


def _lower(limit, ceiling):
    return ceiling if limit == resource.RLIM_INFINITY else min(limit, ceiling)


def _become(uid, keep_read):
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    if keep_read:
        kernel.prctl(kernel.SET_KEEPCAPS, 1)
    os.setresuid(uid, uid, uid)
    kernel.keep_only(kernel.DAC_READ_SEARCH if keep_read else None)
