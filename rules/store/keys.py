"""The keys of cases in the store: read, made at first use, destroyed. What is sealed with them: `rules.store.sealing`.

Whoever makes a key holds the head of the case log first, so that of several processes one makes it and the others find
it. Of one case at most one key is in use; a destroyed one keeps its row, without the key, so that no backup brings it
back.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

import sqlalchemy as sa

from rules.case_keys import KEY_OCTETS, TASK_DAY, CaseKey
from rules.small_numbers import quarter
from rules.store.schema import case_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rules.case_keys import Kind

# Below what either database takes as parameters of one statement.
PORTION: Final = 500


class SpentKey(NamedTuple):
    """A key that was destroyed."""

    owner: str
    """Case, matter or day."""
    number: int
    destroyed_at: str
    """When, ISO 8601 UTC."""


class KeysInHand:
    """Keys that were read inside one transaction.

    Args:
        keys: which ones.
    """

    def __init__(self, keys: Iterable[CaseKey]) -> None:
        self._keys = {(key.case_id, key.number): key for key in keys}
        self._numbers: dict[str, tuple[int, ...]] = {}
        for case_id, number in sorted(self._keys):
            self._numbers[case_id] = (*self._numbers.get(case_id, ()), number)

    def open(self, case_id: str, sealed: bytes, kind: Kind) -> bytes | None:
        """Return what was sealed, None: its key is not here."""
        for number in self._numbers.get(case_id, ()):
            found = self._keys[case_id, number].open(sealed, kind=kind)
            if found is not None:
                return found
        return None


class WritingKeys:
    """The keys that one writing transaction seals with; made where a case has none.

    Args:
        connection: the transaction. It holds the head of the log.
        at: the time, ISO 8601 UTC.
    """

    def __init__(self, connection: sa.Connection, *, at: str) -> None:
        self._connection = connection
        self._at = at
        self._keys: dict[str, CaseKey] = {}
        self._until: dict[str, str] = {}

    def need(self, ids: Iterable[str]) -> None:
        """Read the keys of these cases, and make those that are missing."""
        wanted = sorted({*ids} - self._keys.keys())
        newest = {}
        for row in _rows(self._connection, wanted):
            newest[row.case_id] = row
            if row.until is not None:
                self._until[row.case_id] = max(row.until, self._until.get(row.case_id, ""))
        fresh = []
        for case_id in wanted:
            found = newest.get(case_id)
            if found is None or found.key is None:
                number = found.number + 1 if found else 1
                key = CaseKey(case_id=case_id, number=number, octets=os.urandom(KEY_OCTETS))
                fresh.append(
                    {"case_id": case_id, "number": key.number, "key": key.octets, "made_at": quarter(self._at)}
                )
            else:
                key = CaseKey(case_id=case_id, number=found.number, octets=found.key)
            self._keys[case_id] = key
        if fresh:
            self._connection.execute(sa.insert(case_keys), fresh)

    def of(self, case_id: str) -> CaseKey:
        """Return the key of a case, which is made where it has none."""
        self.need([case_id])
        return self._keys[case_id]

    def open(self, case_id: str, sealed: bytes, kind: Kind) -> bytes | None:
        """Return what was sealed, None: its key is not here."""
        return self.of(case_id).open(sealed, kind=kind)

    def is_past(self, case_id: str, *, seen: str) -> bool:
        """Return whether what was seen first at this moment is forgotten with the case."""
        self.need([case_id])
        return seen <= self._until.get(case_id, "") and case_id in self._until


def live_keys(connection: sa.Connection, *, ids: Sequence[str] | None = None) -> Iterator[CaseKey]:
    """Yield the keys that are there.

    Args:
        connection: where to look.
        ids: of these cases alone; None: of all.
    """
    asked = sa.select(case_keys.c.case_id, case_keys.c.number, case_keys.c.key).where(case_keys.c.key.is_not(None))
    if ids is None:
        portions = [asked]
    else:
        starts = range(0, len(ids), PORTION)
        portions = [asked.where(case_keys.c.case_id.in_(ids[start : start + PORTION])) for start in starts]
    for statement in portions:
        for row in connection.execute(statement):
            yield CaseKey(case_id=row.case_id, number=row.number, octets=row.key)


def keys_of_task(connection: sa.Connection, *, task: str) -> Iterator[CaseKey]:
    """Yield the keys of days of one task behind Kafka (`rules.sealed_days`) that are there."""
    kept = case_keys.c
    asked = sa.select(kept.case_id, kept.number, kept.key).where(
        kept.case_id.startswith(f"{TASK_DAY}{task}/", autoescape=True), kept.key.is_not(None)
    )
    for row in connection.execute(asked):
        yield CaseKey(case_id=row.case_id, number=row.number, octets=row.key)


def drop_keys(connection: sa.Connection, keys: Sequence[CaseKey]) -> None:
    """Take these keys of days of tasks away, row and all: there is one for each task and day, and none comes back.

    Each goes by its own octets: who was stopped for a while must not take the key under which another opened the day
    anew.
    """
    kept = case_keys.c
    for key in keys:
        connection.execute(sa.delete(case_keys).where(kept.case_id == key.case_id, kept.key == key.octets))


def destroyed(connection: sa.Connection) -> dict[str, str]:
    """Return of every case that was forgotten up to when what was seen of it is forgotten."""
    kept = case_keys.c
    asked = sa.select(kept.case_id, sa.func.max(kept.until)).where(kept.until.is_not(None)).group_by(kept.case_id)
    return {case_id: until for case_id, until in connection.execute(asked)}  # noqa: C416 -- rows are no pairs to mypy


def spent_keys(connection: sa.Connection) -> list[SpentKey]:
    """Return the keys that were destroyed, the oldest first."""
    kept = case_keys.c
    asked = sa.select(kept.case_id, kept.number, kept.destroyed_at).where(kept.destroyed_at.is_not(None))
    return list(map(SpentKey._make, connection.execute(asked.order_by(kept.destroyed_at, kept.case_id, kept.number))))


def _rows(
    connection: sa.Connection, ids: Sequence[str]
) -> Iterator[sa.Row[tuple[str, int, bytes, str, str, str, int]]]:
    for start in range(0, len(ids), PORTION):
        asked = sa.select(case_keys).where(case_keys.c.case_id.in_(ids[start : start + PORTION]))
        yield from connection.execute(asked.order_by(case_keys.c.case_id, case_keys.c.number))
