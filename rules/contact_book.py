"""Contacts and counts of the embedded service, in its store: open days as contacts, closed ones as counts alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from rules.closed_contacts import closed
from rules.contacts import ContactLog, pieces
from rules.counted import packed_closed, unpacked
from rules.windows import Counts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rules.store import Store

CONTACTS: Final = "contacts/"
"""State names of the contacts of open days: day, number of the piece."""
COUNTED: Final = "counted/"
"""State names of the counts of closed days: day, and a number from 1."""
FIRST_HOUR: Final = 100_000
"""Numbers from here on are hours since 1970 (UTC), by which releases before kept their counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is to be written down."""

    written: Mapping[str, bytes]
    """State by name."""
    dropped: tuple[str, ...]
    """Names of state that is to be forgotten."""
    taken: int
    """Contacts among it."""


class ContactBook:
    """Keeps contacts over restarts.

    Args:
        store: where they lie.
    """

    def __init__(self, store: Store) -> None:
        self.log = ContactLog()
        """The contacts of open days."""
        self.closed = Counts()
        """The counts of closed days."""
        self._names: dict[date, list[str]] = {}
        self._number = 0
        for name, octets in store.states(CONTACTS).items():
            day, _, number = name.removeprefix(CONTACTS).partition("/")
            self.log.restore(date.fromisoformat(day), octets)
            self._names.setdefault(date.fromisoformat(day), []).append(name)
            self._number = max(self._number, int(number) + 1)
        self._counted = {name: unpacked(octets) for name, octets in store.states(COUNTED).items()}
        self._written: dict[str, bytes] = {}
        self._dropped: list[str] = []
        self._close_old()
        for name in sorted(self._counted):
            self.closed.add(self._counted[name])
        self.log.fresh = []

    def close(self, day: date, *, counts: Counts) -> None:
        """Replace the contacts of *day* by counts, whose rows are closed, when next written down."""
        self._keep(day, counts)
        self._dropped += self._names.pop(day, [])
        self.log.fresh = [met for met in self.log.fresh or () if met.day != day]

    def _keep(self, day: date, counts: Counts) -> None:
        """Keep counts under a name of their own: what is closed is never taken up again."""
        number = 1 + sum(_day_of(name) == day and _number_of(name) < FIRST_HOUR for name in self._counted)
        name = f"{COUNTED}{day.isoformat()}/{number}"
        self._counted[name] = counts
        self._written[name] = packed_closed(counts)

    def _close_old(self) -> None:
        """Close what releases before kept by the hour, with contacts of devices to the minute."""
        old = [name for name in self._counted if _number_of(name) >= FIRST_HOUR]
        for day in sorted({_day_of(name) for name in old}):
            whole = Counts()
            for name in sorted(each for each in old if _day_of(each) == day):
                whole.add(self._counted.pop(name))
            whole.rows = closed(whole.rows)
            self._keep(day, whole)
        self._dropped += old

    def let_go(self, days: Collection[date]) -> None:
        """Drop the counts of these days, when next written down; `closed` is another object then."""
        gone = [name for name in self._counted if _day_of(name) in days]
        for name in gone:
            del self._counted[name]
            self._written.pop(name, None)
        self._dropped += gone
        self.closed = Counts()
        for name in sorted(self._counted):
            self.closed.add(self._counted[name])

    @property
    def days(self) -> set[date]:
        """The closed days of which counts are held."""
        return {_day_of(name) for name in self._counted}

    def changes(self) -> Kept:
        """Return what changed since the last commit."""
        fresh = self.log.fresh or []
        written = dict(self._written)
        for day, octets in pieces(fresh).items():
            written[f"{CONTACTS}{day.isoformat()}/{self._number}"] = octets
        return Kept(written=written, dropped=tuple(self._dropped), taken=len(fresh))

    def committed(self, kept: Kept) -> None:
        """Take *kept* for written down."""
        self._written = {name: body for name, body in self._written.items() if kept.written.get(name) != body}
        self._dropped = [name for name in self._dropped if name not in kept.dropped]
        for name in kept.written:
            if name.startswith(CONTACTS):
                day = date.fromisoformat(name.removeprefix(CONTACTS).partition("/")[0])
                self._names.setdefault(day, []).append(name)
        if kept.taken:
            self._number += 1
            del (self.log.fresh or [])[: kept.taken]


def _number_of(name: str) -> int:
    return int(name.rpartition("/")[2])


def _day_of(name: str) -> date:
    """Return the local day of a name of closed counts."""
    return date.fromisoformat(name.removeprefix(COUNTED).partition("/")[0])
