"""Asks advisories about what is locked: a folder of OSV records, or pip-audit where somebody has it. Names no server.

Source: OSV schema 1.7, evaluation of `affected`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.audit.locks import Locked

LIMIT_S: Final = 300.0
ASK: Final = "ask"


class AdvisoryError(Exception):
    """Advisories were to be asked and could not be."""


def from_records(folder: Path, *, locked: Mapping[str, Locked]) -> Iterator[str]:
    """Yield what the OSV records in *folder* (`*.json`, one each, any depth) say of locked versions.

    Raises:
        AdvisoryError: there is no record, or one that cannot be read.
    """
    paths = sorted(folder.rglob("*.json"))
    if not paths:
        raise AdvisoryError(f"{folder} holds no OSV record (*.json)")
    for path in paths:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record.get("withdrawn"):
                continue
            for affected in record.get("affected", ()):
                package = affected.get("package", {})
                each = locked.get(canonicalize_name(str(package.get("name", ""))))
                if package.get("ecosystem") == "PyPI" and each is not None and _hits(affected, each.version):
                    yield f"{each.name} {each.version}: {record['id']} {record.get('summary', '')}".rstrip()
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise AdvisoryError(f"{path} is no OSV record ({error})") from error


def _hits(affected: Mapping[str, Any], version: str) -> bool:
    if version in affected.get("versions", ()):
        return True
    return any(
        _within(each["events"], Version(version))
        for each in affected.get("ranges", ())
        if each.get("type") == "ECOSYSTEM"
    )


def _within(events: Sequence[Mapping[str, str]], version: Version) -> bool:
    hit = False
    for event in sorted(events, key=_when):
        ((kind, text),) = list(event.items())[:1]
        if kind == "introduced" and (text == "0" or version >= Version(text)):
            hit = True
        elif (kind == "fixed" and version >= Version(text)) or (kind == "last_affected" and version > Version(text)):
            hit = False
    return hit


def _when(event: Mapping[str, str]) -> Version:
    try:
        return Version(next(iter(event.values())))
    except InvalidVersion:
        return Version("0")


def from_pip_audit(lock: Path) -> None:
    """Let pip-audit ask the service that its own environment variables name.

    Raises:
        AdvisoryError: it is not installed, could not ask, or found something; its words were printed.
    """
    program = shutil.which("pip-audit")
    if program is None:
        raise AdvisoryError("pip-audit is not installed; get it with: pipx install pip-audit")
    # Strict, or it ends well with packages of which its service knows nothing, were it all of them.
    words = [program, "--strict", "--disable-pip", "--require-hashes", "--requirement", str(lock)]
    done = subprocess.run(words, timeout=LIMIT_S, check=False)
    if done.returncode != 0:
        raise AdvisoryError(f"pip-audit ended with {done.returncode} over {lock}")
