"""Gives up every right that only opening the tap needed, for good, and makes sure that it is gone. Linux only.

What is done: no_new_privs (no program started later gains rights), an empty bounding set, another user and group, no
supplementary groups, and no capability left. The kernel is then asked what remains, for every thread; a single right
too many is an error, so that nobody watches a network with more rights than reading needs.
Sources: capabilities(7), prctl(2), credentials(7).
"""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

# linux/prctl.h
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

# linux/capability.h
CAPABILITY_VERSION_3 = 0x20080522
CAP_SETPCAP = 8

_SETS = {"CapInh": "inheritable", "CapPrm": "permitted", "CapEff": "effective", "CapAmb": "ambient"}
_TASKS = Path("/proc/self/task")
_LIBC = ctypes.CDLL(None, use_errno=True)


class PrivilegeError(RuntimeError):
    """Rights could not be given up, so the program must not go on; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What the kernel says that a thread may do."""

    users: frozenset[int]
    """Real, effective, saved and file system user id."""
    groups: frozenset[int]
    """Real, effective, saved and file system group id."""
    supplementary: frozenset[int]
    """Further groups."""
    capabilities: frozenset[str]
    """Names of the capability sets that are not empty, but for the bounding set."""
    effective: int
    """The effective set, one bit a capability."""
    bounding: int
    """What programs started later may at most gain, one bit a capability; nothing once `no_new_privs` is set."""
    no_new_privs: bool
    """No program started later has more rights than this one."""


def rights(status: str) -> Rights:
    """Return what the text of a /proc/PID/status says.

    Raises:
        KeyError, ValueError: it is no such text.

    Source: proc_pid_status(5).
    """
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return Rights(
        users=frozenset(map(int, fields["Uid"].split())),
        groups=frozenset(map(int, fields["Gid"].split())),
        supplementary=frozenset(map(int, fields["Groups"].split())),
        capabilities=frozenset(name for field, name in _SETS.items() if int(fields[field], 16)),
        effective=int(fields["CapEff"], 16),
        bounding=int(fields["CapBnd"], 16),
        no_new_privs=int(fields["NoNewPrivs"]) == 1,
    )


def drop_privileges(*, user: str | None = None, group: str | None = None) -> Rights:
    """Give up all rights for good; call it once all sockets are open and before any thread is started.

    Args:
        user: name or number of the user to become; needed when started as root. "root" stays root, without its rights.
        group: name or number of the group; None: the user's own.

    Returns:
        The rights that are left.

    Raises:
        PrivilegeError: they could not be given up, or something was left. The program must end.
    """
    before = _now()
    target = _target(user, group, root=os.geteuid() == 0)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    may_bound = before.effective >> CAP_SETPCAP & 1 == 1
    if may_bound:
        _empty_bounding_set()
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    if target is not None and os.geteuid() == 0:
        try:
            os.setgroups(())
            os.setresgid(target[1], target[1], target[1])
            os.setresuid(target[0], target[0], target[0])
        except OSError as error:
            raise PrivilegeError(
                f"cannot become user {user} ({error.strerror}); start as root, or as that user"
            ) from None
    _empty_capabilities()
    left = _now()
    _verify(target, bounded=may_bound)
    return left


def _target(user: str | None, group: str | None, *, root: bool) -> tuple[int, int] | None:
    """Return the ids of user and group to become; None: stay who we are."""
    if user is None:
        if root:
            raise PrivilegeError("started as root and no user is named to go on as; name one, such as `nobody`")
        if group is not None:
            raise PrivilegeError(f"group {group} is named without a user; name the user as well")
        return None
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        raise PrivilegeError(f"there is no user {user} on this machine; make one, or name another") from None
    try:
        gid = entry.pw_gid if group is None else _group(group)
    except KeyError:
        raise PrivilegeError(f"there is no group {group} on this machine; make one, or name another") from None
    if not root and (entry.pw_uid != os.geteuid() or gid != os.getegid()):
        raise PrivilegeError(f"only root can become user {user}; start as root, or as that user and group")
    return entry.pw_uid, gid


def _group(group: str) -> int:
    return (grp.getgrgid(int(group)) if group.isdecimal() else grp.getgrnam(group)).gr_gid


def _empty_bounding_set() -> None:
    capability = 0
    # The kernel refuses the first number that is no capability.
    while (held := _LIBC.prctl(PR_CAPBSET_READ, *_longs(capability, 0, 0, 0))) >= 0:
        if held:
            _prctl(PR_CAPBSET_DROP, capability)
        capability += 1


def _empty_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)  # version, thread: 0 is the caller
    nothing = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice 32 capabilities
    if _LIBC.capset(header, nothing) != 0:
        raise PrivilegeError(f"capabilities cannot be given up ({os.strerror(ctypes.get_errno())}); start without them")


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, *_longs(value, 0, 0, 0)) != 0:
        fault = os.strerror(ctypes.get_errno())
        raise PrivilegeError(f"rights cannot be given up (prctl {option}: {fault}); Linux 4.3 or later is needed")


def _longs(*values: int) -> tuple[ctypes.c_ulong, ...]:
    """Return arguments as wide as prctl reads them."""
    return tuple(ctypes.c_ulong(value) for value in values)


def _now() -> Rights:
    return _read(Path("/proc/thread-self/status"))


def _read(path: Path) -> Rights:
    try:
        return rights(path.read_text(encoding="utf-8"))
    except (OSError, KeyError, ValueError) as error:
        raise PrivilegeError(f"{path} does not tell which rights are left ({error}); mount /proc") from None


def _verify(target: tuple[int, int] | None, *, bounded: bool) -> None:
    """Ask the kernel what every thread may still do; a thread started earlier keeps what it had."""
    for task in sorted(_TASKS.iterdir()):
        faults = _excess(_read(task / "status"), target, bounded=bounded)
        if faults:
            raise PrivilegeError(
                f"thread {task.name} still has {', '.join(faults)}; give rights up before any thread starts"
            )


def _excess(left: Rights, target: tuple[int, int] | None, *, bounded: bool) -> list[str]:
    """Return what is left that should not be.

    A bounding set that the starter left us without the right to empty it is no fault: no_new_privs makes it void.
    """
    faults = [f"{name} capabilities" for name in sorted(left.capabilities)]
    if bounded and left.bounding:
        faults.append("a bounding set")
    if not left.no_new_privs:
        faults.append("the right to gain rights")
    if target is not None:
        if left.users != {target[0]}:
            faults.append("another user")
        if left.groups != {target[1]}:
            faults.append("another group")
        if target[0] != 0 and left.supplementary - {target[1]}:
            faults.append("further groups")
    return faults
