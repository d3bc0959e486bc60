"""Gives up the rights that only opening an interface needed, once everything that runs later has been loaded."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

from collector.privileges import PrivilegeError, drop_privileges
from schoolgate.shell import EnvironmentFailedError

if TYPE_CHECKING:
    from pathlib import Path

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


def give_up_rights(folder: Path) -> None:
    """Become the owner of the configuration's folder, where store and keys are written, without any capability.

    Raises:
        EnvironmentFailedError: rights could not be given up.
    """
    for name in LOADED_LATE:
        import_module(name)
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
