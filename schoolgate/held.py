"""What is held, in every place that Schoolgate writes to: how much, since when, until when. Looks, and changes nothing.

Tables and topics are asked for by what is really there, so that one which nobody thought of is named, too, and is
wrong: nothing may lie anywhere without a word on how long.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from collector.keyfile import DAY_KEYS, key_began, key_names
from collector.periods import HOURS_A_DAY, NS, Periods
from collector.problems import DocumentError
from collector.segments import load_network
from collector.watch import KEY_GRACE_NS
from rules.case_keys import TASK_DAY
from rules.contact_book import CONTACTS, COUNTED
from rules.errors import StoreError
from rules.open_since import UNENDED_DAYS
from rules.retention import FLOW_HOURS
from rules.store.migration import stored_version
from rules.store.retention import INPUT, SEEN, due_cases, noted, read_ledger
from rules.store.schema import STORE_VERSION
from schoolgate.configuration import configuration_at
from schoolgate.existing_store import existing_database
from schoolgate.held_place import Held
from schoolgate.held_topics import held_topics
from schoolgate.purging import policy_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from rules.store.database import Database
    from schoolgate.configuration import Configuration

SLACK: Final = timedelta(hours=26)
"""What is due goes with the next purge; for so long it may lie there without anything being wrong."""
MOST_NAMED: Final = 10
"""Cases of a list of those that are due; of the others their number is told."""
DATED: Final = ("findings", "inputs")
"""Tables whose rows are dated beside them. Others date theirs, and what is to be told on Monday is rightly ahead."""
FOREVER: Final = "as long as the store is there"


async def look(config: Path, *, now: datetime) -> list[Held]:
    """Return every place of the configuration at *config*.

    Raises:
        DocumentError: the configuration or the network file is wrong, or the store that is named is not there.
    """
    settings = configuration_at(config)
    zone = load_network(config.parent / settings.network).time_zone
    places = [*_files(settings, folder=config.parent, zone=zone, now=now)]
    places += _store(settings, config=config, now=now)
    if "kafka" in settings.model_fields_set:
        places += await held_topics(settings, config=config, now=now)
    words = "messages to the operator, on standard error alone; no address, no device and no name of a small number"
    places.append(Held(place="log", name="standard error", what=words, keep="as the system's journal has it"))
    return places


def as_data(places: list[Held]) -> dict[str, Any]:
    """Return *places* ready for JSON."""
    return {"v": 1, "held": [asdict(place) for place in places], "overdue": any(place.overdue for place in places)}


def _files(settings: Configuration, *, folder: Path, zone: ZoneInfo, now: datetime) -> Iterator[Held]:
    hours = settings.privacy.pseudonym_hours
    yield from _keys(folder / settings.privacy.key_file, zone=zone, hours=hours, now=now)
    if "kafka" in settings.model_fields_set:
        yield _spool(folder / settings.spool.path, settings=settings, now=now)
    if settings.source is not None and settings.source.is_sensor:
        path = folder / settings.source.places
        words = "how far the logs of another sensor are read; nothing about devices"
        yield _file(path, what=words, keep="replaced every few seconds")
    if settings.desk.users:
        words = "names, roles and password hashes of those who may sign in to the desk"
        yield _file(folder / settings.desk.users, what=words, keep="until `desk users remove`")


def _file(path: Path, *, what: str, keep: str) -> Held:
    return Held(place="file", name=str(path), what=what, count=int(path.exists()), keep=keep)


def _keys(path: Path, *, zone: ZoneInfo, hours: int, now: datetime) -> Iterator[Held]:
    words = "keys of pseudonyms and of tokens in findings"
    keep = "each until an hour after its period has ended"
    try:
        # Reading would destroy what a killed collector left: a report changes nothing.
        names = [] if not path.exists() else key_names(path)
        periods = [_period(name, zone=zone, hours=hours) for name in names]
    except OSError as error:
        yield Held(place="file", name=str(path), what=words, keep=keep, unseen=str(error))
        return
    except (ValueError, OverflowError):
        # What was found there may be a key, in some other form: it is not shown.
        yield Held(place="file", name=str(path), what=words, keep=keep, unseen="this is no key file")
        return
    oldest = min((start for start, _end in periods), default=None)
    late = any(now - end > timedelta(microseconds=KEY_GRACE_NS // 1_000) + SLACK for _start, end in periods)
    yield Held(
        place="file", name=str(path), what=words, count=len(names), since=_iso(oldest), keep=keep,
        overdue="a key is there for longer than that: start the collector, which destroys it" if late else "",
    )  # fmt: skip
    for spent in (path.with_name(path.name + ".old"), path.with_name(path.name + ".new")):
        if spent.exists():
            yield Held(
                place="file", name=str(spent), what="keys that a killed collector left", count=1, keep="not at all",
                overdue="start the collector, which destroys it",
            )  # fmt: skip


def _period(name: str, *, zone: ZoneInfo, hours: int) -> tuple[datetime, datetime]:
    """Return when the period of a key begins and ends; that of tokens is a day."""
    start = key_began(name, zone=zone)
    whole = name.startswith(DAY_KEYS)
    cut = Periods(zone, hours=HOURS_A_DAY if whole else hours).of(int(start.timestamp()) * NS)
    return start, datetime.fromtimestamp(cut.end_ns // NS, tz=UTC)


def _spool(path: Path, *, settings: Configuration, now: datetime) -> Held:
    hours = settings.privacy.flow_retention_hours
    words, keep = "flow events that wait for the broker", f"until the broker has them, {hours} hours at most"
    if not path.exists():
        return Held(place="file", name=str(path), what=words, count=0, keep=keep)
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0)) as spool:
            query = "SELECT coalesce(sum(count) FILTER (WHERE kind = 'events'), 0), min(taken_s) FROM batch"
            count, taken = spool.execute(query).fetchone()
    except sqlite3.Error:
        size = path.stat().st_size
        held = f"in use: {size:,} octets; schoolgate_events_spooled says how many events"
        return Held(place="file", name=str(path), what=f"{words} ({held})", keep=keep)
    oldest = None if not taken else datetime.fromtimestamp(taken, tz=UTC)
    late = oldest is not None and now - oldest > timedelta(hours=hours + 1)
    return Held(
        place="file", name=str(path), what=words, count=count, since=_iso(oldest), keep=keep,
        overdue="start the collector: it lets go of what is too old" if late else "",
    )  # fmt: skip


def _store(settings: Configuration, *, config: Path, now: datetime) -> list[Held]:
    try:
        with closing(existing_database(settings, config=config)) as database:
            _refuse_older(database)
            return [*_Tables(database, settings=settings, now=now).all()]
    except DocumentError:
        if "store" in settings.model_fields_set:
            raise
        words = "the case store: none is there, and the configuration names none"
        return [Held(place="table", name="store", what=words, count=0, keep=FOREVER)]
    except StoreError as error:
        # The address may hold a password; what is said of it does not.
        return [Held(place="table", name="store", what="the case store", keep=FOREVER, unseen=str(error))]


def _refuse_older(database: Database) -> None:
    """Leave a store of another version as it is: its tables are not those that are known here."""
    found = stored_version(database)
    if found != STORE_VERSION:
        raise StoreError(
            f"{database.address} is of version {found}, this program reads version {STORE_VERSION}, and a report "
            "changes nothing; start `schoolgate run`, which brings it up to date, or use the program that wrote it"
        )


class _Tables:
    """The tables of a store, as they are there."""

    def __init__(self, database: Database, *, settings: Configuration, now: datetime) -> None:
        self._database, self._now = database, now
        self._privacy, self._policy = settings.privacy, policy_of(settings)
        self._tables = sa.MetaData()
        with database.reading() as connection:
            self._tables.reflect(connection)
        self._seen: dict[str, str] = json.loads(noted(database, SEEN) or "{}")
        self._days = [*map(_morning, read_ledger(database).since.values())]

    def all(self) -> Iterator[Held]:
        """Yield every table, and what lies in that of state."""
        for name, table in sorted(self._tables.tables.items()):
            words, keep, days = self._words(name)
            count = self._one(sa.select(sa.func.count()).select_from(table))
            dates = self._dates(name)
            since = min(dates, default=None)
            overdue = self._ahead(dates) if name in DATED else ""
            if days is not None and not overdue:
                overdue = self._late(dates, limit=timedelta(days=days), words=_days(days))
            overdue = self._due_cases() if name == "cases" else overdue
            overdue = overdue if words else "nobody knows what this is: it is no table of this version"
            yield Held(
                place="table", name=name, what=words or "unknown", count=count, since=_iso(since), keep=keep,
                overdue=overdue,
            )  # fmt: skip
        yield from self._state()
        yield self._keys_of_tasks()

    def _words(self, name: str) -> tuple[str, str, int | None]:
        """Return what a table holds, how long, and the same in days; None: as long as the store is there."""
        findings, told, cases = (
            self._privacy.finding_retention_days, self._privacy.told_retention_days,
            self._privacy.case_retention_days,
        )  # fmt: skip
        ended = f"{cases} days after its end" if cases else "until somebody forgets it"
        known: dict[str, tuple[str, str, int | None]] = {
            "findings": (
                "what devices mean for a promise; of days that are over, of no device",
                _days(findings),
                findings,
            ),
            "inputs": ("captures that were judged: hash, name, number of events", _days(findings), findings),
            "outbox": ("what was, or is to be, told to whom", _days(told), told),
            "access_log": ("who signed in to the desk, or tried to", _days(told), told),
            "cases": ("cases, with the evidence for each", ended, None),
            "case_log": ("the log of cases, which nobody can change; counts in bands", ended, None),
            "case_keys": ("the keys that cases, and contacts of a day, are sealed with", ended, None),
            "case_log_head": ("where the log ends", FOREVER, None),
            "engine_state": ("see the lines of state below", "see below", None),
            "report_parts": ("what surrounds the cases in a report: sums of the whole district", FOREVER, None),
            "notify_channels": ("who is told: addresses of mail and hooks, and why they fail", FOREVER, None),
            "leases": ("which process does what only one may do", FOREVER, None),
            "meta": ("version of the tables, and since when what is held", FOREVER, None),
            "alembic_version": ("version of the tables", FOREVER, None),
        }
        return known.get(name, ("", "unknown", None))

    def _dates(self, name: str) -> list[datetime]:
        """Return since when rows of a table are held: of each, or of the oldest alone; empty: nobody knows."""
        kept = self._tables.tables[name].c
        found: list[datetime] = []
        match name:
            case "findings":
                found = self._days
            case "inputs":
                found = self._pieces(INPUT)
            case "outbox":
                at = self._one(sa.select(sa.func.min(sa.func.coalesce(kept.sent_at, kept.due_at))))
                found = [] if at is None else [datetime.fromtimestamp(int(at), tz=UTC)]
            case "access_log" | "case_log":
                at = self._one(sa.select(sa.func.min(kept.at)))
                found = [] if at is None else [datetime.fromisoformat(at)]
            case "cases" if self._one(sa.select(sa.func.count(kept.id))):
                found = self._dates("case_log")
        return found

    def _ahead(self, dates: list[datetime]) -> str:
        """Return what is wrong with dates that are noted of what is held, and are still to come; empty: nothing."""
        if dates and max(dates) - self._now > SLACK:
            return "dated in the future, by a clock that was wrong: `schoolgate privacy purge` dates it anew"
        return ""

    def _late(self, dates: list[datetime], *, limit: timedelta, words: str) -> str:
        """Return what is wrong with what is held since these dates and may be for *limit*; empty: nothing."""
        if dates and self._now - min(dates) > limit + SLACK:
            return f"kept for longer than {words}: see `schoolgate privacy purge`"
        return ""

    def _due_cases(self) -> str:
        """Return which cases are there for longer than the district keeps them; empty: none."""
        due = due_cases(self._database, policy=self._policy, now=self._now - SLACK)
        if not due:
            return ""
        named = ", ".join(due[:MOST_NAMED]) + (f" and {len(due) - MOST_NAMED:,} more" if due[MOST_NAMED:] else "")
        return (
            f"kept for longer than {self._policy.case_days} days after their end: {named}; see `schoolgate privacy "
            "purge --dry-run`"
        )

    def _state(self) -> Iterator[Held]:
        kept = self._tables.tables["engine_state"].c.name
        days = self._privacy.finding_retention_days
        for prefix, words, keep, dates, limit in (
            (CONTACTS, "whom devices met on days that are open", f"{FLOW_HOURS} hours", self._pieces(CONTACTS),
             timedelta(hours=FLOW_HOURS)),
            (COUNTED, "counts of contacts of days that are over; no device can be joined", _days(days), self._days,
             timedelta(days=days)),
        ):  # fmt: skip
            count = self._one(sa.select(sa.func.count()).where(kept.startswith(prefix, autoescape=True)))
            yield Held(
                place="state", name=f"engine_state {prefix}", what=words, count=count, keep=keep,
                since=_iso(min(dates, default=None)) if count else None,
                overdue=self._ahead(dates) or self._late(dates, limit=limit, words=keep) if count else "",
            )  # fmt: skip
        rest = sa.select(kept).where(
            ~kept.startswith(CONTACTS, autoescape=True), ~kept.startswith(COUNTED, autoescape=True)
        )
        with self._database.reading() as connection:
            names = list(connection.execute(rest.order_by(kept)).scalars())
        for name in names:
            known = {
                "engine": "sums of the whole district", "report": "the report without its cases",
            }.get(name, "")  # fmt: skip
            yield Held(
                place="state", name=f"engine_state {name}", what=known or "unknown", count=1, keep=FOREVER,
                overdue="" if known else "nobody knows what this is",
            )  # fmt: skip

    def _keys_of_tasks(self) -> Held:
        kept = self._tables.tables["case_keys"].c
        asked = sa.select(sa.func.count(), sa.func.min(kept.made_at)).where(
            kept.case_id.startswith(TASK_DAY, autoescape=True), kept.key.is_not(None)
        )
        with self._database.reading() as connection:
            count, made_at = connection.execute(asked).one()
        since = None if made_at is None else datetime.fromisoformat(made_at)
        late = since is not None and self._now - since > timedelta(days=UNENDED_DAYS) + SLACK
        return Held(
            place="key", name="case_keys task-day-", count=count, since=_iso(since),
            what="keys of the judges' state of open days, one for each day and partition; in no file",
            keep=f"until the day is over, {UNENDED_DAYS} days at most",
            overdue="a day is not over for so long: see whether judges run, and records come" if late else "",
        )  # fmt: skip

    def _pieces(self, prefix: str) -> list[datetime]:
        return [datetime.fromisoformat(at) for name, at in self._seen.items() if name.startswith(prefix)]

    def _one(self, asked: sa.Select[Any]) -> Any:
        with self._database.reading() as connection:
            return connection.execute(asked).scalar()


def _days(days: int) -> str:
    return f"{days} days"


def _morning(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
