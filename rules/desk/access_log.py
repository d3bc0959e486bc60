"""Who signed in to the desk, failed to, or was given or lost the right to, and who took an evidence pack out of it.

What is done about cases is in the case log.

A table of the store: a desk may run where no file can be written, and whoever backs the store up has this too.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

import sqlalchemy as sa

from rules.store.schema import access_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.store import Store

What = Literal["signed_in", "sign_in_failed", "signed_out", "user_added", "user_changed", "user_removed", "pack_taken"]

MOST_KEPT: Final = 50_000
"""Rows kept, the latest ones: a year of a large office, and a bound for whoever tries passwords."""
UNKNOWN: Final = "(unknown name)"
"""In place of a name that nobody has: people type their password there by mistake."""
COMMAND_LINE: Final = "command line"
"""Where a change of users comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One row."""

    at: str
    """When, ISO 8601 UTC."""
    who: str
    """The account."""
    what: What
    """What happened."""
    origin: str
    """Address of the browser, or `COMMAND_LINE`."""


class AccessLog:
    """The access log in *store*; *clock* tells the time that its rows carry."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = store.database
        self._clock = clock

    def note(self, what: What, *, who: str, origin: str) -> None:
        """Add one row.

        Raises:
            StoreError: it could not be written.
        """
        now = self._clock().astimezone(UTC)
        row = {
            "id": f"{int(now.timestamp() * 1_000_000):020}-{secrets.token_hex(8)}",
            "at": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "who": who[:64], "what": what, "origin": origin[:64],
        }  # fmt: skip
        with self._database.writing() as connection:
            connection.execute(sa.insert(access_log), [row])
            oldest = sa.select(access_log.c.id).order_by(access_log.c.id.desc()).offset(MOST_KEPT).limit(1)
            surplus = connection.execute(oldest).scalar()
            if surplus is not None:
                connection.execute(sa.delete(access_log).where(access_log.c.id <= surplus))

    def latest(self, *, most: int) -> list[Access]:
        """Return the latest rows, the newest first."""
        kept = access_log.c
        asked = sa.select(kept.at, kept.who, kept.what, kept.origin).order_by(kept.id.desc()).limit(most)
        with self._database.reading() as connection:
            return [
                Access(at=at, who=who, what=what, origin=place) for at, who, what, place in connection.execute(asked)
            ]
