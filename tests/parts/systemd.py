"""systemd-analyze for the tests: the installed one, else that of Debian's package, unpacked into the cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.parts import debian
from tests.parts.cache import PartMissingError

PART = "systemd-debian"
PROGRAM = "systemd-analyze"
UNITS = Path("usr/lib/systemd/system")


class Systemd:
    """The program, and the units that every system has.

    Args:
        command: what starts it.
        tree: root of the file system, or of the packages, that it comes from.
    """

    def __init__(self, command: list[str], *, tree: Path) -> None:
        self._command = command
        self.units = next(path for path in (tree / UNITS, tree / "lib/systemd/system") if path.is_dir())
        """Folder of basic.target, network.target and the like."""

    def analyze(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it."""
        return subprocess.run(
            [*self._command, "--no-pager", *map(str, words)],
            capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip


def set_up() -> Systemd:
    """Return the program.

    Raises:
        PartMissingError: it is not installed, and Debian's cannot be had.
    """
    installed = shutil.which(PROGRAM)
    if installed is not None and any((Path("/") / place).is_dir() for place in (UNITS, "lib/systemd/system")):
        return Systemd([installed], tree=Path("/"))
    return fetched()


def fetched() -> Systemd:
    """Return the program of Debian's package.

    Raises:
        PartMissingError: it cannot be had, or does not run here.
    """
    place = debian.unpacked(["systemd", "libsystemd-shared"], needs="lib", part=PART)
    program = next((path for path in place.rglob(PROGRAM) if path.parent.name == "bin"), None)
    if program is None:
        raise PartMissingError(f"{PART}: {place} holds no {PROGRAM}; remove it and try again")
    libraries = {str(path.parent) for path in place.rglob("lib*.so*")}
    own = Systemd(["env", f"LD_LIBRARY_PATH={os.pathsep.join(sorted(libraries))}", str(program)], tree=place)
    if own.analyze("--version").returncode != 0:
        raise PartMissingError(f"{PART}: {program} does not run here; install the package systemd")
    return own
