"""tshark for the tests: the installed one, else Debian's: root installs it, others unpack it into their cache folder.

As root it must be installed, for the product runs it as `nobody`, who does not reach into root's cache folder.
`python -m tests.parts.tshark` sets it up and says where it is.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.parts import debian
from tests.parts.cache import PartMissingError, folder, locked, run, say, told

PART = "tshark-debian"
PROGRAM = "tshark"
_RUNNER = """#!/bin/sh
export LD_LIBRARY_PATH='{libraries}' WIRESHARK_DATA_DIR='{data}'
exec '{program}' "$@"
"""


def set_up() -> Path:
    """Return the folder that holds a program `tshark`; fetch it first if need be.

    Raises:
        PartMissingError: it is not here, and Debian's package cannot be had.
    """
    found = shutil.which(PROGRAM)
    if found is None and os.geteuid() == 0:
        found = _installed()
    return _unpacked() if found is None else Path(found).parent


def _installed() -> str:
    if shutil.which("apt-get") is None:
        raise PartMissingError(f"{PART}: it is not installed, and this is no Debian; put tshark on the PATH")
    with locked(PART):
        if shutil.which(PROGRAM) is None:
            say("installing Debian's tshark (once)")
            command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "install", "-y"]
            run(
                [*command, "--no-install-recommends", PROGRAM],
                part=PART, limit_s=debian.APT_LIMIT_S, log=folder() / f"{PART}.log",
            )  # fmt: skip
    found = shutil.which(PROGRAM)
    if found is None:
        raise PartMissingError(f"{PART}: apt installed it, and it is not on the PATH")
    return found


def _unpacked() -> Path:
    place = debian.unpacked([PROGRAM], needs="lib", part=PART)
    program = place / "usr" / "bin" / PROGRAM
    if not program.is_file():
        raise PartMissingError(f"{PART}: {place} holds no {PROGRAM}; remove it and try again")
    libraries = ":".join(map(str, (place / "usr" / "lib").glob("*-linux-gnu*")))
    runner = place / "run" / PROGRAM
    runner.parent.mkdir(exist_ok=True)
    text = _RUNNER.format(libraries=libraries, data=place / "usr" / "share" / "wireshark", program=program)
    if not runner.is_file() or runner.read_text() != text:
        fresh = runner.with_suffix(f".{os.getpid()}")
        fresh.write_text(text)
        fresh.chmod(0o755)
        fresh.replace(runner)
    return runner.parent


def main() -> int:
    """Set the part up from the command line; 3 says that this machine cannot have it."""
    return told(lambda: f"tshark is in {set_up()}")


if __name__ == "__main__":
    sys.exit(main())
