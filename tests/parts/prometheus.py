"""Prometheus and Alertmanager for the tests: those on the PATH, else Debian's packages in the user's cache folder.

`python -m tests.parts.prometheus` sets them up and says where they are. Nothing is installed: the packages are fetched
and unpacked by the ordinary Debian programs, which need no root, and apt checks what it fetched by its own signatures.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.parts.cache import PartMissingError, folder, locked, run, say

PART = "prometheus-debian"
PACKAGES = ("prometheus", "prometheus-alertmanager")
# Debian calls the program by the name of the package; everybody else calls it alertmanager.
ALERTMANAGER_NAMES = ("alertmanager", "prometheus-alertmanager")
# 2.42 is the first that knows `keep_firing_for` and is in Debian 12; older ones read other rule files.
MINIMUM = (2, 42)
FETCH_LIMIT_S = 240.0
# Debian's build reads its default templates from here and from nowhere else. Unpacked without root they lie elsewhere:
# the name in the program is made relative, which takes as many octets, and it is started where it was unpacked.
TEMPLATES, RELATIVE_TEMPLATES = b"/usr/share/prometheus/alertmanager", b"usr//share/prometheus/alertmanager"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusParts:
    """The four programs."""

    version: str
    """Of Prometheus, like "2.42.0"."""
    prometheus: Path
    """The server."""
    promtool: Path
    """Checks rules, runs their tests, makes blocks of old samples."""
    alertmanager: tuple[str, ...]
    """How the server is started; its options follow."""
    amtool: Path
    """Checks its configuration, tries its routes."""


def set_up() -> PrometheusParts:
    """Return the programs; fetch them first if need be.

    Raises:
        PartMissingError: they are not here, and Debian's packages cannot be had.
    """
    on_path = _found(None)
    if on_path is not None:
        return on_path
    place = folder() / PART
    if not place.is_dir():
        with locked(PART):
            if not place.is_dir():
                _fetch(place)
    unpacked = _found(place / "usr" / "bin")
    if unpacked is None:
        raise PartMissingError(f"{PART}: {place} is incomplete or too old; remove it and try again")
    return unpacked


def _found(place: Path | None) -> PrometheusParts | None:
    """Return the programs in *place*, None: on the PATH; nothing where one is missing or too old."""
    where = None if place is None else str(place)
    names = ("prometheus", "promtool", "amtool")
    paths = [shutil.which(name, path=where) for name in names]
    managers = [path for name in ALERTMANAGER_NAMES if (path := shutil.which(name, path=where))]
    if not all(paths) or not managers:
        return None
    prometheus, promtool, amtool = (Path(path or "") for path in paths)
    told = subprocess.run([promtool, "--version"], capture_output=True, text=True, timeout=60, check=False)
    version = re.search(r"version (\d+)\.(\d+)\.(\d+)", told.stdout + told.stderr)
    if version is None or (int(version[1]), int(version[2])) < MINIMUM:
        return None
    return PrometheusParts(
        version=".".join(version.groups()),
        prometheus=prometheus,
        promtool=promtool,
        alertmanager=(managers[0],) if place is None else ("env", f"--chdir={place.parents[1]}", managers[0]),
        amtool=amtool,
    )


def _fetch(place: Path) -> None:
    for program in ("apt-get", "dpkg"):
        if shutil.which(program) is None:
            raise PartMissingError(
                f"{PART}: no `{program}` here; put prometheus, promtool, alertmanager, amtool on PATH"
            )
    fresh = place.with_name(f"{PART}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    log = place.with_name(f"{PART}.log")
    try:
        say(f"fetching Debian's {' and '.join(PACKAGES)} into {place} (30 MB, once)")
        command = ["sh", "-c", f'cd "$0" && exec apt-get -q download {" ".join(PACKAGES)}', str(fresh)]
        run(command, part=PART, limit_s=FETCH_LIMIT_S, log=log)
        for package in sorted(fresh.glob("*.deb")):
            run(["dpkg", "-x", str(package), str(fresh)], part=PART, limit_s=FETCH_LIMIT_S, log=log)
            package.unlink()
        manager = fresh / "usr" / "bin" / ALERTMANAGER_NAMES[1]
        manager.write_bytes(manager.read_bytes().replace(TEMPLATES, RELATIVE_TEMPLATES))
        fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def main() -> int:
    """Set the part up from the command line; 3 says that this machine cannot have it."""
    try:
        parts = set_up()
    except PartMissingError as fault:
        say(str(fault))
        return 3
    say(f"Prometheus {parts.version}: {parts.prometheus}; {parts.alertmanager[-1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
