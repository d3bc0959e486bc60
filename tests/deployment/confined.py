"""Starts a program under the system call filter of a systemd unit, by libseccomp, as systemd itself does.

For the tests of the units on machines whose first process is no systemd. Rights are given up before (setpriv); what is
left to do here: SystemCallFilter, RestrictAddressFamilies and MemoryDenyWriteExecute. Stands alone: it runs as a user
who may see little. Sources: systemd.exec(5), seccomp_rule_add(3).
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import sys

ALLOW = 0x7FFF0000
ERRNO = 0x00050000
NOT_EQUAL, MASKED_EQUAL = 1, 7
PROT_WRITE, PROT_EXEC = 2, 4


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("one", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    )


def main() -> None:
    """Read the confinement as JSON from the first argument, take it on, and become the program that follows."""
    wanted = json.loads(sys.argv[1])
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    # The one that leaves little comes last: it may not let through what loads another.
    filters = [_families(library, wanted["families"]), _memory(library), _calls(library, wanted["calls"])]
    for each in filters:
        _check(library.seccomp_load(ctypes.c_void_p(each)), "seccomp_load")
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 -- what it starts is what it was given


def _calls(library: ctypes.CDLL, names: list[str]) -> int:
    """Return a filter that lets these system calls through and answers all others with EPERM."""
    made = library.seccomp_init(ctypes.c_uint32(ERRNO | errno.EPERM))
    for name in names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # others are of other machines
            _rule(library, made, action=ALLOW, number=number)
    return int(made)


def _families(library: ctypes.CDLL, names: list[str]) -> int:
    """Return a filter that lets sockets of these families through."""
    made = library.seccomp_init(ctypes.c_uint32(ALLOW))
    number = library.seccomp_syscall_resolve_name(b"socket")
    allowed = sorted(getattr(socket, name) for name in names)
    for family in set(range(64)) - set(allowed):
        compared = _Comparison(argument=0, how=MASKED_EQUAL, one=0xFFFFFFFF, other=family)
        _rule(library, made, action=ERRNO | errno.EAFNOSUPPORT, number=number, compared=compared)
    return int(made)


def _memory(library: ctypes.CDLL) -> int:
    """Return a filter that lets no memory be written and run."""
    made = library.seccomp_init(ctypes.c_uint32(ALLOW))
    for name, bits in ((b"mmap", PROT_EXEC | PROT_WRITE), (b"mprotect", PROT_EXEC), (b"pkey_mprotect", PROT_EXEC)):
        number = library.seccomp_syscall_resolve_name(name)
        compared = _Comparison(argument=2, how=MASKED_EQUAL, one=bits, other=bits)
        _rule(library, made, action=ERRNO | errno.EPERM, number=number, compared=compared)
    return int(made)


def _rule(library: ctypes.CDLL, made: int, *, action: int, number: int, compared: _Comparison | None = None) -> None:
    count = 0 if compared is None else 1
    array = (_Comparison * 1)(compared or _Comparison())
    code = library.seccomp_rule_add_array(ctypes.c_void_p(made), ctypes.c_uint32(action), number, count, array)
    _check(code, "seccomp_rule_add_array")


def _check(code: int, what: str) -> None:
    if code != 0:
        raise OSError(-code, f"{what}: {os.strerror(-code)}")


if __name__ == "__main__":
    main()
