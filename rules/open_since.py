"""Since when something of each local day is held that is not closed. A day that is opened anew begins anew.

Whoever should end a day may have lost what it knew of it. So a day that stays open is ended a week after it was opened.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

UNENDED_DAYS: Final = 7
"""A day of which no end came is closed so long after something of it was taken in: twice what stage one keeps it."""

_days = msgspec.json.Decoder(dict[date, date])


class OpenSince:
    """The ledger of one partition. Dates of the machine are UTC.

    Args:
        state: the state topic's newest value of each key of the partition.
        key: where the ledger lies there.
    """

    def __init__(self, state: Mapping[bytes, bytes], *, key: bytes) -> None:
        self._key = key
        kept = state.get(key)
        self._since: dict[date, date] | None = None if kept is None else _days.decode(kept)
        self._on: date | None = None

    @property
    def overdue(self) -> set[date]:
        """The local days that have been open for too long."""
        if self._on is None or self._since is None:
            return set()
        limit = self._on - timedelta(days=UNENDED_DAYS)
        return {day for day, since in self._since.items() if since <= limit}

    def opens(self, day: date) -> dict[bytes, bytes | None]:
        """Learn that something of *day* is held; return the state keys that change."""
        if self._since is None or self._on is None or day in self._since:
            return {}
        self._since[day] = self._on
        return self._as_state()

    def passed(self, on: date, *, open_days: Collection[date], since: Mapping[date, date]) -> dict[bytes, bytes | None]:
        """Learn the date; return the state keys that change.

        Args:
            on: the date.
            open_days: local days of which something is held that is not closed.
            since: local day -> since when anything of it is held, for a state of releases before.
        """
        before, self._on = self._since, on
        known = since if before is None else before
        self._since = {day: known.get(day, on) for day in open_days}
        return {} if self._since == (before or {}) else self._as_state()

    def closed(self, days: Collection[date]) -> dict[bytes, bytes | None]:
        """Learn that these days are closed; return the state keys that change."""
        if self._since is None or not set(days) & self._since.keys():
            return {}
        self._since = {day: since for day, since in self._since.items() if day not in days}
        return self._as_state()

    def _as_state(self) -> dict[bytes, bytes | None]:
        return {self._key: msgspec.json.encode(dict(sorted((self._since or {}).items())))}
