"""Which days are over for stage two: stage one says of each finding when its key is gone, and then no word of it comes.

A day is closed (`rules.closed_findings`) when all findings of it that are held are over; one that nobody ends, because
stage one lost its state, after a week. From then on a record of that day that lies before the end is a repeat.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING, Final

import msgspec

from rules.open_since import OpenSince
from rules.records import KIND, OVER, Output

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

OVER_KEYS: Final = b"over/"
CLOSED_KEYS: Final = b"closed/"
SINCE_KEY: Final = b"findings-since"
"""Since when findings of devices are held of each local day."""

MOST_IDS: Final = 10_000
"""Ids in one record, some 35 octets each."""


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """Findings to which nothing will be added: their day's key is destroyed."""

    day: date
    """Local date of the findings."""
    ids: tuple[str, ...]
    """Their ids."""


_decoder = msgspec.json.Decoder(Over)


def over_records(ended: Mapping[tuple[bytes, date], Iterable[str]]) -> Iterator[Output]:
    """Yield the records that end findings; *ended*: agreement and day -> ids."""
    for (agreement, day), ids in sorted(ended.items()):
        told = sorted(ids)
        for start in range(0, len(told), MOST_IDS):
            value = msgspec.json.encode(Over(day=day, ids=tuple(told[start : start + MOST_IDS])))
            yield Output(topic="findings", key=agreement, value=value, headers=((KIND, OVER),))


class EndedDays:
    """The ends that one partition of stage two was told.

    Args:
        state: the state topic's newest value of each key of the partition.
    """

    def __init__(self, state: Mapping[bytes, bytes]) -> None:
        self._over: defaultdict[date, set[str]] = defaultdict(set)
        self._keys: defaultdict[date, list[bytes]] = defaultdict(list)
        self._closed: dict[date, int] = {}
        self._since = OpenSince(state, key=SINCE_KEY)
        for key, body in state.items():
            if key.startswith(OVER_KEYS):
                self._take(key, _decoder.decode(body))
            elif key.startswith(CLOSED_KEYS):
                self._closed[_day(key.removeprefix(CLOSED_KEYS))] = int(body)

    def note(self, value: bytes, *, offset: int) -> dict[bytes, bytes | None]:
        """Take in a record that ends findings; return the state keys that change.

        Raises:
            msgspec.DecodeError: it is none.
        """
        told = _decoder.decode(value)
        if offset <= self._closed.get(told.day, -1):
            return {}
        key = b"%s%s/%d" % (OVER_KEYS, _text(told.day), offset)
        self._take(key, told)
        return {key: value}

    def is_repeat(self, day: date, *, offset: int) -> bool:
        """Return whether a finding of *day* that is not held was taken in before the day was closed."""
        return offset <= self._closed.get(day, -1)

    def opens(self, day: date) -> dict[bytes, bytes | None]:
        """Learn that a finding of *day* is held that is of devices; return the state keys that change."""
        return self._since.opens(day)

    def passed(self, on: date, *, open_days: Collection[date], since: Mapping[date, date]) -> dict[bytes, bytes | None]:
        """Learn the date (UTC); return the state keys that change.

        Args:
            on: the date.
            open_days: local days of which findings of devices are held.
            since: local day -> since when anything of it is held, for a state of releases before.
        """
        return self._since.passed(on, open_days=open_days, since=since)

    @property
    def overdue(self) -> set[date]:
        """The days to be closed though nobody ended them."""
        return self._since.overdue

    def ready(self, held: Mapping[date, Collection[str]]) -> set[date]:
        """Return the days that can be closed; *held*: day -> ids of its findings that are of devices."""
        return {day for day, ids in held.items() if ids and day in self._over and self._over[day].issuperset(ids)}

    def close(self, day: date, *, through: int) -> dict[bytes, bytes | None]:
        """Take down that *day* is closed with all up to the offset *through*; return the state keys that change."""
        self._closed[day] = max(through, self._closed.get(day, -1))
        closed = {CLOSED_KEYS + _text(day): b"%d" % self._closed[day]}
        # What opens such a day anew has a week of its own.
        return {**self._drop(day), **self._since.closed([day]), **closed}

    def let_go(self, days: Iterable[date]) -> dict[bytes, bytes | None]:
        """Forget these days; return the state keys that change."""
        changed: dict[bytes, bytes | None] = {}
        for day in days:
            changed |= self._drop(day)
            if self._closed.pop(day, None) is not None:
                changed[CLOSED_KEYS + _text(day)] = None
        return changed

    def _take(self, key: bytes, told: Over) -> None:
        self._over[told.day] |= {*told.ids}
        self._keys[told.day].append(key)

    def _drop(self, day: date) -> dict[bytes, bytes | None]:
        self._over.pop(day, None)
        return dict.fromkeys(self._keys.pop(day, []))


def _day(text: bytes) -> date:
    return date.fromisoformat(text.decode())


def _text(day: date) -> bytes:
    return day.isoformat().encode()
