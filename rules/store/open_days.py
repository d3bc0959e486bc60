"""Findings of devices in the store: sealed with the key of their case and, within that, with a key of their open day.

Contacts of an open day are sealed with the same key (`rules.store.state`). It is destroyed when the day is closed, and
no file of keys ever holds it: whoever has a backup of that day, and all keys that are left, finds no device in it.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from rules.case_keys import OPEN_DAY, open_day_id
from rules.small_numbers import quarter
from rules.store.schema import case_keys, findings
from rules.store.scrubbing import ask_for_scrub

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from rules.store.keys import KeysInHand, WritingKeys

# No finding begins so that is not sealed for its day: those are JSON.
_FORM: Final = b"\x02"
_DATE_OCTETS: Final = 10


def seal_for_day(body: bytes, *, day: date, keys: WritingKeys) -> bytes:
    """Return a finding of a device, as JSON, sealed with the key of its open day."""
    return _FORM + day.isoformat().encode() + keys.of(open_day_id(day)).seal(body, kind="finding")


def open_for_day(octets: bytes, *, keys: KeysInHand) -> bytes | None:
    """Return a finding as JSON, None: it was of a device, and its day is over."""
    if not octets.startswith(_FORM):
        return octets
    head, sealed = octets[len(_FORM) :][:_DATE_OCTETS], octets[len(_FORM) + _DATE_OCTETS :]
    return keys.open(open_day_id(date.fromisoformat(head.decode())), sealed, "finding")


def end_days(connection: sa.Connection, days: Collection[date], *, at: str) -> None:
    """Destroy the keys of these open days.

    Args:
        connection: a writing transaction.
        days: local dates.
        at: the time, ISO 8601 UTC.
    """
    which = case_keys.c.case_id.in_([open_day_id(day) for day in days])
    still = sa.update(case_keys).where(which, case_keys.c.destroyed_at.is_(None))
    if connection.execute(still.values(key=None, destroyed_at=quarter(at))).rowcount:
        ask_for_scrub(connection)


def days_that_are_open(connection: sa.Connection, *, before: str | None = None) -> set[date]:
    """Return the local days that nobody has closed.

    Args:
        connection: where to look.
        before: those alone whose key was made before this moment, ISO 8601 UTC; None: all.
    """
    kept = case_keys.c
    asked = sa.select(kept.case_id).where(
        kept.case_id.startswith(OPEN_DAY, autoescape=True), kept.destroyed_at.is_(None)
    )
    asked = asked if before is None else asked.where(kept.made_at < before)
    return {date.fromisoformat(owner.removeprefix(OPEN_DAY)) for owner in connection.execute(asked).scalars()}


def unreadable(connection: sa.Connection, *, keys: KeysInHand) -> Iterator[str]:
    """Yield the ids of findings of devices whose day is over: nobody closed it, or they came out of a backup."""
    kept = findings.c
    for row in connection.execute(sa.select(kept.id, kept.case_id, kept.body)):
        body = keys.open(row.case_id, row.body, "finding")
        if body is not None and open_for_day(body, keys=keys) is None:
            yield row.id
