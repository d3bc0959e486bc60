"""Tries to read forgotten cases outside of the store: in backups, in files of keys, in whatever records are handed in.

What could not be tried is said as well, with the reason: a certificate must not claim more than somebody looked at.
"""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64decode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Self, get_args

from rules.case_keys import CaseKey, Kind, number_in
from rules.errors import StoreError
from rules.store.backup import backup_rows, read_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rules.store.forgetting import Purge

MOST_TRIED: Final = 100
"""Sealed pieces of one place that are tried under every key that is left; more are counted."""
# Form 1 and a key's number below 2^16, in Base64.
_SEALED: Final = re.compile(rb"AQAA[A-Za-z0-9+/]{40,}={0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What trying to read came to in one place."""

    place: str
    """Which place: no path, for that may name a machine."""
    pieces: int | None
    """Sealed pieces in the records there that name these cases; None: it was not tried."""
    tried: int
    """How many of them were tried under every key that is left."""
    opened: int
    """What could be read all the same: 0, or the certificate says that it is not complete."""
    what: str
    """How it was tried, or why it was not."""

    @classmethod
    def untried(cls, place: str, *, why: str) -> Self:
        """Return that a place was not tried."""
        return cls(place=place, pieces=None, tried=0, opened=0, what=f"not tried: {why}")


class Attempt:
    """Tries to open what tells of forgotten cases, in one place.

    Args:
        purge: what was forgotten.
        keys: every key that is left.
    """

    def __init__(self, purge: Purge, *, keys: Iterable[CaseKey]) -> None:
        gone = [key for case in purge.cases for key in case.keys]
        self._fingerprints = {fingerprint for _owner, _number, fingerprint in gone}
        self._gone = {(owner, number) for owner, number, _fingerprint in gone}
        # As a text of its own, in JSON or in JSON inside of it: ids may be part of anything else.
        self._names = {owner: re.compile(rb'"%b\\?"' % re.escape(owner.encode())) for owner, _number in self._gone}
        self.keys = {key.case_id: key for key in keys}
        """Every key that is left, by what it is of."""
        self.pieces = 0
        self.tried = 0
        self.opened = 0

    def look_at(self, octets: bytes) -> None:
        """Try what is sealed in one record, or one row, if that names one of the cases."""
        owners = [owner for owner, name in self._names.items() if name.search(octets)]
        if not owners:
            return
        for text in _SEALED.findall(octets):
            if len(text) % 4:
                continue
            self.pieces += 1
            if self.pieces <= MOST_TRIED:
                self.tried += 1
                self.opened += self._opens(b64decode(text), owners=owners)

    def result(self, place: str, *, what: str) -> Elsewhere:
        """Return what it came to."""
        return Elsewhere(place=place, pieces=self.pieces, tried=self.tried, opened=self.opened, what=what)

    def backup(self, path: Path) -> Elsewhere:
        """Try a file that `store backup` wrote."""
        place = f"Backup {path.name}"
        try:
            for table, row in backup_rows(path):
                if table:
                    self.look_at(json.dumps(row).encode())
        except (StoreError, OSError) as error:
            return Elsewhere.untried(place, why=f"it cannot be read ({_reason(error, path)})")
        return self.result(place, what="every row of these cases was looked at; it holds no key")

    def file_of_keys(self, path: Path) -> Elsewhere:
        """Look whether a file of keys holds one that was destroyed: it opens every backup of before."""
        place = f"File of keys {path.name}"
        try:
            held = {sha256(row["key"]).hexdigest() for row in read_keys(path)}
        except (StoreError, OSError) as error:
            return Elsewhere.untried(place, why=f"it cannot be read ({_reason(error, path)})")
        found = len(held & self._fingerprints)
        what = f"{len(held):,} keys were compared with those that were destroyed"
        if found:
            what += "; replace it: `schoolgate store backup OUT --keys KEYS`"
        return Elsewhere(place=place, pieces=len(held), tried=len(held), opened=found, what=what)

    def _opens(self, sealed: bytes, *, owners: Sequence[str]) -> bool:
        """Return whether any key that is left opens a piece as one of what was forgotten.

        Its name and number are sealed in with it. What is of another case, or was seen since, may well be read.
        """
        number = number_in(sealed) or 0
        tries = (
            CaseKey(case_id=owner, number=number, octets=key.octets)
            for owner in owners
            if (owner, number) in self._gone
            for key in self.keys.values()
        )
        return any(again.open(sealed, kind=kind) is not None for again in tries for kind in get_args(Kind))


def _reason(error: Exception, path: Path) -> str:
    if isinstance(error, gzip.BadGzipFile):
        return "it is no gzip file"
    # What the store says of a file begins with its path, which may name a machine.
    return str(error).replace(str(path), path.name).removesuffix("; nothing was restored")
