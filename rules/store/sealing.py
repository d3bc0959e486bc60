"""How what tells of a case lies in the store: sealed with the key of the case, as octets or as text.

An entry of the log lies there as JSON with two fields: `sealed`, and `sha256`, a hash of a random salt and the entry.
The salt is sealed with the entry. So whoever is given entry and salt can check that this is what was logged, and with
the key gone the hash tells nothing: nobody can try guesses against it.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from rules.case_keys import SALT_OCTETS
from rules.store.rows import LogEntry
from rules.versions import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.case_keys import CaseKey, Kind
    from rules.store.rows import LogRow

    Opener = Callable[[str, bytes, Kind], bytes | None]

FORGOTTEN_KIND: Final = "forgotten"
"""Kind of the entry that tells that a case was forgotten: the last word on it, and not sealed."""
RESEALED_KIND: Final = "resealed"
"""Kind of the entry that tells where the log ended before its entries were sealed."""
PURGED_KIND: Final = "purged"
"""Kind of the entry that tells what was let go because its time had come; it belongs to no case."""
CERTIFIED_KIND: Final = "certified"
"""Kind of the entry that tells that a certificate of a year was made; it belongs to no case."""
CLEAR: Final = frozenset({FORGOTTEN_KIND, RESEALED_KIND, PURGED_KIND, CERTIFIED_KIND})
_PREFIX: Final = b"schoolgate/case-log/1/entry\n"


class Opened(NamedTuple):
    """An entry, and what shows that it is the one that was sealed."""

    text: str
    salt: str


def text_of(sealed: bytes) -> str:
    """Return sealed octets as text."""
    return b64encode(sealed).decode()


def octets_in(text: str) -> bytes:
    """Return the sealed octets in *text*; empty: there are none."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def seal_entry(text: str, *, key: CaseKey) -> str:
    """Return an entry of the log as it is to lie there."""
    salt = key.draw(SALT_OCTETS)
    sealed = key.seal(salt + text.encode(), kind="entry")
    told = {"sealed": text_of(sealed), "sha256": commitment(text, salt=salt), "v": 1}
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


def commitment(text: str, *, salt: bytes) -> str:
    """Return the hash that binds a sealed entry to its text."""
    return sha256(_PREFIX + salt + text.encode()).hexdigest()


def open_entry(row: LogRow, *, opener: Opener) -> LogEntry:
    """Return *row* opened, as far as its key is there."""
    found = Opened(row.entry, "") if row.kind in CLEAR else _opened(row, opener=opener)
    return LogEntry(
        seq=row.seq, case_id=row.case_id, version=row.version, kind=row.kind, at=row.at, entry=found.text,
        previous=row.previous, hash=row.hash, sealed=row.entry, salt=found.salt,
    )  # fmt: skip


def sealed_in(entry: str) -> bytes:
    """Return the sealed octets of an entry as it lies there; empty: there are none."""
    try:
        told = json.loads(entry)
    except ValueError:
        return b""
    sealed = told.get("sealed") if isinstance(told, dict) else None
    return octets_in(sealed) if isinstance(sealed, str) else b""


def _opened(row: LogRow, *, opener: Opener) -> Opened:
    octets = opener(row.case_id, sealed_in(row.entry), "entry")
    if octets is None:
        return Opened(UNREADABLE, "")
    salt, text = octets[:SALT_OCTETS], octets[SALT_OCTETS:]
    return Opened(text.decode(), salt.hex())
