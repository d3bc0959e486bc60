"""The case store: what `run`, `judge`, the desk and the verbs read and write; a change of a case is logged with it."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from rules.errors import StoreError
from rules.life_cycle import ENDED
from rules.store import schema
from rules.store.case_changes import PORTION, Deed, ending_in, note_act, record_carried_over, record_cases
from rules.store.chain import Break, check
from rules.store.database import Database
from rules.store.keys import KeysInHand, SpentKey, destroyed, drop_keys, keys_of_task, live_keys, spent_keys
from rules.store.log import CaseLogWriter, read_head, read_log, read_raw
from rules.store.migration import bring_up_to_date
from rules.store.open_days import end_days, open_for_day, seal_for_day
from rules.store.rows import CaseMark, CaseRow, Position
from rules.store.scrubbing import SEALED, ask_for_scrub, scrub
from rules.store.sealing import octets_in, open_entry
from rules.store.state import read_states, seal_plain, write_state
from rules.store.unreadable import unreadable_cases
from rules.store.upsert import upsert
from rules.versions import FORGOTTEN, FRAME_PART, OPEN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from rules.case_keys import CaseKey
    from rules.life_cycle import Act
    from rules.store.chain import Head
    from rules.store.keys import WritingKeys
    from rules.store.rows import FindingRow, LogEntry, Unreadable
    from rules.versions import CaseVersion, ReportPart


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Store:
    """The case store behind *address*; an older one is migrated first.

    Args:
        address: database address, for example `sqlite:///schoolgate.db`.
        clock: tells the time that the case log's rows carry.

    Raises:
        StoreError: the address is wrong, the database cannot be reached or is of a newer version.
    """

    def __init__(self, address: str, *, clock: Callable[[], datetime] = now) -> None:
        self.database = Database(address)
        self.address = self.database.address
        self._clock = clock
        try:
            migrated = bring_up_to_date(
                self.database, then=lambda connection: record_carried_over(connection, log=self.log_writer(connection))
            )
            if migrated:
                # What was not sealed before the migration must not stay in pages that nobody uses any more.
                scrub(self.database, tables=SEALED)
        except StoreError:
            self.close()
            raise

    def close(self) -> None:
        """Let the database go."""
        self.database.close()

    def findings(self) -> Iterator[bytes]:
        """Yield every stored finding that can be read."""
        kept = schema.findings.c
        with self.database.reading() as connection:
            keys = KeysInHand(live_keys(connection))
            for row in connection.execute(sa.select(kept.case_id, kept.body).order_by(kept.id)):
                sealed = keys.open(row.case_id, row.body, "finding")
                body = None if sealed is None else open_for_day(sealed, keys=keys)
                if body is not None:
                    yield body

    def cases(self) -> dict[str, CaseRow]:
        """Return every stored case that can be read, by id."""
        with self.database.reading() as connection:
            keys = KeysInHand(live_keys(connection))
            rows = (_case(row, keys=keys) for row in connection.execute(_cases().order_by(schema.cases.c.id)))
            return {case.id: case for case in rows if case is not None}

    def open_cases(self) -> list[bytes]:
        """Return the cases (JSON) that the evidence supports and nobody has ended, by id."""
        kept = schema.cases.c
        asked = sa.select(kept.id, kept.body).where(kept.state == OPEN, kept.status.not_in(sorted(ENDED)))
        with self.database.reading() as connection:
            keys = KeysInHand(live_keys(connection))
            found = (keys.open(row.id, row.body, "case") for row in connection.execute(asked.order_by(kept.id)))
            return [body for body in found if body is not None]

    def unreadable(self, ids: Sequence[str] | None = None) -> list[Unreadable]:
        """Return the cases of which nothing can be read, by id: those that were forgotten, and those without a key.

        Args:
            ids: among these alone; None: among all.
        """
        with self.database.reading() as connection:
            return unreadable_cases(connection, ids=ids)

    def case_marks(self) -> list[CaseMark]:
        """Return of every case what shows that it changed, without reading it, by id; forgotten ones are left out."""
        kept = schema.cases.c
        asked = sa.select(kept.id, kept.version, kept.state, kept.status, kept.ended_at).order_by(kept.id)
        asked = asked.where(kept.state != FORGOTTEN)
        with self.database.reading() as connection:
            return list(map(CaseMark._make, connection.execute(asked)))

    def case_bodies(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return the cases (JSON) of these ids; one that is not there, or cannot be read, is left out."""
        kept = schema.cases.c
        found: dict[str, bytes] = {}
        with self.database.reading() as connection:
            keys = KeysInHand(live_keys(connection, ids=ids))
            for start in range(0, len(ids), PORTION):
                asked = sa.select(kept.id, kept.body).where(kept.id.in_(ids[start : start + PORTION]))
                for row in connection.execute(asked):
                    body = keys.open(row.id, row.body, "case")
                    if body is not None:
                        found[row.id] = body
        return found

    def case(self, case_id: str) -> CaseRow | None:
        """Return one case, None: there is none of this id that can be read."""
        with self.database.reading() as connection:
            row = connection.execute(_cases().where(schema.cases.c.id == case_id)).first()
            return None if row is None else _case(row, keys=KeysInHand(live_keys(connection, ids=[case_id])))

    def state(self, name: str) -> bytes | None:
        """Return what was committed under *name*, None: nothing yet."""
        with self.database.reading() as connection:
            return read_states(connection, schema.engine_state.c.name == name).get(name)

    def states(self, prefix: str) -> dict[str, bytes]:
        """Return what was committed under names that begin with *prefix*, by name; what cannot be read is left out."""
        with self.database.reading() as connection:
            return read_states(connection, schema.engine_state.c.name.startswith(prefix, autoescape=True))

    def seal_state(self) -> int:
        """Seal the state of days that an earlier release left as it was, and return how many parts those were.

        Raises:
            StoreError: the store cannot be written.
        """
        with self.database.writing() as connection:
            sealed = seal_plain(connection, keys=lambda: self.log_writer(connection).keys)
        if sealed:
            scrub(self.database, tables=SEALED)
        return sealed

    def position(self, sha256: str) -> Position | None:
        """Return how far the input with this hash has been judged, None: never seen."""
        asked = sa.select(schema.inputs).where(schema.inputs.c.sha256 == sha256)
        with self.database.reading() as connection:
            row = connection.execute(asked).mappings().first()
            return Position(**row) if row else None

    def parts(self) -> dict[str, str]:
        """Return the parts of the report that case tasks have written down, by name."""
        kept = schema.report_parts
        with self.database.reading() as connection:
            return {row.name: row.body for row in connection.execute(sa.select(kept.c.name, kept.c.body))}

    def log(self, case_id: str | None = None, *, after: int = 0) -> list[LogEntry]:
        """Return entries of the case log, the oldest first.

        Args:
            case_id: of this case alone; None: of all.
            after: entries beyond this number.
        """
        with self.database.reading() as connection:
            keys = KeysInHand(live_keys(connection, ids=None if case_id is None else [case_id]))
            return [open_entry(row, opener=keys.open) for row in read_log(connection, case_id=case_id, after=after)]

    def live_keys(self, ids: Sequence[str] | None = None) -> list[CaseKey]:
        """Return the keys of these cases that are there; None: of all."""
        with self.database.reading() as connection:
            return list(live_keys(connection, ids=ids))

    def keys_for(self, ids: Sequence[str]) -> list[CaseKey]:
        """Return a key for each of these cases, made where a case has none.

        Raises:
            StoreError: the store cannot be used; no key was made.
        """
        found = {key.case_id: key for key in self.live_keys(ids)}
        if {*ids} <= found.keys():
            return list(found.values())
        with self.database.writing() as connection:
            keys = self.log_writer(connection).keys
            keys.need(ids)
            return [keys.of(case_id) for case_id in ids]

    def keys_of_task(self, task: str) -> list[CaseKey]:
        """Return the keys of open days of one task behind Kafka that are there."""
        with self.database.reading() as connection:
            return list(keys_of_task(connection, task=task))

    def destroy(self, keys: Sequence[CaseKey]) -> None:
        """Destroy just these keys of days of a task; a later one of the same day stays.

        Raises:
            StoreError: the store cannot be written; the keys are there.
        """
        with self.database.writing() as connection:
            drop_keys(connection, keys)
            ask_for_scrub(connection)

    def destroyed(self) -> dict[str, str]:
        """Return of every case that was forgotten up to when (ISO 8601 UTC) what was seen of it is forgotten."""
        with self.database.reading() as connection:
            return destroyed(connection)

    def spent_keys(self) -> list[SpentKey]:
        """Return the keys that were destroyed, the oldest first."""
        with self.database.reading() as connection:
            return spent_keys(connection)

    def log_end(self) -> int:
        """Return the number of the last entry of the case log; 0: it is empty. Cheap: asked several times a second."""
        with self.database.reading() as connection:
            head = read_head(connection)
            return head.entries if head else 0

    def verify(self, anchors: Sequence[Head] = ()) -> Head | Break:
        """Return where the case log ends, or its first row that is not as it was written.

        Args:
            anchors: where the log ended at earlier moments, by a record that lay elsewhere.

        Raises:
            StoreError: the log cannot be read at all.
        """
        with self.database.reading() as connection:
            try:
                head = read_head(connection)
                with closing(read_raw(connection)) as rows:
                    return check(rows, head=head, anchors=anchors)
            except sa.exc.OperationalError:
                raise
            except sa.exc.DatabaseError as error:
                # What SQLite says of a file that no longer holds together.
                return Break(seq=0, what=f"the database itself is damaged ({error.orig})")

    def commit(
        self,
        *,
        findings: Mapping[str, FindingRow],
        cases: Iterable[CaseRow],
        state: Mapping[str, bytes],
        position: Position | None,
        dropped: Collection[str] = (),
        closed: Collection[str] = (),
        ended: Collection[date] = (),
    ) -> None:
        """Write outputs, state and position, all or nothing.

        Args:
            findings: by id; replaces a finding of the same id.
            cases: cases that changed; a version that is not newer changes nothing.
            state: named parts of the engine's state.
            position: how far the input is judged now; None: unchanged.
            dropped: names of state that is to be forgotten.
            closed: ids of findings in whose place others stand now.
            ended: local days that are over: what was held of their devices can be read no more, here or in a backup.

        Raises:
            StoreError: nothing was written.
        """
        with self.database.writing() as connection:
            end_days(connection, ended, at=self._at())
            self._record(connection, list(cases), findings=findings)
            if closed:
                kept, gone = schema.findings.c.id, [{"gone": key} for key in sorted(closed)]
                connection.execute(sa.delete(schema.findings).where(kept == sa.bindparam("gone")), gone)
            if closed or dropped:
                # What lay there was of single devices, under keys that stay.
                ask_for_scrub(connection)
            write_state(
                connection, state, dropped=dropped, at=self._at(), keys=lambda: self.log_writer(connection).keys
            )
            if position is not None:
                row = {
                    "sha256": position.sha256,
                    "name": position.name,
                    "events": position.events,
                    "finished": position.finished,
                }
                upsert(connection, schema.inputs, [row])

    def keep(self, cases: Iterable[CaseVersion], *, parts: Iterable[ReportPart]) -> None:
        """Write down versions of cases and of parts of the report; a version that is not newer changes nothing.

        Raises:
            StoreError: nothing was written.
        """
        rows = [
            CaseRow(id=c.id, version=c.version, state=c.state, body=c.body.encode(), evidence=c.evidence) for c in cases
        ]
        with self.database.writing() as connection:
            self._record(connection, rows)
            told = [{"name": part.name, "version": part.version, "body": part.body} for part in parts]
            upsert(connection, schema.report_parts, told, newer=schema.report_parts.c.version)

    def act(self, case_id: str, *, act: Act, by: str, text: str, reason: str | None = None) -> LogEntry:
        """Write down what a person does about a case: its new status and the entry of the log, both or neither.

        Args:
            case_id: the case.
            act: what is done.
            by: who does it, as the log shall name them.
            text: the reason in a person's own words, or a note.
            reason: code of the reason, for acts that have codes (`rules.life_cycle.CODES`); None: none was given.

        Raises:
            StepRefusedError: the step is not allowed as the case stands, or its reason is missing.
            StoreError: there is no such case, or the store cannot be written.
        """
        deed = Deed(act=act, by=by, text=text, reason=reason)
        with self.database.writing() as connection:
            log = self.log_writer(connection)
            entry = note_act(connection, log=log, case_id=case_id, deed=deed, until=lambda: _judged_until(connection))
            log.flush()
            return entry

    def judged_until(self) -> date | None:
        """Return the last day, local to the district, of which anything was judged; None: nothing was yet."""
        with self.database.reading() as connection:
            return _judged_until(connection)

    def log_writer(self, connection: sa.Connection) -> CaseLogWriter:
        """Return what appends to the log inside a writing transaction, and holds its head and keys."""
        return CaseLogWriter(connection, at=self._at())

    def _at(self) -> str:
        return self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def _record(
        self, connection: sa.Connection, rows: list[CaseRow], *, findings: Mapping[str, FindingRow] | None = None
    ) -> None:
        if not rows and not findings:
            return
        log = self.log_writer(connection)
        if findings:
            log.keys.need(row.case_id for row in findings.values())
            told = [
                {"id": key, "agreement": row.agreement, "case_id": row.case_id, "body": _sealed(row, keys=log.keys)}
                for key, row in findings.items()
            ]
            upsert(connection, schema.findings, told)
        changed = record_cases(connection, rows, log=log)
        upsert(connection, schema.cases, changed)
        log.flush()


