"""Docker Compose for the tests, to read docker-compose.yml with: the installed one, else Debian's. No daemon is needed.

Also the schema of the Compose specification, by pip from the wheel of check-jsonschema, which ships it unchanged.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.parts import debian
from tests.parts.cache import PartDamagedError, PartMissingError, folder, locked, run, say

PART = "docker-compose-debian"
SYSTEM_PYTHON = Path("/usr/bin/python3")

WHEEL = "check-jsonschema==0.39.0"
WHEEL_SHA256 = "14ce5c94871c551268ea948ffe21e9f1464dc48fb20bf9a4c13deeaaf756cf9b"
SCHEMA_PART = "compose-spec-0.39.0"
MEMBER = "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
SCHEMA_SHA256 = "d549057ebc2925f39f62799eab0db7b9e2c18b35b6c00595199116da3ed10e64"
PIP_LIMIT_S = 120.0


def set_up() -> list[str]:
    """Return the command that is Docker Compose; arguments follow.

    Raises:
        PartMissingError: it is not installed, and Debian's cannot be had.
    """
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and _answers(command):
            return command
    if not SYSTEM_PYTHON.is_file():
        raise PartMissingError(f"{PART}: Debian's Docker Compose needs {SYSTEM_PYTHON}; install the package python3")
    place = debian.unpacked(["docker-compose"], needs="python3-", part=PART)
    libraries = place / "usr" / "lib" / "python3" / "dist-packages"
    own = [str(SYSTEM_PYTHON), "-W", "ignore", str(place / "usr" / "bin" / "docker-compose")]
    command = ["env", f"PYTHONPATH={libraries}", *own]
    if not _answers(command):
        raise PartMissingError(f"{PART}: {place} does not run; remove it and try again")
    return command


def schema() -> Path:
    """Return the JSON Schema of the Compose specification; fetch it first if need be.

    Raises:
        PartMissingError: pip failed or hung.
        PartDamagedError: the file is not what was pinned.
    """
    place = folder() / f"{SCHEMA_PART}.json"
    if not place.is_file():
        with locked(SCHEMA_PART):
            if not place.is_file():
                _fetch(place)
    found = hashlib.sha256(place.read_bytes()).hexdigest()
    if found != SCHEMA_SHA256:
        raise PartDamagedError(f"{SCHEMA_PART}: {place} is refused: SHA-256 {found}, pinned {SCHEMA_SHA256}; remove it")
    return place


def _answers(command: list[str]) -> bool:
    done = subprocess.run([*command, "version"], capture_output=True, timeout=60, check=False)
    return done.returncode == 0


def _fetch(place: Path) -> None:
    fresh = place.with_name(f"{SCHEMA_PART}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        say(f"fetching the schema of the Compose specification into {place} (once)")
        wanted = fresh / "requirements"
        wanted.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n", encoding="ascii")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--require-hashes", "--dest", str(fresh), "-r", str(wanted)]
        run(command, part=SCHEMA_PART, limit_s=PIP_LIMIT_S, log=place.with_name(f"{SCHEMA_PART}.log"))
        (wheel,) = fresh.glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            (fresh / "schema.json").write_bytes(packed.read(MEMBER))
        (fresh / "schema.json").rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
