"""Linux calls that the standard library does not offer, by ctypes."""

import ctypes
import os

SET_KEEPCAPS, SET_DUMPABLE, SET_SECCOMP, SET_NO_NEW_PRIVS = 8, 4, 22, 38
SET_CHILD_SUBREAPER = 36
DAC_READ_SEARCH = 2  # capability number

_libc = ctypes.CDLL(None, use_errno=True)
_CAPSET = {"x86_64": 126, "aarch64": 91}


def syscall(number, *args):
    """The result of a system call; OSError when it fails."""
    result = _libc.syscall(ctypes.c_long(number), *map(_long, args))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"system call {number}: {os.strerror(code)}")
    return result


def prctl(option, value, pointer=0):
    """One prctl; OSError when it fails."""
    if _libc.prctl(option, ctypes.c_ulong(value), _long(pointer), _long(0), _long(0)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")


def keep_only(capability):
    """Drops every capability of this process but one; None drops all."""
    bits = 0 if capability is None else 1 << capability
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    # effective, permitted, inheritable of capabilities 0 to 31, then of 32 to 63
    sets = (ctypes.c_uint32 * 6)(bits, bits, 0, 0, 0, 0)
    syscall(_CAPSET[os.uname().machine], ctypes.addressof(header), ctypes.addressof(sets))


def _long(value):
    return ctypes.c_ulong(value & 0xFFFFFFFFFFFFFFFF)
