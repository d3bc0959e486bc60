"""The hash chain of the case log: how a row is hashed, and which row was changed. Pure; reads no database.

A row's digest is SHA-256 over its columns but the two hashes, each as its length in octets, a colon and its octets
(numbers in decimal), so that no two rows have the same octets. A row's hash is SHA-256 over the hash of the row before
and that digest. So whoever is given some rows, and of the others the digests alone, can compute the hash of the last
row, and learns nothing of the others.

The chain has no key: it shows what was changed by somebody who did not make the whole rest anew; against somebody who
did, only a hash that was given away earlier helps (an anchor).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from rules.store.rows import LogRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FIRST: Final = "0" * 64
"""What stands in place of the hash before the first row."""
DIGEST_PREFIX: Final = b"schoolgate/case-log/1/row\n"
"""Goes into every digest first: no hash of anything else can be taken for one."""
HASH_PREFIX: Final = b"schoolgate/case-log/1/link\n"
"""Goes into every hash of the chain first."""
COLUMNS: Final = ("seq", "case_id", "version", "kind", "at", "entry")
"""The columns under a row's digest, in their order there."""
LINKS: Final = ("previous", "hash")
"""The columns that make the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a log ended at some moment."""

    entries: int
    """Number of rows."""
    hash: str
    """Hash of the last one; `FIRST`: there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first place where the log is not as it was written."""

    seq: int
    """The row: the first one that is wrong, or the first one that is missing."""
    what: str
    """What is wrong with it, in plain words."""


def digest(row: Mapping[str, object]) -> str:
    """Return the digest of the row with these columns, in hexadecimal."""
    told = sha256(DIGEST_PREFIX)
    for column in COLUMNS:
        octets = str(row[column]).encode()
        told.update(b"%d:%b" % (len(octets), octets))
    return told.hexdigest()


def link(previous: str, row_digest: str) -> str:
    """Return the hash of the row with this digest that follows on *previous*, all in hexadecimal."""
    return sha256(HASH_PREFIX + f"{previous}\n{row_digest}\n".encode()).hexdigest()


def linked(*, seq: int, case_id: str, version: int, kind: str, at: str, entry: str, previous: str) -> LogRow:
    """Return the row with these columns and its hash."""
    columns = {"seq": seq, "case_id": case_id, "version": version, "kind": kind, "at": at, "entry": entry}
    return LogRow(
        seq=seq, case_id=case_id, version=version, kind=kind, at=at, entry=entry,
        previous=previous, hash=link(previous, digest(columns)),
    )  # fmt: skip


def check(rows: Iterable[Mapping[str, object]], *, head: Head | None, anchors: Sequence[Head] = ()) -> Head | Break:
    """Return where the log ends, or the first row that is not as it was written.

    Args:
        rows: all rows by rising `seq`; a value whose type is not that of its column is None.
        head: where the log ends by the record kept apart from it; None: that record is missing.
        anchors: where the log ended at earlier moments.
    """
    reached = Head(entries=0, hash=FIRST)
    anchored = {anchor.entries for anchor in anchors}
    differs = _unlike(reached, anchors)
    if differs:
        return differs
    for row in rows:
        seq = reached.entries + 1
        fault = _fault(row, seq=seq, previous=reached.hash)
        if fault:
            return Break(seq=seq, what=fault)
        reached = Head(entries=seq, hash=str(row["hash"]))
        if seq in anchored and (differs := _unlike(reached, anchors)):
            return differs
    return _wrong_end(reached, head=head, anchors=anchors) or reached


def _wrong_end(reached: Head, *, head: Head | None, anchors: Sequence[Head]) -> Break | None:
    if head is None:
        return Break(seq=reached.entries + 1, what="the record of where the log ends is missing")
    beyond = next((one for one in (head, *anchors) if one.entries > reached.entries), None)
    if beyond is not None:
        what = f"missing: the log ended with row {beyond.entries}, and now it ends before"
        return Break(seq=reached.entries + 1, what=what)
    if head.entries < reached.entries:
        return Break(seq=head.entries + 1, what=f"the log ended with row {head.entries} by the record of its end")
    if head != reached:
        return Break(seq=reached.entries, what="the record of where the log ends has another hash")
    return None


def _unlike(reached: Head, anchors: Sequence[Head]) -> Break | None:
    if any(anchor.entries == reached.entries and anchor.hash != reached.hash for anchor in anchors):
        return Break(
            seq=reached.entries,
            what="its hash is not that of the anchor: up to here the log was made anew after the anchor was taken",
        )
    return None


def _fault(row: Mapping[str, object], *, seq: int, previous: str) -> str | None:
    empty = [column for column in (*COLUMNS, *LINKS) if row[column] is None]
    if empty:
        return f"column {empty[0]} holds no value of its kind"
    if row["seq"] != seq:
        return f"missing: row {row['seq']} stands in its place"
    if row["previous"] != previous:
        return "it does not follow on the row before"
    if row["hash"] != link(previous, digest(row)):
        return "its columns are not those that its hash was made of"
    return None
