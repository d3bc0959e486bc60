"""Stage two of the engine in a consumer group: findings of some agreements in, versions of cases out.

The findings that a task holds are facts that merge (the larger sum is the later one), so taking one in twice changes
nothing; what counts as written down, and the versions of cases, change only when the transaction has been committed.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgspec

from rules.case_keys import MATTER, case_of
from rules.case_portion import CasePortion
from rules.cases import Cases
from rules.checks.registry import all_checks
from rules.closed_findings import is_past
from rules.counted_contacts import CountedContacts, FreshEdges
from rules.edge_records import EDGE_KEYS, KeptEdges
from rules.edge_tellings import EdgeTellings
from rules.ended_days import EndedDays
from rules.estimator import Estimator
from rules.held_findings import HeldFindings
from rules.kept_shares import KeptShares
from rules.records import CONTACTS, CONTACTS_OVER, COVERAGE, EDGES, KIND, OVER, Output, dead_letter
from rules.report import build_report
from rules.report_parts import PART_KEYS, ReportParts
from rules.retention import FINDING_DAYS, DayLedger
from rules.sealed_days import unreadable_days
from rules.sealed_records import is_sealed, open_finding, open_version, seal_finding, seal_version
from rules.told_cases import ToldCases
from rules.versions import FRAME_PART, WAIVED_PARTS
from rules.waived_digits import WaivedDigits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import date, datetime

    from rules.estimating import Estimated
    from rules.findings import Finding
    from rules.key_ring import KeyRing
    from rules.records import Reason, Record
    from rules.rulebook import Rulebook

CASE_KEYS = b"case/"
# Findings that one task holds: 6 of them hold 12 million device-promise-days. What finds no room is counted, told in
# the report, and missing in its cases.
MAX_FINDINGS = 2_000_000

LOST_KEY = b"lost"
DAYS_KEY = b"days"
"""Since when evidence of each local day is held."""

COUNTING_PARTITION = 0
"""Where coverage and the counts of contacts of all input partitions meet."""


class StageTwo:
    """One partition's task over the findings of the agreements whose key falls there, without any I/O.

    Args:
        partition: the input partition.
        topic: name of the input topic, for dead letters.
        rulebook: what cases are concluded by.
        today: local date that clause states speak of while no event was seen.
        state: the state topic's newest value of each key of this partition.
        keys: what comes and goes is sealed with, each with the key of its case.
        finding_days: days that findings and counts of contacts are kept, from when they were taken in.
    """

    def __init__(
        self,
        *,
        partition: int,
        topic: str,
        rulebook: Rulebook,
        today: date,
        state: Mapping[bytes, bytes],
        keys: KeyRing,
        finding_days: int = FINDING_DAYS,
    ) -> None:
        self._keys = keys
        self._partition = partition
        self._topic = topic
        self._today = today
        self._rulebook = rulebook
        self._told = ToldCases(open_version(body, keys=keys) for body in _under(CASE_KEYS, state))
        self._parts = ReportParts(state, keys=keys)
        self._waived = WaivedDigits(self._parts.content(f"{WAIVED_PARTS}{partition}"))
        self._shares = KeptShares(state)
        self._dirty: dict[bytes, bytes | None] = {}
        self._next_offset = 0
        self._lost = int(state.get(LOST_KEY, b"0"))
        self._held = HeldFindings(keys)
        self._passed = 0
        self._counted: CountedContacts | None = None
        if partition == COUNTING_PARTITION:
            self._counted = CountedContacts(state, estimator=Estimator(rulebook), keys=keys)
        self._edges = KeptEdges(state, keys=keys)
        self._edges_changed = self._has_closed_edges = False
        self._tellings = EdgeTellings(state)
        self._ended = EndedDays(state)
        self._cases = self._new_cases(self._held.restore(state, dirty=self._dirty))
        for key, body in state.items():
            if key.startswith(CASE_KEYS) and not is_sealed(body):
                self._dirty[key] = seal_version(open_version(body, keys=keys), keys=keys)
            elif key.startswith(EDGE_KEYS):
                self._dirty |= self._edges.sealed(key, body)
        self._revision = keys.revision
        self._finding_days = finding_days
        self._ledger = DayLedger(state.get(DAYS_KEY))
        if lost := unreadable_days(state):
            # What is gone speaks for nothing: cases stand as they stood.
            self._ledger.begin(lost)
            self._dirty[DAYS_KEY] = self._ledger.as_state().encode()
        self._looked_on: date | None = None
        self._learn_floors()

    @property
    def watermark(self) -> datetime | None:
        """Time that every collector at work has passed in every input partition, None: none is at work.

        Known where the shares meet, and to the minute.
        """
        return self._shares.watermark

    def passed(self, at: datetime) -> None:
        """Learn the machine's time: on a new date (UTC), let go of what has been kept for as long as it may be.

        The topic of this state forgets nothing by itself.
        """
        on = at.astimezone(UTC).date()
        if on == self._looked_on:
            return
        self._looked_on = on
        held = {*self._held.days, *(() if self._counted is None else self._counted.days)}
        news = self._ledger.bring_back(on=on) | self._ledger.note(held, on=on)
        if self._counted is not None:
            self._dirty |= self._counted.passed(on, since=self._ledger.since)
        due = self._ledger.due(on, keep_days=self._finding_days)
        if due:
            self._ledger.let_go(due)
            self._learn_floors()
            self._dirty |= self._held.let_go(due)
            if self._counted is not None:
                self._dirty |= self._counted.let_go(due)
            self._cases.let_go(due)
            self._dirty |= self._ended.let_go(due)
        self._dirty |= self._ended.passed(on, open_days=self._held.open_days, since=self._ledger.since)
        if news or due:
            self._dirty[DAYS_KEY] = self._ledger.as_state().encode()

    @property
    def open_days(self) -> set[date]:
        """The local days of whose devices something is held."""
        return self._held.open_days | (set() if self._counted is None else self._counted.open_days)

    def ran(self, seconds: float) -> None:
        """Learn the time on a clock that is never set; only when edges are estimated goes by it."""
        if self._counted is not None:
            self._counted.ran(seconds)

    def waits(self, at: float) -> bool:  # noqa: ARG002 -- the interface
        """Return whether edges were estimated that are not told yet, a case was forgotten, or a day is to be closed."""
        if self._revision != self._keys.revision or self._ended.overdue:
            return True
        return self._counted is not None and self._counted.waits

    def work(self, at: float) -> Callable[[], Estimated] | None:
        """Return the estimating of edges that is due, to be done beside the judging; None: none is."""
        return None if self._counted is None else self._counted.work(at)

    def worked(self, estimated: Estimated) -> None:
        """Take what `work` came to; the next portion tells it."""
        if self._counted is not None:
            self._counted.worked(estimated)

    def use(self, rulebook: Rulebook) -> None:
        """Conclude by another rulebook; the next portion holds what that changes."""
        self._rulebook = rulebook
        self._cases = self._new_cases(self._cases.findings())
        if self._counted is not None:
            self._counted.use(Estimator(rulebook))

    def _forget(self) -> None:
        """Let go of everything that was seen of cases that were forgotten meanwhile."""
        revision = self._keys.revision
        cases = self._keys.since(self._revision)
        self._revision = revision
        if not cases:
            return
        self._dirty |= self._held.forget(cases)
        self._cases.forget(cases)
        self._told.forget(cases)
        self._waived.forget(cases)
        if changed := self._edges.forget(cases):
            self._dirty, self._edges_changed = self._dirty | changed, True
        if self._counted is not None and any(each.startswith(MATTER) for each in cases):
            self._counted.forget()

    def take(self, records: Iterable[Record]) -> CasePortion:
        """Take findings in, in their order, and conclude."""
        self._forget()
        refused: list[tuple[Record, Reason]] = []
        next_offset, lost_before, self._passed, self._has_closed_edges = self._next_offset, self._lost, 0, False
        for record in records:
            if record.offset < self._next_offset:
                continue
            next_offset = record.offset + 1
            if record.unreadable or not self._note(record):
                refused.append((record, "unreadable_batch" if record.unreadable else "not_a_finding"))
        if self._edges_changed:
            self._edges_changed = False
            self._cases.attributed(self._edges.all())
        closed = self._close(through=(self._next_offset if next_offset is None else next_offset) - 1)
        rows, opened = self._told.compare(self._cases.report(), evidence=self._cases.evidence)
        self._keys.need(row.id for row in rows if row.body)
        told = {row.id.encode(): seal_version(row, keys=self._keys) for row in rows}
        parts = self._parts.changed(self._surroundings())
        sealed = [self._parts.sealed(part) for part in parts]
        fresh = FreshEdges() if self._counted is None else self._counted.portion()
        outputs = [Output(topic="cases", key=key, value=octets) for key, octets in told.items()]
        outputs += fresh.outputs(keys=self._keys)
        outputs += [dead_letter(record, reason, topic=self._topic) for record, reason in refused]
        return CasePortion(
            outputs=tuple(outputs),
            state={
                **self._dirty,
                **fresh.state(keys=self._keys),
                **{CASE_KEYS + key: octets for key, octets in told.items()},
                **{PART_KEYS + part.name.encode(): msgspec.json.encode(part) for part in sealed},
            },
            next_offset=next_offset,
            refused=tuple(reason for _record, reason in refused),
            ends_day=bool(closed or fresh.ended or self._has_closed_edges),
            rows=tuple(rows),
            parts=tuple(sealed),
            news=tuple(parts),
            opened=tuple(opened),
            lost=self._lost - lost_before,
            forgotten=self._passed,
            edges=fresh,
        )

    def committed(self, portion: CasePortion) -> None:
        """Take *portion* for written down: its transaction has been committed."""
        self._told.committed(portion.rows)
        self._parts.committed(portion.news)
        self._dirty = {key: body for key, body in self._dirty.items() if portion.state.get(key, b"") != body}
        if self._counted is not None:
            self._dirty |= self._counted.committed(portion.edges)
        if portion.next_offset is not None:
            self._next_offset = portion.next_offset

    def everything(self) -> CasePortion:
        """Return every case and part as last committed, for a store that may have missed some."""
        rows, parts = self._told.all(), self._parts.all_sealed()
        return CasePortion(outputs=(), state={}, next_offset=None, rows=rows, parts=parts)

    def _learn_floors(self) -> None:
        self._told.learn_floors(horizon=self._ledger.horizon, zone=self._rulebook.network.time_zone)

    def _new_cases(self, findings: Iterable[Finding]) -> Cases:
        book = self._rulebook
        checks = all_checks(
            book.agreements,
            party_of=book.parties.find,
            country_of=book.locations.country if book.locations else None,
            district=book.rules,
        )
        cases = Cases(
            agreements=book.agreements, party_of=book.parties.find, checks=checks, editions=book.editions,
            basis=book.basis, until=self._keys.until,
        )  # fmt: skip
        cases.apply(findings)
        cases.attributed(self._edges.all())
        return cases

    def _note(self, record: Record) -> bool:
        """Take one record in, and return whether it is one of ours."""
        if record.value is None:
            return False
        kind = record.headers.get(KIND)
        try:
            if kind == COVERAGE:
                self._dirty |= self._shares.note(record)
            elif kind in {CONTACTS, CONTACTS_OVER} and self._counted is not None:
                self._dirty |= self._counted.note(record)
            elif kind == EDGES:
                self._note_edges(record)
            elif kind == OVER:
                self._dirty |= self._ended.note(record.value, offset=record.offset)
            elif kind is None:
                self._note_finding(record)
            else:
                return False
        except (msgspec.DecodeError, ValueError, KeyError, TypeError, RecursionError):
            return False
        return True

    def _note_edges(self, record: Record) -> None:
        """Take in edges; where days were closed and nothing else happened, so that no case changes by them.

        Raises:
            ValueError: the record holds no edges, or those of another key.
        """
        self._edges.check(record)
        if self._tellings.is_repeat(record):
            return
        gathered = self._tellings.gather(record)
        self._dirty |= gathered.changed
        if gathered.whole and not gathered.is_closing:
            self._dirty |= self._edges.put(gathered.whole)
            self._edges_changed = True
        elif gathered.whole:
            self._cases.attributed(self._edges.all())
            self._has_closed_edges = True
            with self._unchanged():
                self._dirty |= self._edges.put(gathered.whole)
                self._cases.attributed(self._edges.all())

    def _note_finding(self, record: Record) -> None:
        """Take one finding in.

        Raises:
            ValueError: it is none, or lies under the key of another agreement.
        """
        case_id, finding = open_finding(record.value or b"", keys=self._keys)
        if finding is None or is_past(finding, until=self._keys.until(case_id)):
            self._passed += 1
            return
        octets = record.value if is_sealed(record.value or b"") else None
        if record.key != finding.agreement.encode() or case_of(finding) != case_id:
            raise ValueError("the key is that of another agreement")
        if finding not in self._held and self._ended.is_repeat(finding.day, offset=record.offset):
            return
        if finding not in self._held and len(self._held) >= MAX_FINDINGS:
            self._lost += 1
            self._dirty[LOST_KEY] = b"%d" % self._lost
            return
        key = self._held.hold(finding, case_id=case_id)
        if self._looked_on is not None and self._ledger.note([finding.day], on=self._looked_on):
            self._dirty[DAYS_KEY] = self._ledger.as_state().encode()
        self._cases.apply([finding])
        self._dirty |= self._ended.opens(finding.day)
        # A finding is only ever replaced by a later one: its partition has one writer, and the rest is fenced off.
        self._dirty[key] = octets or seal_finding(finding, case_id=case_id, keys=self._keys)

    def _close(self, *, through: int) -> set[date]:
        """Keep no device of the days that are over, and return them; *through*: offset of the last record taken in."""
        days = self._ended.ready(self._held.open_on) | self._ended.overdue
        if days:
            with self._unchanged():
                self._dirty |= self._held.replace(self._cases.close(days), days=days)
        for day in days:
            self._dirty |= self._ended.close(day, through=through)
        return days

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Keep what cases, and waived ones, say as it is while days are closed."""
        cases, waived = self._told.as_told(self._cases.report()), self._waived.over(self._cases.waived())
        yield
        self._told.restate(cases, after=self._cases.report())
        self._waived.note(waived, after=self._cases.waived())

    def _surroundings(self) -> dict[str, Any]:
        told: dict[str, Any] = {f"{WAIVED_PARTS}{self._partition}": self._waived.rows(self._cases.waived())}
        if self._shares:
            told[FRAME_PART] = self._frame()
        return told

    def _frame(self) -> dict[str, Any]:
        shares = self._shares
        on = max((share.last_day for share in shares if share.last_day), default=self._today)
        agreements = self._rulebook.agreements_on(on)
        lost = self._lost + sum(share.lost for share in shares)
        errors = [f"{lost:,} findings found no room; the cases are incomplete"] if lost else []
        if unweighed := sum(share.unweighed for share in shares):
            errors.append(f"{unweighed:,} contacts found no room; attribution is incomplete")
        if self._counted is not None and self._counted.lost:
            errors.append(f"{self._counted.lost:,} hours of contacts found no room; attribution is incomplete")
        whole = build_report(
            cases=self._cases,
            coverage=shares.coverage(),
            agreements=agreements,
            on=on,
            duplicates=sum(share.duplicates for share in shares),
            differential=[] if self._counted is None else self._counted.differential,
            errors=[*errors, *map(str, self._rulebook.warnings)],
        )
        return {**whole, "cases": [], "waived": []}


def _under(prefix: bytes, state: Mapping[bytes, bytes]) -> list[bytes]:
    return [body for key, body in state.items() if key.startswith(prefix)]
