"""Stage two of the engine in a consumer group: findings of some agreements in, versions of cases out.

The findings that a task holds are facts that merge (the larger sum is the later one), so taking one in twice changes
nothing; what counts as written down, and the versions of cases, change only when the transaction has been committed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from rules.cases import Cases
from rules.checks.registry import all_checks
from rules.counted_contacts import CountedContacts, FreshEdges
from rules.coverage import Coverage
from rules.edge_records import KeptEdges
from rules.estimator import Estimator
from rules.findings import Finding
from rules.records import CONTACTS, COVERAGE, EDGES, KIND, Output, Portion, dead_letter
from rules.report import build_report
from rules.shares import read_share
from rules.versions import FRAME_PART, OPEN, WAIVED_PARTS, WITHDRAWN, CaseVersion, ReportPart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date, datetime

    from rules.counted_contacts import Estimated
    from rules.findings import Case
    from rules.records import Reason, Record
    from rules.rulebook import Rulebook
    from rules.shares import Share

FINDING_KEYS = b"finding/"
CASE_KEYS = b"case/"
# Findings that one task holds: 6 of them hold 12 million device-promise-days. What finds no room is counted, told in
# the report, and missing in its cases.
MAX_FINDINGS = 2_000_000

PART_KEYS = b"part/"
COVERAGE_KEYS = b"coverage/"
LOST_KEY = b"lost"

COUNTING_PARTITION = 0
"""Where coverage and the counts of contacts of all input partitions meet."""

_findings = msgspec.json.Decoder(Finding)
_rows = msgspec.json.Decoder(CaseVersion)
_parts = msgspec.json.Decoder(ReportPart)


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePortion(Portion):
    """A portion of findings, with what the case store must learn once it is committed."""

    rows: tuple[CaseVersion, ...]
    """Cases that changed."""
    parts: tuple[ReportPart, ...]
    """Parts of the report that changed."""
    opened: tuple[Case, ...] = ()
    """Cases that were not open before."""
    lost: int = 0
    """Findings that found no room."""
    edges: FreshEdges = field(default_factory=FreshEdges)
    """What attribution says anew."""


class StageTwo:
    """One partition's task over the findings of the agreements whose key falls there, without any I/O.

    Args:
        partition: the input partition.
        topic: name of the input topic, for dead letters.
        rulebook: what cases are concluded by.
        today: local date that clause states speak of while no event was seen.
        state: the state topic's newest value of each key of this partition.
    """

    def __init__(
        self, *, partition: int, topic: str, rulebook: Rulebook, today: date, state: Mapping[bytes, bytes]
    ) -> None:
        self._partition = partition
        self._topic = topic
        self._today = today
        self._rulebook = rulebook
        self._rows = {row.id: row for row in map(_rows.decode, _under(CASE_KEYS, state))}
        self._parts = {part.name: part for part in map(_parts.decode, _under(PART_KEYS, state))}
        # By input partition and offset: a share that begins anew, where an older one was forgotten, adds to it.
        self._shares: dict[tuple[str, int], Share] = {
            _partition_and_offset(key): read_share(body) for key, body in state.items() if key.startswith(COVERAGE_KEYS)
        }
        self._dirty: dict[bytes, bytes | None] = {}
        self._next_offset = 0
        self._lost = int(state.get(LOST_KEY, b"0"))
        self._held = {key for key in state if key.startswith(FINDING_KEYS)}
        self._counted: CountedContacts | None = None
        if partition == COUNTING_PARTITION:
            self._counted = CountedContacts(state, estimator=Estimator(rulebook))
        self._edges = KeptEdges(state)
        self._edges_changed = False
        self._cases = self._new_cases(map(_findings.decode, _under(FINDING_KEYS, state)))

    @property
    def watermark(self) -> datetime | None:
        """Time that every collector at work has passed in every input partition, None: none is at work.

        Known where the shares meet, and to the minute.
        """
        newest = {name: share for (name, _since), share in sorted(self._shares.items())}
        return min((share.watermark for share in newest.values() if share.watermark), default=None)

    def passed(self, at: datetime) -> None:
        """Learn the machine's time. The state of this stage is kept for ever: nothing is to be renewed."""

    def ran(self, seconds: float) -> None:
        """Learn the time on a clock that is never set; only when edges are estimated goes by it."""
        if self._counted is not None:
            self._counted.ran(seconds)

    def waits(self, at: float) -> bool:  # noqa: ARG002 -- the interface
        """Return whether edges were estimated that are not told yet."""
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

    def take(self, records: Iterable[Record]) -> CasePortion:
        """Take findings in, in their order, and conclude."""
        refused: list[tuple[Record, Reason]] = []
        next_offset, lost_before = self._next_offset, self._lost
        for record in records:
            if record.offset < self._next_offset:
                continue
            next_offset = record.offset + 1
            if record.unreadable or not self._note(record):
                refused.append((record, "unreadable_batch" if record.unreadable else "not_a_finding"))
        if self._edges_changed:
            self._edges_changed = False
            self._cases.attributed(self._edges.all())
        rows, opened = self._compare(self._cases.report())
        parts = self._changed_parts()
        fresh = FreshEdges() if self._counted is None else self._counted.portion()
        outputs = [Output(topic="cases", key=row.id.encode(), value=msgspec.json.encode(row)) for row in rows]
        outputs += fresh.outputs()
        outputs += [dead_letter(record, reason, topic=self._topic) for record, reason in refused]
        return CasePortion(
            outputs=tuple(outputs),
            state={
                **self._dirty,
                **fresh.state(),
                **{CASE_KEYS + row.id.encode(): msgspec.json.encode(row) for row in rows},
                **{PART_KEYS + part.name.encode(): msgspec.json.encode(part) for part in parts},
            },
            next_offset=next_offset,
            refused=tuple(reason for _record, reason in refused),
            rows=tuple(rows),
            parts=tuple(parts),
            opened=tuple(opened),
            lost=self._lost - lost_before,
            edges=fresh,
        )

    def committed(self, portion: CasePortion) -> None:
        """Take *portion* for written down: its transaction has been committed."""
        self._rows |= {row.id: row for row in portion.rows}
        self._parts |= {part.name: part for part in portion.parts}
        self._dirty = {key: body for key, body in self._dirty.items() if portion.state.get(key, b"") != body}
        if self._counted is not None:
            self._counted.committed(portion.edges)
        if portion.next_offset is not None:
            self._next_offset = portion.next_offset

    def everything(self) -> CasePortion:
        """Return every case and part as last committed, for a store that may have missed some."""
        rows, parts = tuple(self._rows.values()), tuple(self._parts.values())
        return CasePortion(outputs=(), state={}, next_offset=None, rows=rows, parts=parts)

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
            basis=book.basis,
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
                self._note_share(record)
            elif kind == CONTACTS and self._counted is not None:
                self._dirty |= self._counted.note(record)
            elif kind == EDGES:
                self._dirty |= self._edges.note(record)
                self._edges_changed = True
            elif kind is None:
                self._note_finding(record)
            else:
                return False
        except (msgspec.DecodeError, ValueError, KeyError, TypeError, RecursionError):
            return False
        return True

    def _note_share(self, record: Record) -> None:
        share, name = read_share(record.value or b""), (record.key or b"").decode()
        self._shares[name, share.since] = share
        self._dirty[b"%s%s/%d" % (COVERAGE_KEYS, name.encode(), share.since)] = record.value

    def _note_finding(self, record: Record) -> None:
        """Take one finding in.

        Raises:
            ValueError: it is none, or lies under the key of another agreement.
        """
        finding = _findings.decode(record.value or b"")
        if record.key != finding.agreement.encode():
            raise ValueError("the key is that of another agreement")
        key = FINDING_KEYS + finding.id.encode()
        if key not in self._held and len(self._held) >= MAX_FINDINGS:
            self._lost += 1
            self._dirty[LOST_KEY] = b"%d" % self._lost
            return
        self._held.add(key)
        self._cases.apply([finding])
        # A finding is only ever replaced by a later one: its partition has one writer, and the rest is fenced off.
        self._dirty[key] = record.value

    def _compare(self, cases: list[Case]) -> tuple[list[CaseVersion], list[Case]]:
        rows, opened = [], []
        for case in cases:
            body = json.dumps(asdict(case), separators=(",", ":"))
            before = self._rows.get(case.id)
            if before is None or before.state != OPEN:
                opened.append(case)
            if before is None or before.state != OPEN or before.body != body:
                evidence = json.dumps(self._cases.evidence(case), separators=(",", ":"))
                version = before.version + 1 if before else 1
                rows.append(CaseVersion(id=case.id, version=version, state=OPEN, body=body, evidence=evidence))
        now = {case.id for case in cases}
        rows += [
            msgspec.structs.replace(row, version=row.version + 1, state=WITHDRAWN)
            for row in self._rows.values()
            if row.state == OPEN and row.id not in now
        ]
        return rows, opened

    def _changed_parts(self) -> list[ReportPart]:
        told: dict[str, Any] = {f"{WAIVED_PARTS}{self._partition}": [asdict(each) for each in self._cases.waived()]}
        if self._shares:
            told[FRAME_PART] = self._frame()
        changed = []
        for name, content in told.items():
            body, before = json.dumps(content, separators=(",", ":")), self._parts.get(name)
            if before is None or before.body != body:
                changed.append(ReportPart(name=name, version=before.version + 1 if before else 1, body=body))
        return changed

    def _frame(self) -> dict[str, Any]:
        coverage, shares = Coverage(), self._shares.values()
        for share in shares:
            coverage.add(share.counted())
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
            coverage=coverage,
            agreements=agreements,
            on=on,
            duplicates=sum(share.duplicates for share in shares),
            differential=[] if self._counted is None else self._counted.differential,
            errors=[*errors, *map(str, self._rulebook.warnings)],
        )
        return {**whole, "cases": [], "waived": []}


def _under(prefix: bytes, state: Mapping[bytes, bytes]) -> list[bytes]:
    return [body for key, body in state.items() if key.startswith(prefix)]


def _partition_and_offset(key: bytes) -> tuple[str, int]:
    name, _, since = key.removeprefix(COVERAGE_KEYS).decode().rpartition("/")
    return name, int(since)
