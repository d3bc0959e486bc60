"""The embedded service: judges batches of events and commits findings, cases, state and position together."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from rules.agreements.gaps import clause_states
from rules.case_keys import case_of
from rules.case_order import place_of
from rules.closed_findings import is_closed
from rules.contact_book import ContactBook
from rules.coverage import Coverage
from rules.findings import NO_AGREEMENT, Finding, Promise
from rules.floors import Floors
from rules.judgement import Judgement
from rules.key_ring import KeyRing
from rules.last_digits import LastDigits
from rules.sealed_rows import WAIVED, open_report, open_rows, seal_report
from rules.store import CaseRow, FindingRow
from rules.store.keys import KeysInHand
from rules.store.retention import read_ledger
from rules.versions import FORGOTTEN, FRAME_PART, OPEN, WAIVED_PARTS, WITHDRAWN
from rules.waived_digits import WaivedDigits, shown
from rules.windows import HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from collector.events import FlowEvent
    from rules.district.rule import DistrictRule
    from rules.findings import Case
    from rules.metrics import RulesMetrics
    from rules.rulebook import Rulebook
    from rules.store import Position, Store

# What brought a party about is weighed anew when an hour has passed, in a replay too, where hours pass in seconds.
ATTRIBUTE_EVERY_S = 60.0
# When nothing came for so long, nobody waits for the processor: what came last is weighed without waiting for the hour.
QUIET_S = 20.0

_findings = msgspec.json.Decoder(Finding)
_case = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What one commit changed in the cases."""

    opened: tuple[Case, ...]
    """Cases that were not open before."""
    withdrawn: tuple[str, ...]
    """Ids of cases that the evidence no longer supports."""


