"""Debian packages for the tests: downloaded and unpacked into the user's cache folder, never installed. No root needed.

apt checks by its own signatures what it fetched. What a package needs and this machine lacks comes with it.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.parts.cache import PartMissingError, folder, locked, run, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

APT_LIMIT_S = 300.0


def unpacked(packages: Sequence[str], *, needs: str, part: str) -> Path:
    """Return the folder with what *packages* hold; fetch them first if need be.

    Args:
        packages: names.
        needs: of what these depend on, packages whose names begin like this come too, unless they are installed.
        part: name of the folder, and of this part in messages.

    Raises:
        PartMissingError: this is no Debian, or apt does not give them.
    """
    place = folder() / part
    if not place.is_dir():
        with locked(part):
            if not place.is_dir():
                _fetch(place, packages=packages, needs=needs, part=part)
    return place


def _fetch(place: Path, *, packages: Sequence[str], needs: str, part: str) -> None:
    for program in ("apt-get", "apt-cache", "dpkg", "dpkg-query"):
        if shutil.which(program) is None:
            raise PartMissingError(f"{part}: no `{program}` here, so Debian's {packages[0]} cannot be had")
    fresh = place.with_name(f"{part}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    archives = fresh / "packages"
    archives.mkdir(parents=True)
    log = place.with_name(f"{part}.log")
    try:
        wanted = [*packages, *_missing(packages, needs=needs, part=part)]
        say(f"fetching {len(wanted)} Debian packages for {packages[0]} into {place} (once)")
        with contextlib.chdir(archives):
            run(["apt-get", "-q", "download", *wanted], part=part, limit_s=APT_LIMIT_S, log=log)
        for package in sorted(archives.glob("*.deb")):
            run(["dpkg", "-x", str(package), str(fresh)], part=part, limit_s=APT_LIMIT_S, log=log)
        shutil.rmtree(archives)
        fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _missing(packages: Sequence[str], *, needs: str, part: str) -> list[str]:
    """Return what *packages* depend on, begins with *needs* and is not installed."""
    flags = [f"--no-{what}" for what in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    told = _said(["apt-cache", "depends", "--recurse", *flags, *packages])
    if not told:
        raise PartMissingError(f"{part}: apt knows no package {packages[0]}; run apt-get update")
    named = {line.split()[-1] for line in told if line.strip() and "<" not in line}
    there = {
        line.split()[0]
        for line in _said(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"])
        if line.endswith(" installed")
    }
    return sorted(name for name in named - there - set(packages) if name.startswith(needs))


def _said(command: Sequence[str]) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=APT_LIMIT_S)
    return done.stdout.splitlines()
