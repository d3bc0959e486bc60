"""Break-glass in the case log: who asked for which device and why, and who allowed it. Two people of two roles.

The rows lie in the one chain with everything else (`cases verify`), under the name of the request, and name no device:
a commitment shows later which one was meant.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from rules.errors import StepRefusedError
from rules.store.chain import Break
from rules.store.keys import KeysInHand, live_keys
from rules.store.log import read_log
from rules.store.rows import LogRow
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
"""Requests of which the desk tells, the latest; approvals are listed all, for each took an officer."""
SHORTEST_REASON: Final = 20
LONGEST_REASON: Final = 500
"""Somebody reads it before they allow anything, and it lies in the log for ever."""
MOST_OPEN: Final = 5
"""Requests of one person that wait for an answer: more than alarms in an hour, and a bound for the log."""
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
    """Account; empty: the row cannot be read, for its key is not here."""
    role: str
    reason: str
    """Why; empty where somebody allowed it. Untrusted: escape before showing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassApproval:
    """One row by which somebody allowed a request."""

    given: GlassEntry
    """The row itself."""
    asked: GlassEntry | None
    """What was asked; None: there is no such row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassRecord:
    """What was allowed and asked, the newest first."""

    approvals: list[GlassApproval]
    """All of them."""
    requests: list[GlassEntry]
    """The latest, allowed or not (`MOST_LISTED`)."""
    asked: int
    """Requests in all."""


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
            StepRefusedError: the reason says nothing or too much, an officer asks, who is the one to allow it, or
                *by* waits for too many answers.
            StoreError: it could not be written.
        """
        if role == "officer":
            raise StepRefusedError("an officer allows and does not ask; let district IT ask")
        if len(reason.strip()) < SHORTEST_REASON:
            raise StepRefusedError(f"the reason is shorter than {SHORTEST_REASON} characters; say what the alarm was")
        if len(reason) > LONGEST_REASON:
            raise StepRefusedError(f"the reason is longer than {LONGEST_REASON} characters; say it shorter")
        request = f"glass-{secrets.token_hex(8)}"
        said = {"v": 1, "by": by, "role": role, "reason": reason, "device": commit(request)}
        with self._store.database.writing() as connection:
            # First, for it holds the head of the log: of two requests at once the later one counts the earlier.
            log = self._store.log_writer(connection)
            self._check_open(connection, by=by)
            log.keys.need([request])
            log.append(request, version=1, kind=ASKED, at=log.at, entry=json.dumps(said, sort_keys=True))
            log.flush()
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

    def record(self) -> GlassRecord:
        """Return what was allowed and asked; what cannot be read is there with its time.

        Raises:
            StoreError: the store cannot be read.
        """
        kept = case_log.c
        allowed = _rows_of(ALLOWED)
        asked = _rows_of(ASKED)
        answered = asked.where(kept.case_id.in_(sa.select(kept.case_id).where(kept.kind == ALLOWED)))
        with self._store.database.reading() as connection:
            given = _read(connection, allowed)
            of_given = {entry.request: entry for entry in _read(connection, answered)}
            requests = _read(connection, asked.limit(MOST_LISTED))
            total = connection.execute(sa.select(sa.func.count()).where(kept.kind == ASKED)).scalar_one()
        approvals = [GlassApproval(given=entry, asked=of_given.get(entry.request)) for entry in given]
        return GlassRecord(approvals=approvals, requests=requests, asked=total)

    def _check_open(self, connection: sa.Connection, *, by: str) -> None:
        kept, now = case_log.c, self._clock()
        # Older ones and those dated further ahead are allowed no more, so they wait for nothing.
        waiting = _rows_of(ASKED).where(
            kept.at.between(_stamp(now - WAITS), _stamp(now + MOST_AHEAD)),
            kept.case_id.not_in(sa.select(kept.case_id).where(kept.kind == ALLOWED)),
        )
        if sum(entry.by == by for entry in _read(connection, waiting)) >= MOST_OPEN:
            raise StepRefusedError(
                f"{by} waits for {MOST_OPEN} answers already; let an officer answer them, or ask again within the hour"
            )


def _stamp(at: datetime) -> str:
    """Return *at* as rows of the log carry it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _rows_of(kind: str) -> sa.Select[Any]:
    return sa.select(case_log).where(case_log.c.kind == kind).order_by(case_log.c.seq.desc())


def _read(connection: sa.Connection, asked: sa.Select[Any]) -> list[GlassEntry]:
    rows = [LogRow(**row) for row in connection.execute(asked).mappings()]
    keys = KeysInHand(live_keys(connection, ids=[*{row.case_id for row in rows}]))
    return [_entry(open_entry(row, opener=keys.open)) for row in rows]


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
        request=row.case_id, kind=row.kind, at=row.at, by=said.get("by", ""), role=said.get("role", ""),
        reason=said.get("reason", ""),
    )  # fmt: skip
