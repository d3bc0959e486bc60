"""Remembers which events were judged, so that a replay or an overlapping input counts nothing twice. Bounded."""

from __future__ import annotations

from array import array
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

# 8 octets of hash: among 2,000,000 ids of one day two share one by chance once in 9 million days.
HASH_BYTES = 8

# A day of 20,000 devices; beyond it ids are no longer remembered (counted), so a repeat would count twice.
MAX_IDS_PER_DAY = 2_000_000

# Inputs overlap by minutes, a broker repeats within its retention of three days. The oldest day is forgotten first.
MAX_DAYS = 4


# A piece is rewritten with every portion until it is full: 4 KiB at most.
PIECE = 512


def id_number(event_id: str) -> int:
    """Return the number by which an event id is known again."""
    return int.from_bytes(blake2b(event_id.encode(), digest_size=HASH_BYTES).digest(), "big")


class SeenIds:
    """The ids of the last days, as hashes."""

    def __init__(self) -> None:
        self._days: dict[date, set[int]] = {}
        self.repeated = 0
        """Events dropped because their id was known."""
        self.unremembered = 0
        """Ids that found no room."""

    def is_new(self, event_id: str, *, day: date) -> bool:
        """Return whether this id was not seen before on this day, and remember it."""
        ids = self._days.get(day)
        if ids is None:
            ids = self._open(day)
        key = id_number(event_id)
        if key in ids:
            self.repeated += 1
            return False
        if len(ids) < MAX_IDS_PER_DAY:
            ids.add(key)
        else:
            self.unremembered += 1
        return True

    def _open(self, day: date) -> set[int]:
        ids: set[int] = set()
        self._days[day] = ids
        if len(self._days) > MAX_DAYS:
            del self._days[min(self._days)]
        return ids

    def as_state(self) -> dict[date, bytes]:
        """Return what is remembered as octets by day, for `restore`."""
        return {day: array("Q", sorted(ids)).tobytes() for day, ids in self._days.items()}

    def restore(self, state: Mapping[date, bytes]) -> None:
        """Remember what `as_state` wrote down on a machine of the same byte order."""
        for day in sorted(state):
            ids = array("Q")
            ids.frombytes(state[day])
            self._days.setdefault(day, set()).update(ids)


class DayIds:
    """The ids of one day, as numbers, written down in pieces so that a portion rewrites only the last of them."""

    def __init__(self, pieces: Mapping[int, bytes] | None = None) -> None:
        self._known: set[int] = set()
        self._open: list[int] = []
        self._last = 0
        for number, octets in (pieces or {}).items():
            ids = array("Q")
            ids.frombytes(octets)
            self._known.update(ids)
            if number >= self._last:
                self._last, self._open = number, list(ids)

    def __contains__(self, number: int) -> bool:
        return number in self._known

    def __len__(self) -> int:
        return len(self._known)

    @property
    def pieces(self) -> int:
        """How many pieces are written down."""
        return self._last + bool(self._open)

    def pieces_with(self, fresh: Sequence[int]) -> dict[int, bytes]:
        """Return piece -> octets of those that change when *fresh* are added; nothing changes here."""
        changed, number, piece, at = {}, self._last, self._open, 0
        while at < len(fresh):
            if len(piece) >= PIECE:
                number, piece = number + 1, []
            room = PIECE - len(piece)
            piece = [*piece, *fresh[at : at + room]]
            at += room
            # In the order of this machine; the machines of one group have the same.
            changed[number] = array("Q", piece).tobytes()
        return changed

    def add(self, fresh: Iterable[int]) -> None:
        """Remember *fresh*."""
        for number in fresh:
            if len(self._open) >= PIECE:
                self._last, self._open = self._last + 1, []
            self._open.append(number)
            self._known.add(number)