class EmbeddedService:
    """Judges events and keeps the store up to date.

    Args:
        store: the case store; what an earlier run left there is gone on with.
        rulebook: what events are compared with.
        token_key: local date -> key of the tokens that stand for devices in that day's findings; the same over restarts
            for as long as events of the day come.
        today: local date that clause states speak of while no event was seen.
        metrics: what Prometheus sees.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        *,
        store: Store,
        rulebook: Rulebook,
        token_key: Callable[[date], bytes],
        today: date,
        metrics: RulesMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self.clause_states: dict[str, dict[str, str]] = {}
        """Agreement id -> clause id -> state, as they are now; replaced as a whole, so that any thread may read it."""
        self._keys = KeyRing(store)
        # A case of which nothing can be read begins anew; its versions go on.
        self._rows = store.cases() | {
            gone.id: CaseRow(id=gone.id, version=gone.version, state=FORGOTTEN, body=b"") for gone in store.unreadable()
        }
        self._book = ContactBook(store)
        self._clock = clock
        self._attributed_at: float | None = None
        self._attributed_hour = 0
        self._judged_at: float | None = None
        """When events came last; None: none since what they bring about was weighed."""
        state = store.state("engine")
        kept: Mapping[str, Any] = json.loads(state) if state else {}
        self._judgement = Judgement(
            rulebook,
            token_key=token_key,
            today=today,
            known=(_findings.decode(body) for body in store.findings()),
            coverage=Coverage.from_state(kept["coverage"]) if kept else None,
            last_day=date.fromisoformat(kept["last_day"]) if kept.get("last_day") else None,
            contacts=self._book.log,
            closed=self._book.closed,
            until=self._keys.until,
        )
        self._fresh: dict[str, Finding] = {}
        self._dropped: set[str] = set()
        self._ended: set[date] = set()
        self._restated: set[str] = set()
        self._digits = LastDigits()
        self._digits.learn((row.id, row.evidence) for row in self._rows.values() if row.state == OPEN)
        told = json.loads(store.state("report") or "{}").get(WAIVED, ())
        self._waived = WaivedDigits(open_rows(told, opener=partial(self._keys.open, kind="row")))
        self._floors = Floors()
        self._learn_floors()
        # What an earlier run attributed still holds; without it the first commit would withdraw its cases.
        self._judgement.attribute()
        self._show()

    def judge(self, events: Iterable[FlowEvent]) -> None:
        """Take events in; nothing is kept before `commit`."""
        self._judgement.judge(events)
        self._judged_at = self._clock()

    @property
    def waits(self) -> bool:
        """Return whether events came that a `commit` without further ones would now weigh."""
        return self._judged_at is not None and self._clock() - self._judged_at >= QUIET_S

    def commit(self, position: Position | None) -> Changes:
        """Conclude, and write everything down at once.

        Args:
            position: how far the input is judged now; None: unchanged.

        Raises:
            StoreError: nothing was written.
        """
        self._forget()
        if self._is_time_to_attribute(position):
            self._judgement.attribute()
        rows, changes = self._compare(self._conclude())
        kept = self._book.changes()
        self._store.commit(
            findings={key: _finding_row(finding) for key, finding in self._fresh.items()},
            cases=rows,
            state={**self._state(), **kept.written},
            position=position,
            dropped=kept.dropped,
            closed=self._dropped,
            ended=self._ended,
        )
        self._book.committed(kept)
        self._fresh, self._dropped, self._restated, self._ended = {}, set(), set(), set()
        self._rows |= {row.id: row for row in rows}
        for case in changes.opened:
            self._metrics.opened(agreement=case.agreement, rule=case.rule, severity=case.severity)
        self._show()
        return changes

    def replace(self, rulebook: Rulebook) -> Changes:
        """Go on under another rulebook, and commit what it changes."""
        self._judgement = self._judgement.under(rulebook)
        self._judgement.attribute()
        return self.commit(None)

    def close_before(self, day: date) -> bool:
        """Keep no more than counts and sums of the days before *day*: their devices cannot be told apart any more.

        Return whether there was anything to close; the next commit writes it down. No case changes by it.
        """
        met = [each for each in self._judgement.contacts.days() if each < day]
        over = {*met, *(each for each in self._judgement.cases.open_days if each < day)}
        if not over:
            return False
        self._judgement.attribute()
        before = [self._digits.over(case) for case in self._conclude()]
        waived = self._waived.over(self._judgement.cases.waived())
        for each, counts in self._judgement.close(met).items():
            self._book.close(each, counts=counts)
        closing = self._judgement.settle(over)
        self._fresh = {key: found for key, found in self._fresh.items() if key not in closing.dropped}
        self._fresh |= {found.id: found for found in closing.written}
        self._dropped |= closing.dropped
        self._ended |= over
        self._judgement.attribute()
        self._restated |= self._digits.note(before, after=self._conclude())
        self._waived.note(waived, after=self._judgement.cases.waived())
        return True

    def _conclude(self) -> list[Case]:
        """Return every case that is open now; findings that changed are written down by the next commit."""
        findings, cases = self._judgement.conclude()
        self._fresh |= {finding.id: finding for finding in findings}
        return cases

    def _forget(self) -> None:
        """Let go of what somebody else has forgotten meanwhile."""
        fresh = self._keys.refresh()
        if not fresh:
            return
        self._judgement.forget(fresh)
        for case in fresh & self._rows.keys():
            self._rows[case] = replace(self._rows[case], state=FORGOTTEN, body=b"", evidence="")
        self._floors.forget(fresh)
        self._digits.forget(fresh)
        self._waived.forget(fresh)
        self._fresh = {key: found for key, found in self._fresh.items() if case_of(found) not in fresh}

    def let_go(self, days: Collection[date]) -> None:
        """Drop the findings and counts of these local days; no case is withdrawn by it. The next commit writes it."""
        self._learn_floors()
        self._book.let_go(days)
        self._judgement.let_go(days, closed=self._book.closed)

    def _learn_floors(self) -> None:
        rows = ((row.id, row.body, row.evidence) for row in self._rows.values() if row.state == OPEN and row.body)
        zone = self._judgement.rulebook.network.time_zone
        self._floors.learn(rows, horizon=read_ledger(self._store.database).horizon, zone=zone)

    def _is_time_to_attribute(self, position: Position | None) -> bool:
        """Return whether an input has ended or is quiet, or an hour of its time has passed and some of ours."""
        now, hour = self._clock(), self._book.log.latest_ms // HOUR_MS
        ended = position is not None and position.finished
        waited = self._attributed_at is None or now - self._attributed_at >= ATTRIBUTE_EVERY_S
        if not (ended or self.waits or (hour > self._attributed_hour and waited)):
            return False
        self._attributed_at, self._attributed_hour, self._judged_at = now, hour, None
        return True

    @property
    def rules(self) -> tuple[DistrictRule, ...]:
        """The district's own rules as they are now."""
        return self._judgement.rulebook.rules

    def _compare(self, cases: list[Case]) -> tuple[list[CaseRow], Changes]:
        rows, opened = [], []
        self._digits.keep_only({case.id for case in cases})
        for case in (self._floors.over(self._digits.over(case)) for case in cases):
            body = json.dumps(asdict(case), separators=(",", ":")).encode()
            before = self._rows.get(case.id)
            if before is None or before.state != OPEN:
                opened.append(case)
            if before is None or before.state != OPEN or before.body != body or case.id in self._restated:
                told = self._floors.evidence(case.id, self._judgement.cases.evidence(case))
                told = self._digits.evidence(case.id, told)
                evidence = json.dumps(told, separators=(",", ":"))
                version = before.version + 1 if before else 1
                rows.append(CaseRow(id=case.id, version=version, state=OPEN, body=body, evidence=evidence))
        now = {case.id for case in cases}
        gone = [
            row for row in self._rows.values() if row.state == OPEN and row.id not in now and row.id not in self._floors
        ]
        rows += [replace(row, version=row.version + 1, state=WITHDRAWN) for row in gone]
        return rows, Changes(opened=tuple(opened), withdrawn=tuple(row.id for row in gone))

    def _state(self) -> dict[str, bytes]:
        engine = self._judgement.engine
        kept = {
            "coverage": engine.coverage.as_state(),
            "last_day": engine.last_day.isoformat() if engine.last_day else None,
        }
        # The cases stand in rows of their own; what surrounds them in a report is kept as it is.
        report = {**self._judgement.report(), "cases": [], WAIVED: self._waived.rows(self._judgement.cases.waived())}
        sealed = seal_report(report, seal=partial(self._keys.seal, kind="row"))
        return {"engine": json.dumps(kept).encode(), "report": json.dumps(sealed).encode()}

    def _show(self) -> None:
        engine, rulebook = self._judgement.engine, self._judgement.rulebook
        on = self._judgement.on
        self.clause_states = {
            a.id: {str(c): str(s.state) for c, s in clause_states(a, on=on).items()} for a in rulebook.agreements
        }
        self._metrics.declare(self.clause_states, rules=rulebook.rule_ids)
        by_source = {name: tally.flows for name, tally in engine.coverage.by_name_source.items()}
        self._metrics.flows(by_verdict=engine.coverage.by_verdict, by_source=by_source)


