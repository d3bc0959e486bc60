"""Writes what must outlive the retention of a state topic down again once a day, a few keys with each portion.

Only what names no device is renewed. Whoever has a device in it, or a token of one, is left to the retention.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

RENEWED_KEY = b"renewed"

# Together 1 MiB at most, so that a day's renewal never makes a transaction large.
KEYS_A_PORTION = 512


class Renewal:
    """What of one partition is still to be written down again today.

    Args:
        state: the state topic's newest value of each key of the partition.
    """

    def __init__(self, state: Mapping[bytes, bytes]) -> None:
        told = state.get(RENEWED_KEY)
        self._done = None if told is None else date.fromisoformat(told.decode())
        self._day: date | None = None
        self._due: tuple[bytes, ...] = ()

    def due(self, at: datetime | None, *, keys: Callable[[], Iterable[bytes]]) -> tuple[bytes, ...] | None:
        """Return the keys to write with the portion in hand, None: this day's are written.

        Args:
            at: the time, as far as records or the machine told it; None: not at all.
            keys: gives all keys that are to be renewed, when a new day begins.
        """
        if at is None or (self._done is not None and at.date() <= self._done):
            return None
        if self._day != at.date():
            self._day, self._due = at.date(), tuple(sorted(keys()))
        return self._due[:KEYS_A_PORTION]

    def state(self, due: tuple[bytes, ...] | None) -> dict[bytes, bytes]:
        """Return what is written beside *due*: with the last of them, that the day is done."""
        if due is None or self._day is None or len(due) < len(self._due):
            return {}
        return {RENEWED_KEY: self._day.isoformat().encode()}

    def committed(self, due: tuple[bytes, ...] | None) -> None:
        """Take *due* for written down."""
        if due is None:
            return
        self._due = self._due[len(due) :]
        if not self._due:
            self._done = self._day
