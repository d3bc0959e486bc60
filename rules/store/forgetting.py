"""Forgetting cases: their keys are destroyed, and with them every copy of what was ever told of them.

What is left is the id, how often the case changed, when, and who forgot it why. What several cases share (product and
party) goes with the last of them. Afterwards it is tried: nothing that was kept opens under any key that is left.
"""

from __future__ import annotations

import json
import mmap
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from rules.case_keys import CaseKey, matter_id, number_in
from rules.errors import StoreError
from rules.store.chain import Head
from rules.store.database import SQLITE
from rules.store.keys import live_keys
from rules.store.log import read_log
from rules.store.schema import case_keys, case_log, cases, findings, outbox
from rules.store.scrubbing import PATIENCE_S, scrub
from rules.store.sealing import FORGOTTEN_KIND, octets_in, sealed_in
from rules.versions import FORGOTTEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rules.case_keys import Kind
    from rules.store.case_store import Store
    from rules.store.log import CaseLogWriter

SAMPLES: Final = 20
"""Sealed octets of each kind that are kept aside and tried afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """One case that was forgotten."""

    case_id: str
    """The case."""
    until: str
    """What was seen up to then makes no case again, ISO 8601 UTC."""
    keys: tuple[tuple[str, int, str], ...]
    """Keys that were destroyed: of which case or matter, their number, and SHA-256 of the key; empty: not known any
    more, for a release destroyed it that did not write that down."""
    entry: int
    """The entry of the log that tells of it."""
    findings: int | None
    """Findings deleted with it; None: not known any more."""
    entries: int
    """Entries of the log that nobody can read any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What trying to read came to."""

    samples: int
    """Sealed octets that were tried."""
    keys: int
    """Keys that are left, each of which was tried."""
    opened: int
    """How many were read all the same: 0, or the certificate is none."""
    scrubbed: bool
    """Pages that nobody uses any more were written anew."""
    key_octets_found: bool | None
    """A destroyed key stands in the files of the database still; None: they are not ours to read (PostgreSQL), or
    nobody knows any more what to look for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """What forgetting came to."""

    at: str
    """When, ISO 8601 UTC."""
    by: str
    """Who."""
    reason: str
    """Why."""
    cases: tuple[Purged, ...]
    """The cases."""
    head: Head
    """Where the log ends with it."""
    tried: Tried
    """Whether anything can be read still."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing can be read any more, as far as it could be tried."""
        return self.tried.opened == 0 and self.tried.scrubbed and not self.tried.key_octets_found


@dataclass(frozen=True, slots=True)
class _Sample:
    case_id: str
    sealed: bytes
    kind: Kind


NOT_TRIED: Final = Tried(samples=0, keys=0, opened=0, scrubbed=False, key_octets_found=None)
"""What trying came to before anybody tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Cases whose keys are no more, before it is tried to read them."""

    purge: Purge
    """What was destroyed; nothing was tried."""
    samples: tuple[_Sample, ...] = field(repr=False)
    """Sealed octets to try."""
    keys: tuple[bytes, ...] | None = field(repr=False)
    """The keys themselves, to look for in files; None: nobody knows them any more."""


def forget(store: Store, ids: Sequence[str], *, by: str, reason: str, patience_s: float = PATIENCE_S) -> Purge:
    """Destroy the keys of these cases and everything that only they open, all or nothing, and try to read it.

    Args:
        store: the store.
        ids: the cases.
        by: who does it, as the log shall name them.
        reason: why, in their words; it stays readable.
        patience_s: how long to wait for others who read, before old pages are written anew, in seconds.

    Raises:
        StoreError: one of them is not there, or was forgotten already; or the store cannot be written.
    """
    return try_to_read(store, destroy(store, ids, by=by, reason=reason), patience_s=patience_s)


def destroy(
    store: Store, ids: Sequence[str], *, by: str, reason: str, before: Callable[[Purge], None] = lambda _purge: None
) -> Gone:
    """Destroy the keys of these cases and everything that only they open, all or nothing.

    Args:
        store: the store.
        ids: the cases.
        by: who does it, as the log shall name them.
        reason: why, in their words; it stays readable.
        before: told what is about to be destroyed, while nobody else writes; where it raises, nothing is.

    Raises:
        StoreError: one of them is not there, or was forgotten already; or the store cannot be written.
    """
    samples: list[_Sample] = []
    with store.database.writing() as connection:
        log = store.log_writer(connection)
        shared = _Shared(connection)
        purged, octets = [], []
        for case_id in dict.fromkeys(ids):
            samples += _samples(connection, case_id)
            one, gone = _forget(connection, case_id, log=log, shared=shared, by=by, reason=reason)
            purged.append(one)
            octets += gone
        log.flush()
        purge = Purge(at=log.at, by=by, reason=reason, cases=tuple(purged), head=log.head, tried=NOT_TRIED)
        before(purge)
    return Gone(purge=purge, samples=tuple(samples), keys=tuple(octets))


