"""A clock that jumps: a library of our own before the C library, for the programs under test alone."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

from tests.parts.cache import PartMissingError

SOURCE = Path(__file__).with_name("clock_shim.c")
OFFSET = struct.Struct("=q")
BUILD_LIMIT_S = 120
TRIAL_S = 7 * 3_600
TRIAL_SLACK_S = 60


class Clock:
    """One clock for the programs of a lane.

    Args:
        folder: gets the library and the file that says how wrong the clock is.

    Raises:
        PartMissingError: there is no C compiler, or the library does not do what it should.
    """

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            raise PartMissingError("clock jumps need a C compiler (gcc)")
        self._library = folder / "clock_shim.so"
        self._file = folder / "clock.offset"
        self.jump(0)
        subprocess.run(
            [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", self._library, SOURCE],
            check=True, timeout=BUILD_LIMIT_S,
        )  # fmt: skip
        self._try()

    @property
    def prefix(self) -> list[str]:
        """What to put before a command so that its clock is this one."""
        return ["env", f"LD_PRELOAD={self._library}", f"CHAOS_CLOCK_FILE={self._file}"]

    def jump(self, seconds: int) -> None:
        """Let the clock be wrong by *seconds* from now on."""
        # In place, and in one call: the programs have these very octets mapped.
        with self._file.open("r+b" if self._file.exists() else "w+b", buffering=0) as file:
            file.write(OFFSET.pack(seconds))

    def _try(self) -> None:
        """A library that is silently not used would make every such round worthless."""
        self.jump(TRIAL_S)
        told = subprocess.run(
            [*self.prefix, sys.executable, "-c", "import time; print(time.time())"],
            check=True, capture_output=True, text=True, timeout=BUILD_LIMIT_S,
        )  # fmt: skip
        self.jump(0)
        if abs(float(told.stdout) - time.time() - TRIAL_S) > TRIAL_SLACK_S:
            raise PartMissingError("clock jumps: a library before the C library has no effect here")
