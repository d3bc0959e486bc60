"""What is left of the counts of contacts of days that are over (`rules.closed_contacts`), as the estimator keeps it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

LEFT_KEYS: Final = b"contacts-left/"


class LeftPart(NamedTuple):
    """One record of what is left of a day."""

    day: date
    """Local date."""
    closing: int
    """1, 2, ...: what is closed is never taken up again, and a day that was opened anew is closed once more."""
    number: int
    """Number of the record, from 0."""

    @property
    def state_key(self) -> bytes:
        """The state key."""
        return b"%s%s/%d/%d" % (LEFT_KEYS, self.day.isoformat().encode(), self.closing, self.number)


class LeftCounts:
    """All that is left, packed.

    Args:
        state: the state topic's newest value of each key of the partition.
    """

    def __init__(self, state: Mapping[bytes, bytes]) -> None:
        self._parts = {_part_in(key): body for key, body in state.items() if key.startswith(LEFT_KEYS)}
        self.octets = sum(map(len, self._parts.values()))
        """Octets of it."""

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def days(self) -> set[date]:
        """The local days of which anything is left."""
        return {part.day for part in self._parts}

    def all(self) -> list[bytes]:
        """Return everything, by day."""
        return [self._parts[part] for part in sorted(self._parts)]

    def number(self, day: date) -> int:
        """Return the number of the next closing of *day*."""
        return 1 + max((part.closing for part in self._parts if part.day == day), default=0)

    def keep(self, parts: Mapping[LeftPart, bytes]) -> None:
        """Hold what is left of further days."""
        self._parts |= parts
        self.octets += sum(map(len, parts.values()))

    def let_go(self, days: Collection[date]) -> dict[bytes, bytes | None]:
        """Drop these days; return the state keys that change."""
        gone = [part for part in self._parts if part.day in days]
        self.octets -= sum(len(self._parts.pop(part)) for part in gone)
        return {part.state_key: None for part in gone}


def _part_in(state_key: bytes) -> LeftPart:
    day, closing, number = state_key.removeprefix(LEFT_KEYS).split(b"/")
    return LeftPart(date.fromisoformat(day.decode()), int(closing), int(number))
