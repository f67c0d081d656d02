"""The filter, run by a small interpreter of its instructions: also for the other architecture."""

import errno
import pathlib
import struct

import pytest

from reasoning_jax.verify.programs import policy

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
ALLOW, KILL = 0x7FFF0000, 0x80000000
# name: (x86_64, aarch64), as the kernel's headers have them
HARMLESS = {"read": (0, 63), "write": (1, 64), "mmap": (9, 222), "exit_group": (231, 94)}
HARMLESS |= {"openat": (257, 56), "futex": (202, 98), "execve": (59, 221), "socketpair": (53, 199)}
CLONE, CLONE3, IOCTL, FCNTL = (56, 220), (435, 435), (16, 29), (72, 25)
PRLIMIT, KILL_CALL = (302, 261), (62, 129)


@pytest.fixture
def seccomp(monkeypatch):
    monkeypatch.syspath_prepend(str(pathlib.Path(policy.__file__).parent))
    import inside.seccomp

    return inside.seccomp


@pytest.fixture(params=ARCHITECTURES)
def machine(request):
    return request.param


def _decide(program: bytes, architecture: int, number: int, *args: int) -> int:
    """What the filter answers to one system call."""
    padded = (*args, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=IIQ6Q", number, architecture, 0, *padded)
    steps = list(struct.iter_unpack("HBBI", program))
    value, position = 0, 0
    while True:
        code, if_true, if_false, constant = steps[position]
        position += 1
        if code == 0x06:
            return constant
        if code == 0x20:
            (value,) = struct.unpack_from("=I", data, constant)
            continue
        holds = {0x15: value == constant, 0x25: value > constant, 0x45: bool(value & constant)}
        position += if_true if holds[code] else if_false


def _filter(seccomp, machine, alone=None):
    column, architecture = ARCHITECTURES[machine]
    program = seccomp._program(machine, alone)
    assert len(program) // 8 < 4096  # the kernel's limit

    def decide(numbers, *args):
        return _decide(program, architecture, numbers[column], *args)

    return decide


def _refused(code):
    return 0x00050000 | code


def test_what_programs_need_is_allowed(seccomp, machine):
    decide = _filter(seccomp, machine)
    assert {decide(numbers) for numbers in HARMLESS.values()} == {ALLOW}
    assert decide(CLONE, 17) == ALLOW  # fork: only SIGCHLD
    assert decide(IOCTL, 1, 0x5401) == ALLOW  # TCGETS
    assert decide(FCNTL, 3, 4) == ALLOW  # F_SETFL
    assert decide(PRLIMIT, 0) == ALLOW
    assert decide(KILL_CALL, 1234, 9) == ALLOW


def test_what_is_listed_is_refused(seccomp, machine):
    decide = _filter(seccomp, machine)
    column = ARCHITECTURES[machine][0]
    answers = {decide(n) for n in seccomp.DENIED.values() if n[column] is not None}
    assert answers == {_refused(errno.EPERM)}


def test_calls_are_refused_by_their_arguments(seccomp, machine):
    decide = _filter(seccomp, machine)
    for namespace in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000):
        assert decide(CLONE, namespace | 17) == _refused(errno.EPERM)
    assert decide(CLONE, 0x40000000) == _refused(errno.EPERM)
    assert decide(CLONE3) == _refused(errno.ENOSYS)
    for command in (0x5412, 0x541C, 0x8901, 0x8902):
        assert decide(IOCTL, 0, command) == _refused(errno.EPERM)
    for command in (8, 10, 15):
        assert decide(FCNTL, 3, command) == _refused(errno.EPERM)
    assert decide(PRLIMIT, 1234) == _refused(errno.EPERM)


def test_what_is_newer_or_foreign_does_not_exist(seccomp, machine):
    decide = _filter(seccomp, machine)
    assert decide((451, 451)) == _refused(errno.ENOSYS)
    assert decide((0x40000000, 0x40000000)) == _refused(errno.ENOSYS)  # the x32 table
    program = seccomp._program(machine, None)
    assert _decide(program, 0x40000003, 1) == KILL  # 32-bit calls have other numbers


def test_alone_there_are_threads_but_no_processes(seccomp, machine):
    decide = _filter(seccomp, machine, alone=77)
    assert decide(CLONE, 0x10000 | 0x100) == ALLOW
    assert decide(CLONE, 17) == _refused(errno.EAGAIN)
    assert decide(KILL_CALL, 77, 15) == ALLOW
    assert decide(KILL_CALL, 78, 15) == _refused(errno.EPERM)
    assert decide(KILL_CALL, 0xFFFFFFFF, 9) == _refused(errno.EPERM)
