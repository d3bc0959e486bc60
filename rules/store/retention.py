"""Takes away what has been kept for as long as it may be: in bounded steps, by one process at a time, and noted down.

What a table does not say of itself, since when its rows are there, is kept beside them under names in `meta`: of each
local day of findings and counts, of each input, of each piece of contacts. What is found without a date is dated today,
so that it goes in time and never too soon.

A wrong clock may not change that. Where it is behind the newest entry of the case log, that entry's time is taken to
date by; what is dated later than that is dated anew.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import sqlalchemy as sa

from rules.contact_book import CONTACTS, COUNTED
from rules.errors import StoreError
from rules.life_cycle import ENDED
from rules.retention import FLOW_HOURS, DayLedger, Policy
from rules.small_numbers import band
from rules.store import schema
from rules.store.keys import KeysInHand, live_keys
from rules.store.open_days import days_that_are_open, end_days, unreadable
from rules.store.rounding import round_times
from rules.store.scrubbing import OF_DAYS, ask_for_scrub, scrub_if_asked
from rules.store.sealing import PURGED_KIND
from rules.store.state import day_key_of, destroy_day_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from rules.store.case_store import Store
    from rules.store.database import Database

STEP_ROWS: Final = 500
"""Rows of one transaction: whoever else writes waits no longer than for these."""
SCRUB_PATIENCE_S: Final = 1.0
"""Where others read for longer than this, unused pages are left to the next purge."""
DAYS: Final = "retention/days"
SEEN: Final = "retention/seen"
INPUT: Final = "input/"
"""Under these names in `SEEN` stand inputs; contacts stand under their own."""
LAST: Final = "retention/last"
PLACES: Final = ("findings", "counted", "contacts", "inputs", "outbox", "access_log")
"""What rows are taken away from."""


class _Dated(msgspec.Struct):
    id: str
    day: date


_dated = msgspec.json.Decoder(_Dated)


@dataclass(slots=True, kw_only=True)
class Purged:
    """What one purge came to."""

    removed: Counter[str] = field(default_factory=Counter)
    """Rows by place (`PLACES`)."""
    days: set[date] = field(default_factory=set)
    """Local days whose findings and counts are gone: whoever holds them in memory lets go of them as well."""
    due_cases: list[str] = field(default_factory=list)
    """Cases that the policy wants forgotten."""
    whole: bool = True
    """False: somebody else took over, or it was stopped; the rest comes with the next purge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastPurge:
    """What is noted of purges so far."""

    at: datetime | None
    """When the last one ended, UTC; None: there was none."""
    removed: dict[str, int]
    """Rows taken away since the store was made, by place."""


def read_ledger(database: Database) -> DayLedger:
    """Return since when evidence of each day is held.

    Raises:
        StoreError: the store cannot be read.
    """
    with database.reading() as connection:
        return ledger_in(connection)


def ledger_in(connection: sa.Connection) -> DayLedger:
    """Return the same, as one transaction sees it."""
    meta = schema.meta.c
    return DayLedger(connection.execute(sa.select(meta.value).where(meta.name == DAYS)).scalar())


def last_purge(database: Database) -> LastPurge:
    """Return what is noted of purges.

    Raises:
        StoreError: the store cannot be read.
    """
    kept = json.loads(noted(database, LAST) or "{}")
    at = kept.get("at")
    removed = {place: int(kept.get("removed", {}).get(place, 0)) for place in PLACES}
    return LastPurge(at=datetime.fromisoformat(at) if at else None, removed=removed)


def due_cases(database: Database, *, policy: Policy, now: datetime) -> list[str]:
    """Return the ids of cases that ended longer ago than the policy keeps them, the oldest first.

    A case that the evidence no longer supports and that nobody ended has no end, and waits for a person.
    """
    if policy.case_days is None:
        return []
    kept = schema.cases.c
    before = _stamp(now - timedelta(days=policy.case_days))
    asked = sa.select(kept.id).where(kept.status.in_(sorted(ENDED)), kept.ended_at < before).order_by(kept.ended_at)
    with database.reading() as connection:
        return list(connection.execute(asked).scalars())


def purge(
    store: Store,
    *,
    policy: Policy,
    now: datetime,
    dry: Literal["no", "yes"] = "no",
    still: Callable[[], bool] = lambda: True,
) -> Purged:
    """Take away what is due.

    Args:
        store: the case store.
        policy: how long what is kept.
        now: the time, UTC.
        dry: `yes`: nothing is changed, not even noted.
        still: asked between two steps; False: stop.

    Raises:
        StoreError: the store cannot be used; what was taken away until then is.
    """
    return _Purge(store, policy=policy, now=now.astimezone(UTC), dry=dry == "yes", still=still).run()


def note_held(store: Store, *, now: datetime) -> None:
    """Date what is there without a date, so that its time begins though nobody purges; take nothing away.

    Raises:
        StoreError: the store cannot be used.
    """
    purge = _Purge(store, policy=Policy(), now=now.astimezone(UTC), dry=False, still=lambda: True)
    purge.note()


