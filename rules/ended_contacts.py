"""Which contacts are over for the estimator: stage one says so with the key of a day, behind its last counts of them.

A day is closed (`rules.closed_contacts`) when all partitions that told counts of it have said so; one that nobody ends,
because stage one lost its state, after a week. What was closed is kept by name: a later word about it is a repeat.
"""

from __future__ import annotations

from datetime import date  # noqa: TC003 -- whoever decodes resolves the annotations
from typing import TYPE_CHECKING, Final

import msgspec

from rules.contact_records import Opening
from rules.open_since import OpenSince
from rules.records import CONTACTS_OVER, KIND, Output

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from rules.records import Record

OVER_KEYS: Final = b"contacts-over/"
CLOSED_KEYS: Final = b"contacts-closed/"
SINCE_KEY: Final = b"contacts-since"
"""Since when counts that are not closed are held of each local day."""


class ContactsOver(msgspec.Struct, frozen=True, kw_only=True):
    """Contacts to which nothing will be added: their day's key is destroyed."""

    partition: int
    """Input partition."""
    day: date
    """Local date of the contacts."""
    opened: int
    """Offset of the first record with contacts of the day."""


_decoder = msgspec.json.Decoder(ContactsOver)


def over_record(opening: Opening) -> Output:
    """Return the record that ends contacts."""
    value = msgspec.json.encode(ContactsOver(partition=opening.partition, day=opening.day, opened=opening.opened))
    return Output(topic="findings", key=opening.key, value=value, headers=((KIND, CONTACTS_OVER),), partition=0)


class EndedContacts:
    """The ends that the estimator was told, and what it has closed.

    Args:
        state: the state topic's newest value of each key of the partition.
    """

    def __init__(self, state: Mapping[bytes, bytes]) -> None:
        self._over = {_opening(_decoder.decode(body)) for key, body in state.items() if key.startswith(OVER_KEYS)}
        self._closed = {_opening(_decoder.decode(body)) for key, body in state.items() if key.startswith(CLOSED_KEYS)}
        self._since = OpenSince(state, key=SINCE_KEY)

    @property
    def days(self) -> set[date]:
        """The local days of which anything is known here."""
        return {each.day for each in self._over | self._closed}

    def note(self, record: Record) -> dict[bytes, bytes | None]:
        """Take in a record that ends contacts; return the state keys that change.

        Raises:
            msgspec.DecodeError: it is none.
            ValueError: its key is that of others.
        """
        value = record.value or b""
        opening = _opening(_decoder.decode(value))
        if record.key != opening.key:
            raise ValueError("the key is that of other contacts")
        if opening in self._over or opening in self._closed:
            return {}
        self._over.add(opening)
        return {OVER_KEYS + opening.key: value}

    def is_repeat(self, opening: Opening) -> bool:
        """Return whether these contacts were closed."""
        return opening in self._closed

    def opens(self, day: date) -> dict[bytes, bytes | None]:
        """Learn that counts of *day* that are not closed are held; return the state keys that change."""
        return self._since.opens(day)

    def passed(self, on: date, *, open_days: Collection[date], since: Mapping[date, date]) -> dict[bytes, bytes | None]:
        """Learn the date (UTC); return the state keys that change.

        Args:
            on: the date.
            open_days: local days of which counts that are not closed are held.
            since: local day -> since when anything of it is held, for a state of releases before.
        """
        return self._since.passed(on, open_days=open_days, since=since)

    def ready(self, held: Iterable[Opening]) -> set[date]:
        """Return the days that can be closed; *held*: what is not closed."""
        held = set(held)
        days, untold = {each.day for each in held}, {each.day for each in held - self._over}
        return (days - untold) | (days & self._since.overdue)

    def close(self, openings: Iterable[Opening]) -> dict[bytes, bytes | None]:
        """Return the state keys that change when these are closed; nothing changes here before `closed`."""
        changed: dict[bytes, bytes | None] = {}
        for each in sorted(openings):
            changed[OVER_KEYS + each.key] = None
            changed[CLOSED_KEYS + each.key] = over_record(each).value
        return changed

    def closed(self, openings: Collection[Opening]) -> dict[bytes, bytes | None]:
        """Take these for closed, as has been committed; return the state keys that are to change with the next."""
        self._over -= {*openings}
        self._closed |= {*openings}
        return self._since.closed({each.day for each in openings})

    def let_go(self, days: Collection[date]) -> dict[bytes, bytes | None]:
        """Forget these days; return the state keys that change."""
        over, closed = ({each for each in held if each.day in days} for held in (self._over, self._closed))
        self._over -= over
        self._closed -= closed
        return dict.fromkeys([*(OVER_KEYS + each.key for each in over), *(CLOSED_KEYS + each.key for each in closed)])


def _opening(told: ContactsOver) -> Opening:
    return Opening(told.partition, told.day, told.opened)