def _judged_until(connection: sa.Connection) -> date | None:
    """Return the day up to which the store's report speaks: the embedded service and the case tasks both write it."""
    parts, state = schema.report_parts.c, schema.engine_state.c
    frame = connection.execute(sa.select(parts.body).where(parts.name == FRAME_PART)).scalar()
    if frame is None:
        frame = connection.execute(sa.select(state.body).where(state.name == "report")).scalar()
    report = json.loads(frame) if frame else {}
    last_day = report.get("last_day")
    return date.fromisoformat(last_day) if last_day else None


def _sealed(row: FindingRow, *, keys: WritingKeys) -> bytes:
    body = row.body if row.open_day is None else seal_for_day(row.body, day=row.open_day, keys=keys)
    return keys.of(row.case_id).seal(body, kind="finding")


def _cases() -> sa.Select[Any]:
    return sa.select(schema.cases)


def _case(row: Any, *, keys: KeysInHand) -> CaseRow | None:
    body = keys.open(row.id, row.body, "case")
    evidence = keys.open(row.id, octets_in(row.evidence), "evidence") if row.evidence else b""
    if body is None or evidence is None:
        return None
    return CaseRow(
        id=row.id, version=row.version, state=row.state, body=body, evidence=evidence.decode(), status=row.status,
        ending=ending_in(row, keys=keys),
    )  # fmt: skip
