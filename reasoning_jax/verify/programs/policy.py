"""How each isolation level starts a sandbox: the command line, and what the zygote is told."""

import dataclasses
import json
import os
import pathlib
import pwd
import random
import shutil
import sys
import tempfile
from typing import Any

from reasoning_jax.verify.programs.errors import IsolationError

LEVELS = ("bubblewrap", "landlock", "rlimits")  # strongest first

FOLDER_BYTES = 256 << 20  # of a private folder in memory, whatever `Limits` says
PRELOAD = (
    *("bisect", "collections", "copy", "datetime", "decimal", "fractions", "functools", "heapq"),
    *("itertools", "json", "math", "operator", "random", "re", "statistics", "string", "typing"),
)

_INSIDE = pathlib.Path(__file__).parent / "inside"
_START = "import sys; sys.path.insert(0, {!r}); from inside import zygote; sys.path.pop(0); \
zygote.main()"
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",  # so that a verdict does not depend on the order of a set
    "PYTHONDONTWRITEBYTECODE": "1",
    # Threads count as processes, and each takes address space.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
# What a zygote of root needs to run programs as another user and to clean up after them.
_CAPABILITIES = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
}


@dataclasses.dataclass(frozen=True)
class Start:
    """What starts a sandbox: arguments, environment, and its folder outside, if it has one."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    folder: str | None


def plan(level: str, control: int) -> Start:
    """The start of a sandbox.

    Args:
      level: one of `LEVELS`.
      control: the descriptor by which the zygote is spoken to.

    Raises:
      IsolationError: where the level's means are missing.
    """
    if level == "bubblewrap":
        return _bubblewrap(control)
    root = _privileged()
    folder = tempfile.mkdtemp(prefix="program-")
    closed = not all(map(_open_to_all, (sys.base_prefix, *packages(), os.path.dirname(folder))))
    confined = level == "landlock"
    # Without landlock, a user that must be let past permissions could read everything.
    uid = _private_uid() if root and (confined or not closed) else None
    policy = {
        "control": control,
        "folder": folder,
        "uid": uid,
        "keep_read": closed,
        "landlock": [*_readable(), str(_INSIDE)] if confined else None,
        "seccomp": confined,
        "alone": uid is None,
        "namespace": False,
    }
    environment = _ENVIRONMENT | {"HOME": folder, "TMPDIR": folder}
    return Start(_python(policy, str(_INSIDE.parent)), environment, folder)


def packages() -> list[str]:
    """The folders of installed packages that programs may import from."""
    return [p for p in sys.path if p.endswith(("site-packages", "dist-packages"))]


def _bubblewrap(control: int) -> Start:
    command = shutil.which("bwrap")
    if command is None:
        raise IsolationError("bwrap is not installed (Debian and Ubuntu: apt install bubblewrap)")
    root, folder = _privileged(), _private_folder()
    policy = {
        "control": control,
        "folder": folder,
        "uid": _private_uid() if root else None,
        "keep_read": False,
        "landlock": None,
        "seccomp": True,
        "alone": False,
        "namespace": True,
    }
    unshared = ("ipc", "pid", "net", "uts", "cgroup-try") + (() if root else ("user",))
    capabilities = _CAPABILITIES if root else ()
    argv = [command, *(f"--unshare-{name}" for name in unshared), "--as-pid-1", "--clearenv"]
    for name, value in (_ENVIRONMENT | {"HOME": folder, "TMPDIR": folder}).items():
        argv += ["--setenv", name, value]
    argv += ["--cap-drop", "ALL"]
    for capability in capabilities:
        argv += ["--cap-add", f"CAP_{capability}"]
    for path in _readable():
        argv += _visible(path, path)
    argv += [*_visible(str(_INSIDE), "/sandbox/inside"), "--proc", "/proc", "--dev", "/dev"]
    argv += ["--remount-ro", "/dev", "--size", str(FOLDER_BYTES), "--tmpfs", folder]
    argv += ["--remount-ro", "/", "--chdir", folder, "--", *_python(policy, "/sandbox")]
    return Start(tuple(argv), {}, None)


def _private_folder() -> str:
    """Where a bubblewrap sandbox has its folder: over /tmp, unless that would hide packages."""
    hidden = any(pathlib.PurePath(path).is_relative_to("/tmp") for path in _readable())
    return "/private" if hidden else "/tmp"


def _visible(source: str, path: str) -> list[str]:
    if os.path.islink(source):
        return ["--symlink", os.readlink(source), path]
    above = reversed(pathlib.PurePath(path).parents)
    # Folders that bubblewrap makes on the way would be closed to other users.
    made = [part for p in above if p.name for part in ("--perms", "0755", "--dir", str(p))]
    return [*made, "--ro-bind", source, path]


def _python(policy: dict[str, Any], code: str) -> tuple[str, ...]:
    policy = policy | {"packages": packages(), "preload": PRELOAD}
    interpreter = os.path.realpath(sys.executable)
    return (interpreter, "-s", "-S", "-P", "-B", "-c", _START.format(code), json.dumps(policy))


def _readable() -> list[str]:
    """The interpreter, its packages and the system's libraries; nothing of the user's."""
    system = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
    return [*filter(os.path.lexists, system), sys.base_prefix, *packages()]


def _open_to_all(path: str) -> bool:
    """Whether any user may read a folder: others may search all that leads to it."""
    resolved = pathlib.Path(path).resolve()
    return all(p.stat().st_mode & 0o001 for p in (resolved, *resolved.parents)) and bool(
        resolved.stat().st_mode & 0o004
    )


def _privileged() -> bool:
    """Whether this process is root in more than name: containers may drop its capabilities."""
    status = pathlib.Path("/proc/self/status").read_text()
    held = int(status.partition("CapEff:")[2].split()[0], 16)
    return os.geteuid() == 0 and all(held >> bit & 1 for bit in _CAPABILITIES.values())


def _private_uid() -> int:
    """A user that nobody else is: high among those that exist in this user namespace."""
    ranges = [line.split() for line in pathlib.Path("/proc/self/uid_map").read_text().splitlines()]
    first, _, count = max((tuple(map(int, r)) for r in ranges), key=lambda r: r[2])
    used = {entry.pw_uid for entry in pwd.getpwall()}
    low, high = first + count // 4, first + count // 2
    while (uid := random.SystemRandom().randrange(low, high)) in used:
        pass
    return uid
