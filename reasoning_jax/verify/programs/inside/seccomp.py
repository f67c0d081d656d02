"""A seccomp filter, written as BPF by hand: which system calls a program may not make.

Denied are network, tracing, other processes' memory, namespaces and mounts, keys, modules and the
clock, System V memory (it outlives the process), memory files (no limit counts them), metadata of
files (landlock does not guard it), and everything newer than the tables below.
"""

import ctypes
import errno
import os
import struct

from inside import kernel

NEWEST = 450  # of the tables; later system calls do not exist for the program
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

# name: (x86_64, aarch64), from the kernel's unistd headers; None where there is no such call
DENIED = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "inotify_add_watch": (254, 27),
    "vhangup": (153, 58),
    "personality": (135, 92),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "truncate": (76, 45),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
}
_CLONE, _CLONE3, _IOCTL, _FCNTL, _PRLIMIT = (56, 220), (435, 435), (16, 29), (72, 25), (302, 261)
_FORK, _VFORK, _KILL, _TGKILL = (57, None), (58, None), (62, 129), (234, 131)

_NEW_NAMESPACES = 0x7E020000
_CLONE_THREAD = 0x10000
# TIOCSTI and TIOCLINUX type into the terminal; FIOSETOWN and SIOCSPGRP name who gets a signal.
_IOCTLS = (0x5412, 0x541C, 0x8901, 0x8902)
# F_SETOWN, F_SETSIG and F_SETOWN_EX let the kernel send any signal to any process of the user.
_FCNTLS = (8, 10, 15)

# Instructions: load a word of struct seccomp_data, jumps, return.
_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGS = 0, 4, 16
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def supported():
    """Whether the tables know this machine."""
    return os.uname().machine in _ARCHITECTURES


def install(alone_pid=None):
    """Filters the system calls of this process and all it starts; needs no_new_privs.

    Args:
      alone_pid: own process id where processes of the same user stand outside the sandbox: then
        no further process may be started, and signals go to itself only. None where a namespace
        or a user of its own keeps it apart.
    """
    code = _program(os.uname().machine, alone_pid)
    body = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(body))
    )
    kernel.prctl(kernel.SET_SECCOMP, 2, ctypes.addressof(header))


def _program(machine, alone_pid):
    column, architecture = _ARCHITECTURES[machine]
    deny = _step(_RETURN, _ERRNO | errno.EPERM)
    unknown = _step(_RETURN, _ERRNO | errno.ENOSYS)
    allow = _step(_RETURN, _ALLOW)
    code = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, architecture, 1, 0),
        _step(_RETURN, _KILL_PROCESS),
        _step(_LOAD, _NUMBER),
        # Above stand newer calls and the whole x32 table.
        _step(_GREATER, NEWEST, 0, 1),
        unknown,
    ]

    def rule(numbers, *steps):
        if numbers[column] is not None:
            code.append(_step(_EQUAL, numbers[column], 0, len(steps)))
            code.extend(steps)

    for numbers in DENIED.values():
        rule(numbers, deny)
    # The C library falls back on clone, whose flags a filter can read.
    rule(_CLONE3, unknown)
    flags = (_step(_LOAD, _ARGS), _step(_ANY_BIT, _NEW_NAMESPACES, 0, 1), deny)
    for numbers, commands in ((_IOCTL, _IOCTLS), (_FCNTL, _FCNTLS)):
        listed = (
            _step(_EQUAL, command, len(commands) - place, 0)
            for place, command in enumerate(commands)
        )
        rule(numbers, _step(_LOAD, _ARGS + 8), *listed, allow, deny)
    rule(_PRLIMIT, _step(_LOAD, _ARGS), _step(_EQUAL, 0, 1, 0), deny, allow)
    if alone_pid is None:
        rule(_CLONE, *flags, allow)
    else:
        busy = _step(_RETURN, _ERRNO | errno.EAGAIN)
        rule(_CLONE, *flags, _step(_ANY_BIT, _CLONE_THREAD, 1, 0), busy, allow)
        for numbers in (_FORK, _VFORK):
            rule(numbers, busy)
        for numbers in (_KILL, _TGKILL):
            rule(numbers, _step(_LOAD, _ARGS), _step(_EQUAL, alone_pid, 1, 0), deny, allow)
    return b"".join([*code, allow])


def _step(code, value, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, value)