def _finding_row(finding: Finding) -> FindingRow:
    open_day = None if is_closed(finding) else finding.day
    return FindingRow(finding.agreement, case_of(finding), msgspec.json.encode(finding), open_day)


def stored_report(store: Store) -> dict[str, Any]:
    """Return the report as the store holds it (contract, section 5): open cases, coverage, clause states.

    A case that somebody closed is left out until something new is told of it. What the collector withheld is left out
    as well: the report is the same as that of `check`, which sees every name. `stored_frame` tells it.
    """
    parts, opener = store.parts(), KeysInHand(store.live_keys())
    report = _frame(store, parts=parts, keys=opener)
    report.get("coverage", {}).pop("withheld", None)
    if parts:
        told = [each for name in parts if name.startswith(WAIVED_PARTS) for each in json.loads(parts[name])]
        waived = shown(open_rows(told, opener=_row_opener(opener)))
        waived.sort(key=_promise)
        report[WAIVED] = waived
    cases = [_case.decode(body) for body in store.open_cases()]
    cases.sort(key=_order)
    return {**report, "cases": cases}


def _order(case: Mapping[str, Any]) -> tuple[int, str, str, str, str]:
    return place_of(
        case["severity"],
        agreement=case["agreement"],
        rule=case["rule"],
        subject=case["subject"],
        clause=case["clause"],
    )


def _promise(waived: Mapping[str, Any]) -> Promise:
    return Promise(waived["agreement"] or NO_AGREEMENT, waived["rule"], waived["clause"], waived["subject"])


def stored_frame(store: Store) -> dict[str, Any]:
    """Return what surrounds the cases in a report, as the store holds it: coverage, clause states."""
    return _frame(store, parts=store.parts(), keys=KeysInHand(store.live_keys()))


def _frame(store: Store, *, parts: Mapping[str, str], keys: KeysInHand) -> dict[str, Any]:
    # Case tasks behind Kafka write parts; the embedded service writes the whole.
    frame = parts.get(FRAME_PART) or store.state("report")
    kept: dict[str, Any] = json.loads(frame) if frame else empty_report()
    report = open_report(kept, opener=_row_opener(keys))
    return {**report, WAIVED: shown(report.get(WAIVED, ()))}


def _row_opener(keys: KeysInHand) -> Callable[[str, bytes], bytes | None]:
    return lambda about, sealed: keys.open(about, sealed, "row")


def empty_report() -> dict[str, Any]:
    """Return the report of a store into which nothing was ever judged."""
    nothing: dict[str, Any] = {name: [] for name in ("cases", "agreements", "waived", "differential", "errors")}
    return {"v": 1, **nothing, "coverage": Coverage().as_report()}
