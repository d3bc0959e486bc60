"""Takes away, for good, the system calls that nothing which watches a network needs. Linux on x86-64 and ARM64 only.

No program can be started afterwards, no other process looked into, nothing mounted or loaded into the kernel, and no
further packet socket opened: whoever makes a dissector run code of theirs has the sockets and files of this process and
nothing else. A forbidden call is answered with EPERM; one in the way of another machine ends the process. The filter is
classic BPF, made here; the kernel is then asked, for every thread, whether it holds.
Sources: seccomp(2), linux/filter.h, linux/seccomp.h, linux/audit.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector.seccomp_calls import FORBIDDEN, MACHINES

if TYPE_CHECKING:
    from collector.seccomp_calls import Machine

# linux/prctl.h, linux/seccomp.h
PR_SET_NO_NEW_PRIVS: Final = 38
SECCOMP_SET_MODE_FILTER: Final = 1
SECCOMP_FILTER_FLAG_TSYNC: Final = 1
MODE_FILTER: Final = 2
ALLOW: Final = 0x7FFF0000
KILL_PROCESS: Final = 0x80000000
ERRNO: Final = 0x00050000

# linux/bpf_common.h, as far as it is used here.
LOAD_WORD: Final = 0x20
AND: Final = 0x54
JUMP_EQUAL: Final = 0x15
JUMP_AT_LEAST: Final = 0x35
JUMP_ANY_BIT: Final = 0x45
RETURN: Final = 0x06

# struct seccomp_data: nr, arch, instruction_pointer, args. The low half of an argument comes first on both machines.
NUMBER_AT: Final = 0
MACHINE_AT: Final = 4
FIRST_ARGUMENT_AT: Final = 16
SECOND_ARGUMENT_AT: Final = 24

# linux/sched.h. Threads share everything; whatever shares less is a process.
CLONE_THREAD: Final = 0x00010000
CLONE_NAMESPACES: Final = 0x7E020000
# sys/socket.h. Routes and interfaces are asked for by netlink; all else that is raw reads or forges what is not ours.
AF_NETLINK: Final = 16
FAMILIES: Final = (1, 2, 10)
TYPE_BITS: Final = 0xF
SOCK_RAW: Final = 3
SOCK_PACKET: Final = 10

_TASKS: Final = Path("/proc/self/task")
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class SystemCallError(RuntimeError):
    """System calls could not be taken away, so the program must not go on; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction of classic BPF."""

    code: int
    """What it does."""
    if_true: int = 0
    """Instructions to leave out where a comparison holds."""
    if_false: int = 0
    """The same where it does not."""
    value: int = 0
    """Operand, 32 bits."""


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter)))


def take_system_calls_away() -> None:
    """Forbid the calls for every thread of this process and whatever it starts, for good.

    Raises:
        SystemCallError: the machine or the kernel cannot do it, or a thread is left out. The program must end.
    """
    machine = MACHINES.get(platform.machine())
    if machine is None:
        raise SystemCallError(f"there is no filter of system calls for a {platform.machine()} machine")
    instructions = program(machine)
    array = (_Filter * len(instructions))(
        *(_Filter(code=each.code, jt=each.if_true, jf=each.if_false, k=each.value) for each in instructions)
    )
    if _LIBC.prctl(PR_SET_NO_NEW_PRIVS, *(ctypes.c_ulong(value) for value in (1, 0, 0, 0))) != 0:
        raise SystemCallError(f"prctl: {os.strerror(ctypes.get_errno())}")
    words = _Program(length=len(instructions), filter=array)
    done = _LIBC.syscall(
        ctypes.c_long(machine.seccomp),
        ctypes.c_ulong(SECCOMP_SET_MODE_FILTER),
        ctypes.c_ulong(SECCOMP_FILTER_FLAG_TSYNC),
        ctypes.byref(words),
    )
    if done > 0:
        raise SystemCallError(f"thread {done} has a filter of its own; take system calls away before it does")
    if done != 0:
        raise SystemCallError(f"seccomp: {os.strerror(ctypes.get_errno())}; Linux 3.17 or later is needed")
    left_out = [task.name for task in sorted(_TASKS.iterdir()) if filter_mode(_status(task)) != MODE_FILTER]
    if left_out:
        raise SystemCallError(f"the kernel filters nothing of thread {left_out[0]}")


def filter_mode(status: str) -> int:
    """Return what the text of a /proc/PID/status says of system calls: 0 all allowed, 1 strict, 2 filtered.

    Raises:
        SystemCallError: it says nothing.

    Source: proc_pid_status(5).
    """
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "Seccomp":
            return int(value)
    raise SystemCallError("this kernel does not tell whether system calls are filtered")


def program(machine: Machine) -> list[Instruction]:
    """Return the filter for *machine*."""
    refuse = Instruction(code=RETURN, value=ERRNO | errno.EPERM)
    made = [
        Instruction(code=LOAD_WORD, value=MACHINE_AT),
        # Another way in counts its calls otherwise: what the numbers below mean would not hold.
        *_unless_equal(machine.audit, Instruction(code=RETURN, value=KILL_PROCESS)),
        Instruction(code=LOAD_WORD, value=NUMBER_AT),
    ]
    if machine.other_calls_from is not None:
        made += [Instruction(code=JUMP_AT_LEAST, if_false=1, value=machine.other_calls_from), refuse]
    for name in FORBIDDEN:
        if name in machine.numbers:
            made += [Instruction(code=JUMP_EQUAL, if_false=1, value=machine.numbers[name]), refuse]
    # Its flags lie in memory, where a filter cannot look. Without it the C library takes clone.
    unknown = Instruction(code=RETURN, value=ERRNO | errno.ENOSYS)
    made += [Instruction(code=JUMP_EQUAL, if_false=1, value=machine.clone3), unknown]
    for number, rest in ((machine.clone, _threads_alone(refuse)), (machine.socket, _plain_sockets(refuse))):
        made += [Instruction(code=JUMP_EQUAL, if_false=len(rest), value=number), *rest]
    return [*made, Instruction(code=RETURN, value=ALLOW)]


def _unless_equal(value: int, then: Instruction) -> list[Instruction]:
    return [Instruction(code=JUMP_EQUAL, if_true=1, value=value), then]


def _threads_alone(refuse: Instruction) -> list[Instruction]:
    return [
        Instruction(code=LOAD_WORD, value=FIRST_ARGUMENT_AT),
        Instruction(code=JUMP_ANY_BIT, if_true=1, value=CLONE_NAMESPACES),
        Instruction(code=JUMP_ANY_BIT, if_true=1, value=CLONE_THREAD),
        refuse,
        Instruction(code=RETURN, value=ALLOW),
    ]


def _plain_sockets(refuse: Instruction) -> list[Instruction]:
    allow = Instruction(code=RETURN, value=ALLOW)
    kinds = [
        Instruction(code=LOAD_WORD, value=SECOND_ARGUMENT_AT),
        Instruction(code=AND, value=TYPE_BITS),
        Instruction(code=JUMP_EQUAL, if_true=2, value=SOCK_RAW),
        Instruction(code=JUMP_EQUAL, if_true=1, value=SOCK_PACKET),
        allow,
        refuse,
    ]
    families = [Instruction(code=LOAD_WORD, value=FIRST_ARGUMENT_AT)]
    families += [Instruction(code=JUMP_EQUAL, if_false=1, value=AF_NETLINK), allow]
    for left, family in reversed(list(enumerate(FAMILIES))):
        # Over the families that follow and the refusal, to what is asked of the kind.
        families.append(Instruction(code=JUMP_EQUAL, if_true=left + 1, value=family))
    return [*families, refuse, *kinds]


def _status(task: Path) -> str:
    try:
        return (task / "status").read_text(encoding="utf-8")
    except OSError as error:
        raise SystemCallError(f"{task}/status does not tell what is filtered ({error}); mount /proc") from None
