"""The JSON schema of CycloneDX 1.6 for the tests, out of a wheel that ships it; the wheel is never installed."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

from tests.parts.cache import PartMissingError, folder, locked, run

PART = "cyclonedx-python-lib-11.12.0"
PIP_LIMIT_S = 120.0
REQUIREMENTS = Path(__file__).with_name("cyclonedx.requirements")
NAMES = ("bom-1.6", "jsf-0.82", "spdx")


def schemas() -> dict[str, Any]:
    """Return the schemas by name; fetch the wheel into the cache folder first if need be.

    Raises:
        PartMissingError: it cannot be had here.
    """
    place = folder() / PART
    with locked(PART):
        if not list(place.glob("*.whl")):
            words = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            words += ["--only-binary", ":all:", "--require-hashes", "-r", str(REQUIREMENTS), "-d", str(place)]
            run(words, part=PART, limit_s=PIP_LIMIT_S, log=folder() / f"{PART}.log")
    wheel = next(place.glob("*.whl"), None)
    if wheel is None:
        raise PartMissingError(f"{PART}: {place} holds no wheel; remove it")
    with zipfile.ZipFile(wheel) as packed:
        return {name: json.loads(packed.read(f"cyclonedx/schema/_res/{name}.SNAPSHOT.schema.json")) for name in NAMES}