def try_to_read(store: Store, gone: Gone, *, patience_s: float = PATIENCE_S) -> Purge:
    """Write old pages of the database anew, and try to read in the store what was destroyed.

    Args:
        store: the store.
        gone: what was destroyed.
        patience_s: how long to wait for others who read, before old pages are written anew, in seconds.

    Raises:
        StoreError: the store cannot be used.
    """
    scrubbed = scrub(store.database, patience_s=patience_s)
    return replace(gone.purge, tried=_try(store, gone.samples, scrubbed=scrubbed, gone=gone.keys))


def destroyed_before(store: Store, ids: Sequence[str]) -> tuple[Gone, ...]:
    """Return what is known of those of these cases that are forgotten: one for each time that some were.

    Raises:
        StoreError: the store cannot be read.
    """
    found: dict[tuple[str, str, str], list[Purged]] = {}
    heads: dict[tuple[str, str, str], Head] = {}
    samples: dict[str, tuple[_Sample, ...]] = {}
    with store.database.reading() as connection:
        for case_id in dict.fromkeys(ids):
            asked = sa.select(case_log).join(cases, case_log.c.seq == cases.c.told)
            row = connection.execute(asked.where(cases.c.id == case_id, cases.c.state == FORGOTTEN)).first()
            if row is None:
                continue
            said = json.loads(row.entry)
            act = (row.at, str(said["by"]), str(said["text"]))
            found.setdefault(act, []).append(_purged_before(connection, case_id, entry=row.seq, said=said))
            heads[act] = Head(entries=row.seq, hash=row.hash)
            samples[case_id] = tuple(_samples(connection, case_id))
    return tuple(
        Gone(
            purge=Purge(at=at, by=by, reason=reason, cases=tuple(gone), head=heads[at, by, reason], tried=NOT_TRIED),
            samples=tuple(sample for each in gone for sample in samples[each.case_id]),
            keys=None,
        )
        for (at, by, reason), gone in found.items()
    )


def _purged_before(connection: sa.Connection, case_id: str, *, entry: int, said: dict[str, Any]) -> Purged:
    spent = sa.select(case_keys.c.case_id, case_keys.c.number).where(case_keys.c.told == entry)
    told = {(str(key["of"]), int(key["number"])): str(key["sha256"]) for key in said.get("keys", ())}
    # Of releases that did not write the hashes down the rows of the keys are all that is left.
    told = {(row.case_id, row.number): "" for row in connection.execute(spent)} | told
    entries = sum(1 for each in read_log(connection, case_id=case_id) if each.seq < entry and sealed_in(each.entry))
    keys = tuple((owner, number, fingerprint) for (owner, number), fingerprint in sorted(told.items()))
    return Purged(
        case_id=case_id, until=str(said["until"]), keys=keys, entry=entry, findings=None, entries=entries,
    )  # fmt: skip


class _Shared:
    """Which cases are about which product and party, as far as they can be read."""

    def __init__(self, connection: sa.Connection) -> None:
        keys = {key.case_id: key for key in live_keys(connection)}
        self._matters: dict[str, str] = {}
        self.last_seen: dict[str, str] = {}
        for row in connection.execute(sa.select(cases.c.id, cases.c.body)):
            body = keys[row.id].open(row.body, kind="case") if row.id in keys else None
            if body is not None:
                told = json.loads(body)
                self._matters[row.id] = matter_id(told.get("agreement") or "", subject=str(told.get("subject")))
                self.last_seen[row.id] = str(told.get("last_seen") or "")

    def take(self, case_id: str) -> str | None:
        """Take a case out, and return its matter if no other case is about it."""
        matter = self._matters.pop(case_id, None)
        return None if matter in self._matters.values() else matter


