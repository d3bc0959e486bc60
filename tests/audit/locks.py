"""Reads the locks, and tells what in them is not pinned, not by hash, or not from the package index."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PINNED: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)((?:\s+--hash=sha256:[0-9a-f]{64})+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """One package of a lock."""

    name: str
    """In its canonical form."""
    version: str
    hashes: tuple[str, ...]
    """SHA-256 of each file that may be installed, hexadecimal, sorted."""


def read_lock(path: Path) -> tuple[Mapping[str, Locked], list[str]]:
    """Return the packages of a lock by name, and what is wrong with it, one a line with file and line.

    Whatever is no `name==version` with at least one SHA-256 is wrong: an address, a repository, another index, an
    option, a range, a marker. pip would install from it what nobody looked at.
    """
    found: dict[str, Locked] = {}
    faults: list[str] = []
    whole, began = "", 1
    for number, row in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not whole:
            began = number
        if row.endswith("\\"):
            whole += row[:-1]
            continue
        line, whole = f"{whole}{row}".strip(), ""
        if not line or line.startswith("#"):
            continue
        pinned = _PINNED.fullmatch(line)
        if pinned is None:
            faults.append(f"{path}:{began}: `{line[:60]}` is not pinned by version and hash alone; run `make lock`")
            continue
        name = canonicalize_name(pinned[1])
        if name in found:
            faults.append(f"{path}:{began}: {name} stands here twice; run `make lock`")
        hashes = tuple(sorted(re.findall(r"sha256:([0-9a-f]{64})", pinned[3])))
        found[name] = Locked(name=name, version=pinned[2], hashes=hashes)
    if whole:
        faults.append(f"{path}:{began}: the last line goes on nowhere; run `make lock`")
    return found, faults
