"""The JSON Schema of AsyncAPI 3.0 with its bindings, by the ordinary npm client, into the user's cache folder.

`python -m tests.parts.asyncapi_schema` sets it up and says where it is. It must be exactly what is pinned here.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tarfile
from typing import TYPE_CHECKING

from tests.parts.cache import PartDamagedError, PartMissingError, folder, locked, run, say

if TYPE_CHECKING:
    from pathlib import Path

# Published by the AsyncAPI initiative; 3.0.0.json holds the schemas of all bindings too.
PACKAGE = "@asyncapi/specs"
VERSION = "6.11.1"
PART = f"asyncapi-specs-{VERSION}"
MEMBER = "package/schemas/3.0.0.json"
SHA256 = "d4571a420e6ffb7fcc7066c95a6db1202f299a3c51daa103d0706bf30f95e626"
NPM_LIMIT_S = 120.0


def set_up() -> Path:
    """Return the schema file from the cache folder; fetch it first if need be.

    Raises:
        PartMissingError: there is no npm, or it failed or hung.
        PartDamagedError: the file is not what was pinned.
    """
    place = folder() / f"{PART}.json"
    if not place.is_file():
        with locked(PART):
            if not place.is_file():
                _fetch(place)
    return _verified(place)


def _verified(place: Path) -> Path:
    found = hashlib.sha256(place.read_bytes()).hexdigest()
    if found != SHA256:
        raise PartDamagedError(f"{PART}: {place} is refused: SHA-256 {found}, pinned {SHA256}; remove it")
    return place


def _fetch(place: Path) -> None:
    if shutil.which("npm") is None:
        raise PartMissingError(f"{PART}: no `npm` on this machine; on Debian: apt-get install npm")
    fresh = place.with_name(f"{PART}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        say(f"fetching {PACKAGE} {VERSION} by npm into {place} (once)")
        command = ["npm", "pack", "--silent", "--pack-destination", str(fresh), f"{PACKAGE}@{VERSION}"]
        run(command, part=PART, limit_s=NPM_LIMIT_S, log=place.with_name(f"{PART}.npm.log"))
        (packed,) = fresh.glob("*.tgz")
        with tarfile.open(packed) as archive:
            member = archive.extractfile(MEMBER)
            if member is None:
                raise PartDamagedError(f"{PART}: {MEMBER} is no file in {packed.name}")
            (fresh / "schema.json").write_bytes(member.read())
        _verified(fresh / "schema.json").rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def main() -> int:
    """Set the part up from the command line; 3 says that this machine cannot have it."""
    try:
        place = set_up()
    except (PartMissingError, PartDamagedError) as fault:
        say(str(fault))
        return 3
    say(f"AsyncAPI 3.0 schema: {place}, SHA-256 as pinned")
    return 0


if __name__ == "__main__":
    sys.exit(main())