def _forget(
    connection: sa.Connection, case_id: str, *, log: CaseLogWriter, shared: _Shared, by: str, reason: str
) -> tuple[Purged, list[bytes]]:  # fmt: skip
    row = connection.execute(sa.select(cases).where(cases.c.id == case_id)).first()
    if row is None:
        raise StoreError(f"there is no case {case_id}; `schoolgate cases list` shows them")
    if row.state == FORGOTTEN:
        raise StoreError(f"case {case_id} was forgotten already")
    # A capture may be of a clock that runs ahead: what was seen up to now is all that is known of the case.
    until = max(log.at, shared.last_seen.get(case_id, ""))
    matter = shared.take(case_id)
    gone = list(live_keys(connection, ids=[case_id] if matter is None else [case_id, matter]))
    told = tuple((key.case_id, key.number, key.fingerprint) for key in gone)
    # With the hashes the certificate can be written again, and whoever finds a key knows which one it was.
    hashes = [{"of": owner, "number": number, "sha256": fingerprint} for owner, number, fingerprint in told]
    said = {"v": 1, "by": by, "text": reason, "until": until, "keys": hashes}
    entry = log.append(
        case_id, version=row.version, kind=FORGOTTEN_KIND, at=log.at,
        entry=json.dumps(said, sort_keys=True, separators=(",", ":")),
    )  # fmt: skip
    connection.execute(
        sa.update(case_keys)
        .where(case_keys.c.case_id.in_([key.case_id for key in gone] or [case_id]), case_keys.c.destroyed_at.is_(None))
        .values(key=None, destroyed_at=log.at, until=until, told=entry.seq)
    )
    dropped = connection.execute(sa.delete(findings).where(findings.c.case_id == case_id)).rowcount
    # What was not told yet is not told any more, and what a server said of it may quote it.
    connection.execute(sa.delete(outbox).where(outbox.c.case_id == case_id))
    connection.execute(
        sa.update(cases)
        .where(cases.c.id == case_id)
        .values(body=b"", evidence="", ended=None, ended_at=None, state=FORGOTTEN, status=FORGOTTEN, told=entry.seq)
    )
    entries = sum(1 for each in read_log(connection, case_id=case_id) if sealed_in(each.entry))
    one = Purged(case_id=case_id, until=until, keys=told, entry=entry.seq, findings=dropped, entries=entries)
    return one, [key.octets for key in gone]


def _samples(connection: sa.Connection, case_id: str) -> Iterator[_Sample]:
    """Yield some of what lies there sealed, of each kind."""
    row = connection.execute(sa.select(cases).where(cases.c.id == case_id)).first()
    if row is not None:
        yield _Sample(case_id, row.body, "case")
        yield _Sample(case_id, octets_in(row.evidence), "evidence")
        yield _Sample(case_id, octets_in(row.ended or ""), "ending")
    asked = sa.select(findings.c.body).where(findings.c.case_id == case_id).limit(SAMPLES)
    for (body,) in connection.execute(asked):
        yield _Sample(case_id, body, "finding")
    for _number, entry in zip(range(SAMPLES), read_log(connection, case_id=case_id), strict=False):
        yield _Sample(case_id, sealed_in(entry.entry), "entry")


def _try(store: Store, samples: Sequence[_Sample], *, scrubbed: bool, gone: Sequence[bytes] | None) -> Tried:
    with store.database.reading() as connection:
        left = list(live_keys(connection))
    opened = sum(1 for sample in samples if any(_opens(key, sample) for key in left))
    files = _files(store)
    found = None
    if files and gone is not None:
        found = any(_holds(path, octets) for path in files for octets in gone)
    tried = sum(1 for sample in samples if sample.sealed)
    return Tried(samples=tried, keys=len(left), opened=opened, scrubbed=scrubbed, key_octets_found=found)


def _opens(key: CaseKey, sample: _Sample) -> bool:
    """Return whether a key opens a sample, under whichever name: as its own, and as the one that was destroyed."""
    number = number_in(sample.sealed) or 0
    owners = ((key.case_id, key.number), (sample.case_id, number))
    tries = (CaseKey(case_id=owner, number=as_number, octets=key.octets) for owner, as_number in owners)
    return any(one.open(sample.sealed, kind=sample.kind) is not None for one in tries)


def _files(store: Store) -> list[Path]:
    """Return the files of the database; none: they are those of a server."""
    name = store.database.engine.url.database
    if store.database.kind != SQLITE or not name:
        return []
    return [path for path in map(Path, (name, f"{name}-wal", f"{name}-journal")) if path.exists()]


def _holds(path: Path, octets: bytes) -> bool:
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(octets) >= 0
