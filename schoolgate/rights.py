"""Gives up what the work ahead does not need: rights to open an interface, system calls, core dumps."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

from collector.core_dumps import CoreDumpError, forbid_core_dumps
from collector.privileges import PrivilegeError, drop_privileges
from collector.seccomp import SystemCallError, take_system_calls_away
from schoolgate.shell import EnvironmentFailedError, tell_warning

if TYPE_CHECKING:
    from pathlib import Path

    from collector.settings import Hardening

# What Python loads when it is first needed. Afterwards the folders of Python and of the program may be closed to us;
# without these a fault could not even be shown.
LOADED_LATE: Final = (
    "_strptime",
    "concurrent.futures.thread",
    "encodings.ascii",
    "encodings.cp1252",
    "encodings.idna",
    "encodings.latin_1",
    "encodings.punycode",
    "linecache",
    "traceback",
)


def keep_memory_private() -> None:
    """Let no core dump be made of this process, which holds keys, addresses or what officers wrote.

    Raises:
        EnvironmentFailedError: the kernel would still make one.
    """
    try:
        forbid_core_dumps()
    except (CoreDumpError, OSError, ValueError) as error:
        raise EnvironmentFailedError(f"this process would leave its memory in a crash ({error})") from error


def give_up_system_calls(hardening: Hardening) -> None:
    """Take the system calls away that watching never needs; nothing that is called later may start a program.

    Of what this project does, only `flows --explain` starts one (tshark); it watches nothing and keeps its calls.

    Raises:
        EnvironmentFailedError: they could not be taken away, and the configuration does not say to go on all the same.
    """
    _load_late()
    if hardening.system_calls == "unrestricted":
        tell_warning("system calls are not restricted: the configuration says so (`hardening.system_calls`)")
        return
    if sys.platform != "linux":
        tell_warning("system calls are not restricted: this system has no filter for them")
        return
    try:
        take_system_calls_away()
    except (SystemCallError, OSError) as error:
        raise EnvironmentFailedError(
            f"system calls could not be restricted ({error}); on a kernel that cannot, write "
            "`hardening: {system_calls: unrestricted}` in the configuration"
        ) from error


def _load_late() -> None:
    for name in LOADED_LATE:
        import_module(name)


def give_up_rights(folder: Path) -> None:
    """Become the owner of the configuration's folder, where store and keys are written, without any capability.

    Raises:
        EnvironmentFailedError: rights could not be given up.
    """
    _load_late()
    if sys.platform != "linux":
        return
    import pwd  # noqa: PLC0415 -- only there

    try:
        if os.geteuid() == 0:
            owner = pwd.getpwuid(folder.resolve().stat().st_uid).pw_name
            drop_privileges(user=owner)
        else:
            drop_privileges()
    except (PrivilegeError, KeyError) as error:
        raise EnvironmentFailedError(f"rights could not be given up ({error})") from error
    # The kernel forgets it with the change of user.
    keep_memory_private()