class _Purge:
    def __init__(self, store: Store, *, policy: Policy, now: datetime, dry: bool, still: Callable[[], bool]) -> None:
        self._store, self._database = store, store.database
        self._policy, self._now, self._dry, self._still = policy, now, dry, still
        self._done = Purged()
        self._today = max(self._now, _newest_entry(self._database) or self._now)
        """By which is dated."""

    def note(self) -> None:
        """Note down since when everything is here."""
        findings, counted = self._by_day()
        with self._database.writing() as connection:
            # Read once more: meanwhile a person may have let something go by hand.
            ledger = self._dated(ledger_in(connection), {*findings, *counted})
            _write_note(connection, DAYS, ledger.as_state())
        self._note(SEEN, json.dumps(self._dated_pieces()))

    def run(self) -> Purged:
        """Go through all places."""
        for step in (self._days, self._unnamed, self._told, self._accesses):
            if self._done.whole:
                step()
        self._done.due_cases = due_cases(self._database, policy=self._policy, now=self._now)
        if not self._dry:
            self._round()
            self._note_end()
            self._log()
            self._scrub()
        return self._done

    def _days(self) -> None:
        """Findings and counts of closed days go by the day, so that a case never loses half of one."""
        findings, counted = self._by_day()
        ledger = self._dated(read_ledger(self._database), {*findings, *counted})
        due = ledger.due(self._now.date(), keep_days=self._policy.finding_days)
        if not self._dry:
            # First of all the horizon: a case that is looked at meanwhile must not be taken for unsupported.
            ledger.begin(due)
            self._note(DAYS, ledger.as_state())
        self._take("findings", schema.findings.c.id, [key for day in sorted(due) for key in findings.get(day, ())])
        self._take(
            "counted", schema.engine_state.c.name, [name for day in sorted(due) for name in counted.get(day, ())]
        )
        self._done.days = due
        if self._done.whole and not self._dry:
            ledger.let_go(due)
            self._note(DAYS, ledger.as_state())

    def _by_day(self) -> tuple[dict[date, list[str]], dict[date, list[str]]]:
        """Return the findings and the counts of each day."""
        findings: dict[date, list[str]] = {}
        for body in self._store.findings():
            found = _dated.decode(body)
            findings.setdefault(found.day, []).append(found.id)
        counted: dict[date, list[str]] = {}
        for name in self._names(COUNTED):
            counted.setdefault(date.fromisoformat(name.removeprefix(COUNTED).partition("/")[0]), []).append(name)
        return findings, counted

    def _dated(self, ledger: DayLedger, held: set[date]) -> DayLedger:
        """Return *ledger*, in which every day that is held has a date, and none one that is still to come."""
        ledger.bring_back(on=self._today.date())
        ledger.note(held, on=self._today.date())
        return ledger

    def _dated_pieces(self) -> dict[str, str]:
        """Return since when each input, and each piece of contacts, is held."""
        seen: dict[str, str] = json.loads(noted(self._database, SEEN) or "{}")
        with self._database.reading() as connection:
            known = [f"{INPUT}{key}" for key in connection.execute(sa.select(schema.inputs.c.sha256)).scalars()]
        here, today = {*known, *self._names(CONTACTS)}, _stamp(self._today)
        return {name: min(seen.get(name, today), today) for name in sorted(here)}

    def _unnamed(self) -> None:
        """Take away contacts that nobody closed in time, and inputs; neither says since when it is there."""
        seen, inputs = self._dated_pieces(), schema.inputs.c
        if not self._dry:
            self._note(SEEN, json.dumps(seen))
        limits = {CONTACTS: timedelta(hours=FLOW_HOURS), INPUT: timedelta(days=self._policy.finding_days)}
        gone = {
            prefix: [name for name, at in seen.items() if name.startswith(prefix) and at <= _stamp(self._now - limit)]
            for prefix, limit in limits.items()
        }
        self._take("contacts", schema.engine_state.c.name, gone[CONTACTS])
        self._open_days(_stamp(self._now - limits[CONTACTS]))
        self._take("inputs", inputs.sha256, [name.removeprefix(INPUT) for name in gone[INPUT]])
        if self._done.whole and not self._dry:
            left = seen.keys() - {*gone[CONTACTS], *gone[INPUT]}
            self._note(SEEN, json.dumps({name: seen[name] for name in sorted(left)}))

    def _open_days(self, before: str) -> None:
        """Take away what is held of devices of days that nobody closed in time, or that came out of a backup."""
        with self._database.reading() as connection:
            days = days_that_are_open(connection, before=before)
        if days and not self._dry:
            with self._database.writing() as connection:
                let_go_of(connection, days)
                end_days(connection, days, at=_stamp(self._now))
        with self._database.reading() as connection:
            gone = list(unreadable(connection, keys=KeysInHand(live_keys(connection))))
        self._take("findings", schema.findings.c.id, gone)

    def _told(self) -> None:
        """What was told; and what could not be told for so long that nobody waits for it."""
        kept, before = schema.outbox.c, int((self._now - timedelta(days=self._policy.told_days)).timestamp())
        asked = sa.select(kept.channel, kept.item).where(sa.func.coalesce(kept.sent_at, kept.due_at) < before)
        with self._database.reading() as connection:
            keys = [tuple(row) for row in connection.execute(asked)]
        self._take("outbox", sa.tuple_(kept.channel, kept.item), keys)

    def _accesses(self) -> None:
        kept = schema.access_log.c
        before = (self._now - timedelta(days=self._policy.access_days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self._database.reading() as connection:
            keys = list(connection.execute(sa.select(kept.id).where(kept.at < before)).scalars())
        self._take("access_log", kept.id, keys)

    def _round(self) -> None:
        with self._database.writing() as connection:
            if round_times(connection):
                ask_for_scrub(connection)

    def _names(self, prefix: str) -> list[str]:
        kept = schema.engine_state.c.name
        asked = sa.select(kept).where(kept.startswith(prefix, autoescape=True)).order_by(kept)
        with self._database.reading() as connection:
            return list(connection.execute(asked).scalars())

    def _take(self, place: str, key: Any, keys: Sequence[Any]) -> None:
        """Delete rows by key, some at a time."""
        if not keys or self._dry:
            self._done.removed.update({place: len(keys)} if keys else {})
            return
        table = {"findings": schema.findings, "inputs": schema.inputs, "outbox": schema.outbox}.get(place)
        table = schema.access_log if place == "access_log" else schema.engine_state if table is None else table
        for portion in _portions(keys):
            if not self._still():
                self._done.whole = False
                return
            with self._database.writing() as connection:
                connection.execute(sa.delete(table).where(key.in_(portion)))
                if table is schema.engine_state:
                    owners = filter(None, map(day_key_of, portion))
                    destroy_day_keys(connection, owners, at=_stamp(self._now))
                if table in OF_DAYS:
                    ask_for_scrub(connection)
            self._done.removed[place] += len(portion)

    def _note_end(self) -> None:
        before = last_purge(self._database)
        removed = {place: before.removed[place] + self._done.removed[place] for place in PLACES}
        at = self._now if self._done.whole else before.at
        self._note(LAST, json.dumps({"at": _stamp(at) if at else None, "removed": removed}))

    def _log(self) -> None:
        """Let the log tell what went, in bands: it is there for good, and a small number could tell of somebody."""
        if not self._done.removed:
            return
        told = {
            "v": 1,
            "removed": {place: band(rows) for place, rows in sorted(self._done.removed.items())},
            "days": sorted(day.isoformat() for day in self._done.days),
            "rules": asdict(self._policy),
        }
        with self._database.writing() as connection:
            log = self._store.log_writer(connection)
            log.append("", version=0, kind=PURGED_KIND, at=log.at, entry=json.dumps(told, sort_keys=True))
            log.flush()

    def _scrub(self) -> None:
        """Leave nothing of what went in unused pages; where others are in the way, the next purge tries again."""
        with suppress(StoreError):
            scrub_if_asked(self._database, patience_s=SCRUB_PATIENCE_S)

    def _note(self, name: str, value: str) -> None:
        with self._database.writing() as connection:
            _write_note(connection, name, value)


def noted(database: Database, name: str) -> str | None:
    """Return what is noted under a name, None: nothing."""
    with database.reading() as connection:
        kept: str | None = connection.execute(sa.select(schema.meta.c.value).where(schema.meta.c.name == name)).scalar()
        return kept


def _newest_entry(database: Database) -> datetime | None:
    """Return when the last entry of the case log was written, None: there is none.

    The last one, and not the latest: one that was written by a clock that was ahead is outlived by the next.
    """
    asked = sa.select(schema.case_log.c.at).order_by(schema.case_log.c.seq.desc()).limit(1)
    with database.reading() as connection:
        at = connection.execute(asked).scalar()
    try:
        return None if at is None else datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, TypeError):
        # Somebody changed the log; `schoolgate cases verify` names the row.
        return None


def let_go_of(connection: sa.Connection, days: Collection[date]) -> None:
    """Take down that something of these local days is gone, so that no case is withdrawn for that."""
    ledger = ledger_in(connection)
    ledger.begin(days)
    _write_note(connection, DAYS, ledger.as_state())


def _write_note(connection: sa.Connection, name: str, value: str) -> None:
    meta = schema.meta
    connection.execute(sa.delete(meta).where(meta.c.name == name))
    connection.execute(sa.insert(meta).values(name=name, value=value))


def _portions(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(keys), STEP_ROWS):
        yield keys[start : start + STEP_ROWS]


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
