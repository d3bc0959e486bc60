"""noida-db for the tests: a small binary that speaks Kafka's protocol, for machines out of reach of Maven Central.

It does transactions, fencing and stops in order as Apache Kafka does. But it acknowledges up to a second before it
saves, so that SIGKILL loses acknowledged records (measured); it never evicts dead members, wedges on auto-commit and
has no access control. It is the stand-in, never the reference. It gets a virtual environment of its own in the
cache folder, never a place in the project's.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from tests.parts.cache import PartMissingError, folder, locked, run, say, told

VERSION = "0.2.3"
PART = f"noida-db-{VERSION}"
PIP_LIMIT_S = 120.0
# Wheels for Linux on x86-64 and arm64, by hash.
REQUIREMENTS = Path(__file__).with_name("noida.requirements")


def set_up() -> Path:
    """Return the noida-db binary from the cache folder; fetch it first if need be.

    Raises:
        PartMissingError: it cannot be installed here.
    """
    place = folder() / PART
    if not place.is_dir():
        with locked(PART):
            if not place.is_dir():
                _fetch(place)
    binary = next(place.glob("lib/python*/site-packages/noida_db/noida-db"), None)
    if binary is None:
        raise PartMissingError(f"{PART}: {place} holds no binary; remove it and run `make parts`")
    return binary


def _fetch(place: Path) -> None:
    fresh = place.with_name(f"{PART}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    say(f"fetching noida-db {VERSION} by pip into {place} (5 MB, once)")
    log = place.with_name(f"{PART}.pip.log")
    try:
        run([sys.executable, "-m", "venv", str(fresh)], part=PART, limit_s=PIP_LIMIT_S, log=log)
        command = [str(fresh / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(REQUIREMENTS)]
        run(command, part=PART, limit_s=PIP_LIMIT_S, log=log)
        for binary in fresh.glob("lib/python*/site-packages/noida_db/noida-db"):
            binary.chmod(0o755)  # the wheel forgets to; its own Python front door does this at every start
        fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def main() -> int:
    """Set the part up from the command line; 3 says that this machine cannot have it."""
    argparse.ArgumentParser(prog="tests.parts.noida", description="noida-db for the tests").parse_args()
    return told(lambda: f"noida-db {VERSION} is {set_up()}")


if __name__ == "__main__":
    sys.exit(main())
