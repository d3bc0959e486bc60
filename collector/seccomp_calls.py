"""Which system calls are taken away from what watches a network, and their numbers on each machine. Facts alone.

Sources: the kernel's asm/unistd_64.h (x86-64) and asm-generic/unistd.h (ARM64); linux/audit.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """How one kind of machine counts its calls."""

    audit: int
    """AUDIT_ARCH_*: the way in."""
    other_calls_from: int | None
    """First number of a second set of calls by the same way in (x32). None: there is none."""
    seccomp: int
    clone: int
    clone3: int
    socket: int
    numbers: Mapping[str, int]
    """Number of each forbidden call that this machine has."""


# Since Linux 5.1 new calls have one number everywhere.
_ALIKE: Final[Mapping[str, int]] = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_getfd": 438, "process_madvise": 440,
    "mount_setattr": 442, "quotactl_fd": 443, "process_mrelease": 448,
}  # fmt: skip

_X86_64: Final[Mapping[str, int]] = {
    "fork": 57, "vfork": 58, "execve": 59, "ptrace": 101, "syslog": 103, "uselib": 134, "personality": 135,
    "modify_ldt": 154, "pivot_root": 155, "_sysctl": 156, "adjtimex": 159, "chroot": 161, "acct": 163,
    "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
    "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "create_module": 174, "init_module": 175,
    "delete_module": 176, "quotactl": 179, "nfsservctl": 180, "lookup_dcookie": 212, "clock_settime": 227,
    "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "migrate_pages": 256, "unshare": 272,
    "move_pages": 279, "perf_event_open": 298, "fanotify_init": 300, "name_to_handle_at": 303,
    "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
    "kcmp": 312, "finit_module": 313, "kexec_file_load": 320, "bpf": 321, "execveat": 322, "userfaultfd": 323,
}  # fmt: skip

_ARM64: Final[Mapping[str, int]] = {
    "lookup_dcookie": 18, "umount2": 39, "mount": 40, "pivot_root": 41, "nfsservctl": 42, "chroot": 51,
    "quotactl": 60, "acct": 89, "personality": 92, "unshare": 97, "kexec_load": 104, "init_module": 105,
    "delete_module": 106, "clock_settime": 112, "syslog": 116, "ptrace": 117, "reboot": 142, "sethostname": 161,
    "setdomainname": 162, "settimeofday": 170, "adjtimex": 171, "add_key": 217, "request_key": 218, "keyctl": 219,
    "execve": 221, "swapon": 224, "swapoff": 225, "migrate_pages": 238, "move_pages": 239, "perf_event_open": 241,
    "fanotify_init": 262, "name_to_handle_at": 264, "open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268,
    "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "bpf": 280,
    "execveat": 281, "userfaultfd": 282, "kexec_file_load": 294,
}  # fmt: skip

FORBIDDEN: Final = tuple(sorted({*_X86_64, *_ARM64, *_ALIKE}))
"""Calls that start programs, look into other processes, change the machine, or reach parts of the kernel that have
brought most of its faults and that nothing here uses (io_uring, bpf, userfaultfd, keyrings)."""

MACHINES: Final[Mapping[str, Machine]] = {
    "x86_64": Machine(
        audit=0xC000003E,
        other_calls_from=0x40000000,
        seccomp=317,
        clone=56,
        clone3=435,
        socket=41,
        numbers={**_X86_64, **_ALIKE},
    ),
    "aarch64": Machine(
        audit=0xC00000B7,
        other_calls_from=None,
        seccomp=277,
        clone=220,
        clone3=435,
        socket=198,
        numbers={**_ARM64, **_ALIKE},
    ),
}
"""By the name that uname(2) gives."""
