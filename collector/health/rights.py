"""Whether frames may be captured, and whether the service can write where it must once its rights are given up."""

from __future__ import annotations

import os
import pwd
import socket
import stat
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.outcomes import failed, misconfigured, warning, well

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from collector.outcomes import Outcome

# A process that only asks the kernel one thing.
ASK_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who a service goes on as."""

    name: str
    uid: int
    groups: frozenset[int]


def account(name: str | None, *, folder: Path) -> Account | None:
    """Return the user *name*; None: this user, or, started as root, the owner of *folder* as the tap does it.

    Returns:
        None where this machine knows no such user.
    """
    try:
        if name is not None:
            entry = pwd.getpwnam(name)
        elif os.geteuid() == 0:
            entry = pwd.getpwuid(folder.resolve().stat().st_uid)
        else:
            entry = pwd.getpwuid(os.geteuid())
    except (KeyError, OSError):
        return None
    groups = frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return Account(name=entry.pw_name, uid=entry.pw_uid, groups=groups)


def capture() -> Iterator[Outcome]:
    """Yield whether this user may open a packet socket."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        yield failed(
            "this user may not capture",
            remedy="start it by its systemd unit, or as root; it gives the right up before the first frame",
        )
    except OSError as error:
        yield failed(f"this system has no packet sockets ({error.strerror})", remedy="load the kernel module af_packet")
    else:
        yield well("this user may capture; the right is given up before the first frame is read")


def folders(places: Mapping[str, Path], *, who: Account) -> Iterator[Outcome]:
    """Yield for each folder whether *who*, without any capability, can write into it.

    Args:
        places: what is written there -> the folder.
        who: the user that the service goes on as.
    """
    for what, folder in places.items():
        try:
            status = folder.stat()
            read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        except PermissionError:
            yield failed(
                f"{folder} ({what}) is closed to this user", remedy="run this as root or as the service's user"
            )
        except OSError:
            yield misconfigured(
                f"there is no folder {folder} ({what})", remedy=f"make it: install -d -o {who.name} {folder}"
            )
        else:
            if read_only:
                yield failed(f"{folder} ({what}) can only be read", remedy="mount it for writing, or name another")
            elif not _may_write(status, who):
                yield failed(f"{who.name} cannot write {folder} ({what})", remedy=f"run: chown {who.name} {folder}")
            else:
                yield well(f"{who.name} can write {folder} ({what})")


def may_read(path: Path, *, who: Account) -> bool:
    """Return whether *who* can read *path*; asked as that user where this is root, so that access lists count, too."""
    if os.geteuid() != 0 or who.uid == 0:
        return os.access(path, os.R_OK)
    # In a process of its own: of this one only a thread looks, and all of its threads have one user.
    asked = subprocess.run(  # noqa: S603 -- a fixed program, and a file of the configuration that it does not open
        ["/usr/bin/test", "-r", path],
        user=who.uid, group=min(who.groups), extra_groups=sorted(who.groups), check=False, timeout=ASK_LIMIT_S,
    )  # fmt: skip
    return asked.returncode == 0


def secrets(files: Mapping[str, Path]) -> Iterator[Outcome]:
    """Yield for each file that holds a secret whether it can be read, and by nobody else.

    Args:
        files: what it is -> the file.
    """
    for what, path in files.items():
        try:
            mode = path.stat().st_mode
            path.open("rb").close()
        except OSError as error:
            yield misconfigured(
                f"{path} ({what}) cannot be read ({error.strerror})", remedy="give a file that this user may read"
            )
        else:
            if mode & stat.S_IRWXO:
                yield warning(f"everybody on this machine may open {path} ({what})", remedy=f"run: chmod o= {path}")
            else:
                yield well(f"{path} ({what}) is closed to others")


def _may_write(status: os.stat_result, who: Account) -> bool:
    """Return what the mode says; root counts like anybody else, since it keeps no capability."""
    needed = stat.S_IWOTH | stat.S_IXOTH
    if status.st_uid == who.uid:
        needed <<= 6
    elif status.st_gid in who.groups:
        needed <<= 3
    return status.st_mode & needed == needed
