"""Chromium for the tests: the one on the PATH, else Debian's package in the user's cache folder.

`python -m tests.parts.chromium` sets it up and says where it is. Nothing is installed: the package and those libraries
that are missing here are downloaded by apt, which checks them by its own signatures, and unpacked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.parts.cache import PartMissingError, folder, locked, run, say, told

PART = "chromium-debian"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
APT_LIMIT_S = 300.0
_REMEDY = "install the Debian package chromium"
# A machine without a screen often has no fonts, or none that a page is made for: the same ones are used everywhere.
FONT_PACKAGE = "fonts-liberation"
_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<dir>{tree}/usr/share/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{tree}/fonts</cachedir>
<alias><family>system-ui</family><prefer><family>Liberation Sans</family></prefer></alias>
<alias><family>sans-serif</family><prefer><family>Liberation Sans</family></prefer></alias>
<alias><family>monospace</family><prefer><family>Liberation Mono</family></prefer></alias>
</fontconfig>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chromium:
    """The browser's program."""

    program: Path
    """The program itself."""
    environment: dict[str, str] = field(default_factory=dict)
    """What it needs beside the environment of the test run."""


def set_up() -> Chromium:
    """Return the browser; fetch it first if need be.

    Raises:
        PartMissingError: it is not here, and Debian's package cannot be had.
    """
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return Chromium(program=Path(found))
    place = folder() / PART
    if not place.is_dir():
        with locked(PART):
            if not place.is_dir():
                _fetch(place)
    program = place / "usr" / "lib" / "chromium" / "chromium"
    if not program.is_file():
        raise PartMissingError(f"{PART}: {place} holds no browser; remove it, or {_REMEDY}")
    libraries = [str(path) for path in (place / "usr" / "lib").glob("*-linux-gnu*")]
    deeper = [str(path) for path in (place / "usr" / "lib").glob("*-linux-gnu*/pulseaudio")]
    environment = {"LD_LIBRARY_PATH": ":".join([*libraries, *deeper, str(program.parent)])}
    return Chromium(program=program, environment=environment | {"FONTCONFIG_FILE": str(place / "fonts.conf")})


def _fetch(place: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise PartMissingError(f"{PART}: it is not installed, and this is no Debian; put chromium on the PATH")
    fresh = place.with_name(f"{PART}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    packages = fresh / "packages"
    packages.mkdir(parents=True)
    log = place.with_name(f"{PART}.log")
    try:
        wanted = _packages()
        say(f"fetching {len(wanted)} Debian packages for Chromium into {place} (100 MB, once)")
        command = ["sh", "-c", f'cd "$0" && exec apt-get -q download {" ".join(wanted)}', str(packages)]
        run(command, part=PART, limit_s=APT_LIMIT_S, log=log)
        for package in sorted(packages.glob("*.deb")):
            run(["dpkg", "-x", str(package), str(fresh)], part=PART, limit_s=APT_LIMIT_S, log=log)
        shutil.rmtree(packages)
        (fresh / "fonts.conf").write_text(_FONTS.format(tree=place), encoding="utf-8")
        fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _packages() -> list[str]:
    """Return Chromium's package and those that it needs and that are not installed; nothing is changed by asking."""
    told = subprocess.run(
        ["apt-get", "-s", "install", "--no-install-recommends", "chromium", FONT_PACKAGE],
        capture_output=True, text=True, check=False, timeout=APT_LIMIT_S, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    wanted = [line.split()[1] for line in told.stdout.splitlines() if line.startswith("Inst ")]
    if told.returncode != 0 or "chromium" not in wanted:
        raise PartMissingError(f"{PART}: apt gives no package chromium; run apt-get update, or {_REMEDY}")
    return wanted


def main() -> int:
    """Set the part up from the command line; 3 says that this machine cannot have it."""
    return told(lambda: f"Chromium is {set_up().program}")


if __name__ == "__main__":
    sys.exit(main())
