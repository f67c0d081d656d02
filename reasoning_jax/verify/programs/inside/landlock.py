"""Landlock: which folders a process may read and write, without privileges or namespaces."""

import ctypes
import os
import struct

from inside import kernel

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_VERSION = 1  # flag of _CREATE
_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _DEVICE_IOCTL = 1 << 14, 1 << 15
_MAKE_DEVICES = (1 << 6) | (1 << 11)  # character and block devices
_ALL_OF_FIRST = (1 << 13) - 1
_REFER = 1 << 13
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _DEVICE_IOCTL
_ALL_TCP = 3  # bind and connect
_ALL_SCOPES = 3  # abstract unix sockets, signals


def version():
    """The version of the kernel's interface, or 0 where landlock is off."""
    try:
        return kernel.syscall(_CREATE, 0, 0, _VERSION)
    except OSError:
        return 0


def ruleset(readable, writable, devices):
    """A descriptor of rules for `restrict`; made once, for each rule costs a walk of its path.

    Args:
      readable: folders and files to read and execute; missing ones are passed over.
      writable: folders in which everything but making devices is allowed.
      devices: files to read and write.
    """
    abi = version()
    handled = _ALL_OF_FIRST
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _DEVICE_IOCTL)):
        handled |= right if abi >= since else 0
    fields = [handled, _ALL_TCP if abi >= 4 else 0, _ALL_SCOPES if abi >= 6 else 0]
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    attributes = ctypes.create_string_buffer(struct.pack("QQQ", *fields), 24)
    rules = kernel.syscall(_CREATE, ctypes.addressof(attributes), size, 0)
    for path in readable:
        _allow(rules, path, handled & (EXECUTE | READ_FILE | READ_DIR))
    for path in writable:
        _allow(rules, path, handled & ~_MAKE_DEVICES)
    for path in devices:
        _allow(rules, path, handled & (WRITE_FILE | READ_FILE | _TRUNCATE))
    return rules


def restrict(rules):
    """Confines this process and all it starts to a ruleset; needs no_new_privs."""
    kernel.syscall(_RESTRICT, rules, 0)


def _allow(rules, path, rights):
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _OF_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, folder))
        kernel.syscall(_ADD_RULE, rules, _PATH_BENEATH, ctypes.addressof(rule), 0)
    finally:
        os.close(folder)
