"""Break-glass in the case log: who asked for which device and why, and who allowed it. Two people of two roles.

The rows lie in the one chain with everything else (`cases verify`), under the name of the request, and name no device:
a commitment shows later which one was meant.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from rules.errors import StepRefusedError
from rules.store.chain import Break
from rules.store.keys import KeysInHand, live_keys
from rules.store.log import read_log
from rules.store.schema import access_log, case_log
from rules.store.sealing import open_entry
from rules.versions import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.store.case_store import Store
    from rules.store.rows import LogEntry

ASKED: Final = "glass_asked"
ALLOWED: Final = "glass_allowed"
MOST_LISTED: Final = 200
SHORTEST_REASON: Final = 20
WAITS: Final = timedelta(hours=1)
"""How long a request waits for the second person."""
# As much as the collector grants an approval (`collector.break_glass`): two clocks of one house differ by less.
MOST_AHEAD: Final = timedelta(minutes=5)
SETTLED: Final = timedelta(days=1)
"""How long before the request an officer's account was made or changed last. A number names a device on one day alone:
whoever makes an officer for the device of today comes too late for it, and stands among the sign-ins meanwhile."""
_ACCOUNT_CHANGES: Final = ("user_added", "user_changed", "user_removed")


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassEntry:
    """One row of the log about break-glass."""

    request: str
    kind: str
    at: str
    by: str
    role: str
    reason: str
    """Why; empty where somebody allowed it."""


class GlassLog:
    """What the log says of break-glass.

    Args:
        store: the case store.
        clock: returns the time.
    """

    def __init__(self, store: Store, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._clock = clock

    def ask(self, *, by: str, role: str, reason: str, commit: Callable[[str], str]) -> str:
        """Write down that *by* asks, and return the name of the request.

        Args:
            by: account.
            role: its role.
            reason: why, in their own words.
            commit: returns what the log keeps of the device, from the name of the request.

        Raises:
            StepRefusedError: the reason says nothing, or an officer asks, who is the one to allow it.
            StoreError: it could not be written.
        """
        if role == "officer":
            raise StepRefusedError("an officer allows and does not ask; let district IT ask")
        if len(reason.strip()) < SHORTEST_REASON:
            raise StepRefusedError(f"the reason is shorter than {SHORTEST_REASON} characters; say what the alarm was")
        request = f"glass-{secrets.token_hex(8)}"
        self._append(request, kind=ASKED, entry={"by": by, "role": role, "reason": reason, "device": commit(request)})
        return request

    def wanted(self, request: str, *, by: str, role: str, commitment: str) -> GlassEntry:
        """Return what was asked, where *by* may allow it now; nothing is written.

        Raises:
            StepRefusedError: as `allow` does.
            StoreError: the store cannot be read.
        """
        self._check_chain()
        with self._store.database.reading() as connection:
            keys = KeysInHand(live_keys(connection, ids=[request]))
            rows = [open_entry(row, opener=keys.open) for row in read_log(connection, case_id=request)]
            asked = self._checked(rows, request=request, by=by, role=role, commitment=commitment)
            _check_account(connection, by=by, asked=asked)
        return asked

    def allow(self, request: str, *, by: str, role: str, commitment: str) -> GlassEntry:
        """Write down that *by* allows *request*, and return what was asked.

        Raises:
            StepRefusedError: the case log is not as it was written, there is no such request or it cannot be read, it
                is older than an hour or dated ahead, was allowed before, is for another device, the same person or
                another role allows it, or their account was made or changed less than a day before the request.
            StoreError: it could not be written.
        """
        self._check_chain()
        with self._store.database.writing() as connection:
            log = self._store.log_writer(connection)
            log.keys.need([request])
            rows = [open_entry(row, opener=log.keys.open) for row in read_log(connection, case_id=request)]
            asked = self._checked(rows, request=request, by=by, role=role, commitment=commitment)
            _check_account(connection, by=by, asked=asked)
            words = json.dumps({"v": 1, "by": by, "role": role, "device": commitment}, sort_keys=True)
            log.append(request, version=1, kind=ALLOWED, at=log.at, entry=words)
            log.flush()
        return asked

    def _checked(self, rows: list[LogEntry], *, request: str, by: str, role: str, commitment: str) -> GlassEntry:
        asked, device = _asked_in(rows, request=request)
        if by == asked.by:
            raise StepRefusedError("whoever asked cannot allow; a second person must")
        if role != "officer" or role == asked.role:
            raise StepRefusedError("only a privacy officer allows, when somebody of another role asked")
        self._check_age(asked)
        if commitment != device:
            raise StepRefusedError(f"{request} is for another device; take its number from whoever asked")
        return asked

    def _check_chain(self) -> None:
        """Refuse where rows were changed: the request may be one of them."""
        found = self._store.verify()
        if isinstance(found, Break):
            raise StepRefusedError(
                f"the case log is not as it was written: row {found.seq}, {found.what}; allow nothing, run "
                "`schoolgate cases verify`, find out who changed it, and restore a backup"
            )

    def _check_age(self, asked: GlassEntry) -> None:
        age = self._clock() - datetime.fromisoformat(asked.at)
        if age > WAITS:
            raise StepRefusedError(f"{asked.request} is older than an hour; ask again")
        if age < -MOST_AHEAD:
            raise StepRefusedError(
                f"{asked.request} is dated ahead of this clock ({asked.at}); set the clock right and ask again"
            )

    def latest(self) -> list[GlassEntry]:
        """Return the latest rows, the newest first.

        Raises:
            StoreError: the store cannot be read.
        """
        kinds = sa.select(case_log.c.case_id).where(case_log.c.kind.in_((ASKED, ALLOWED))).distinct()
        with self._store.database.reading() as connection:
            names = list(connection.execute(kinds).scalars())
            keys = KeysInHand(live_keys(connection, ids=names))
            rows = [row for name in names for row in read_log(connection, case_id=name)]
            opened = [open_entry(row, opener=keys.open) for row in sorted(rows, key=lambda row: -row.seq)]
        return [_entry(row) for row in opened[:MOST_LISTED] if row.entry != UNREADABLE]

    def _append(self, request: str, *, kind: str, entry: dict[str, str]) -> None:
        with self._store.database.writing() as connection:
            log = self._store.log_writer(connection)
            log.keys.need([request])
            log.append(request, version=1, kind=kind, at=log.at, entry=json.dumps({"v": 1, **entry}, sort_keys=True))
            log.flush()


def _check_account(connection: sa.Connection, *, by: str, asked: GlassEntry) -> None:
    """Refuse where the account of *by* is newer than a day before the request, as far as the access log tells."""
    since = (datetime.fromisoformat(asked.at) - SETTLED).strftime("%Y-%m-%dT%H:%M:%SZ")
    kept = access_log.c
    changes = sa.select(sa.func.max(kept.at)).where(kept.who == by, kept.what.in_(_ACCOUNT_CHANGES), kept.at >= since)
    changed = connection.execute(changes).scalar()
    if changed is not None:
        raise StepRefusedError(
            f"the account {by} was made or changed at {changed}, less than a day before {asked.request} was written or "
            "after it; let another officer allow it, or ask again a day after that change"
        )


def _asked_in(rows: list[LogEntry], *, request: str) -> tuple[GlassEntry, str]:
    """Return what was asked, and what the log keeps of the device."""
    asked = next((row for row in rows if row.kind == ASKED), None)
    if asked is None:
        raise StepRefusedError(f"there is no request {request}")
    if asked.entry == UNREADABLE:
        raise StepRefusedError(f"{request} cannot be read, for its key is not in this store; ask again")
    if any(row.kind == ALLOWED for row in rows):
        raise StepRefusedError(f"{request} was allowed before; one request, one answer")
    return _entry(asked), json.loads(asked.entry)["device"]


def _entry(row: LogEntry) -> GlassEntry:
    said = json.loads(row.entry)
    return GlassEntry(
        request=row.case_id, kind=row.kind, at=row.at, by=said["by"], role=said["role"], reason=said.get("reason", "")
    )
