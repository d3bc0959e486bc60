"""Stage two, keyed by agreement: turns findings into cases, one per promise broken.

What it reports is a function of the findings that it holds, not of the order or the portions in which they came: a
finding replaces an earlier one of its id, and sums only ever grow, so the larger one is the later one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from collector.hosts import covers
from rules.agreements.model import waivers
from rules.attributed import Grounds, edge_since, grounds_of
from rules.basis import Basis, basis_of_case
from rules.case_keys import case_id
from rules.case_order import place_of
from rules.checks.base import Evidence, device_days
from rules.checks.wording import groups_of
from rules.closed_findings import closed, is_closed, is_past
from rules.editions import Editions
from rules.evidence import evidence_of, party_in, sections_in
from rules.findings import NO_AGREEMENT, Case, Promise, WaivedCase

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import date, datetime

    from rules.agreements.model import Agreement
    from rules.checks.base import Check, Conclusion, SettlingCheck
    from rules.edges import Edge
    from rules.findings import Finding
    from rules.parties import Party


class Closing(NamedTuple):
    """What the end of a day changes in what is held."""

    written: tuple[Finding, ...] = ()
    """Findings that stand for those of devices."""
    dropped: frozenset[str] = frozenset()
    """Ids of findings that are no more."""


class Cases:
    """The cases of any number of agreements.

    Args:
        agreements: every agreement of the district.
        party_of: domain -> its owner by the party lists, None: in no list.
        checks: the rules to conclude by.
        editions: the agreements by time; None: `agreements` speak for every time.
        basis: what else verdicts rest on, for the evidence; None: the evidence does not say.
        until: case id -> moment up to which what was seen of it does not count; None: no case was ever forgotten.
    """

    def __init__(
        self,
        *,
        agreements: Iterable[Agreement],
        party_of: Callable[[str], Party | None],
        checks: Iterable[Check],
        editions: Editions | None = None,
        basis: Basis | None = None,
        until: Callable[[str], datetime] | None = None,
    ) -> None:
        self._basis = basis
        self._until = until
        self._editions = Editions.only(agreements) if editions is None else editions
        self._party_of = party_of
        self._checks = {check.id: check for check in checks}
        self._findings: dict[Promise, dict[str, Finding]] = defaultdict(dict)
        self._concluded: dict[Promise, tuple[Case | None, WaivedCase | None]] = {}
        self._grounds: dict[Promise, Conclusion | None] = {}
        self._attributed: dict[Promise, Grounds] = {}
        self.open_days: set[date] = set()
        """Local days of which findings of devices are held."""

    def apply(self, findings: Iterable[Finding]) -> None:
        """Take findings in; the same one twice, or an older one later, changes nothing."""
        for finding in findings:
            promise = Promise(finding.agreement, finding.rule, finding.clause, finding.subject)
            if self._is_past(promise, finding):
                continue
            held = self._findings[promise].get(finding.id)
            merged = finding if held is None else _later(held, finding)
            if merged != held:
                self._findings[promise][finding.id] = merged
                if finding.day not in self.open_days and not is_closed(finding):
                    self.open_days.add(finding.day)
                self._concluded.pop(promise, None)

    def forget(self, cases: Collection[str]) -> None:
        """Let go of everything that was seen of *cases* (ids)."""
        for promise in [each for each in self._promises() if case_id(each) in cases]:
            for held in (self._findings, self._attributed, self._concluded, self._grounds):
                held.pop(promise, None)

    def let_go(self, days: Collection[date]) -> None:
        """Drop the findings of these local days: they have been kept for as long as they may be."""
        for promise, held in self._findings.items():
            gone = [key for key, finding in held.items() if finding.day in days]
            for key in gone:
                del held[key]
            if gone:
                self._concluded.pop(promise, None)
        self.open_days -= {*days}

    def close(self, days: Collection[date]) -> Closing:
        """Keep of the findings of these local days what `rules.closed_findings` leaves, and say what that changes."""
        written: dict[str, Finding] = {}
        dropped: set[str] = set()
        for promise, held in self._findings.items():
            ending: defaultdict[date, list[Finding]] = defaultdict(list)
            for finding in held.values():
                if finding.day in days:
                    ending[finding.day].append(finding)
            for day in sorted(ending):
                if all(map(is_closed, ending[day])):
                    continue
                left = {each.id: each for each in closed(self._settled(promise, ending[day]), edition=self._edition)}
                for finding in ending[day]:
                    del held[finding.id]
                dropped |= {finding.id for finding in ending[day]} - left.keys()
                held.update(left)
                written |= left
                self._concluded.pop(promise, None)
        self.open_days -= {*days}
        return Closing(written=tuple(written.values()), dropped=frozenset(dropped))

    def _edition(self, moment: datetime) -> int:
        return self._editions.number(moment)

    def _settled(self, promise: Promise, findings: list[Finding]) -> Iterable[Finding]:
        """Return findings of one day with what their rule saw of single devices."""
        check = self._checks.get(promise.rule)
        if check is None or not _settles(check):
            return findings
        day = findings[0].day
        others = [each for each in self._findings[promise].values() if each.day != day and is_closed(each)]
        parts = ([each for each in findings if each.waived is waived] for waived in (False, True))
        return [each for part in parts if part for each in check.settle(self._evidence(promise, part), others=others)]

    def attributed(self, edges: Iterable[Edge]) -> None:
        """Take what attribution says of all agreements now, in place of what it said before."""
        found = grounds_of(
            edges,
            checks=self._checks.values(),
            agreement_at=lambda key, at: self._editions.version(key, at=at),
            party_of=self._party_of,
        )
        if self._until is not None:
            found = {promise: left for promise, each in found.items() if (left := self._since(promise, each)).findings}
        for promise in self._attributed.keys() | found.keys():
            if self._attributed.get(promise) != found.get(promise):
                self._concluded.pop(promise, None)
        self._attributed = found

    def report(self) -> list[Case]:
        """Return the cases that are open now, the worst first, then by agreement, rule, subject and clause."""
        cases = [case for promise in self._promises() if (case := self._conclusions(promise)[0]) is not None]
        return sorted(cases, key=_order)

    def evidence(self, case: Case) -> dict[str, Any]:
        """Return what *case*, reported just now, rests on, ready for JSON: days, windows, words, lists, versions."""
        promise = Promise(case.agreement or NO_AGREEMENT, case.rule, case.clause, case.subject)
        valid = self._grounds.get(promise)
        findings = () if valid is None else valid.findings
        told = evidence_of(findings)
        if not findings:
            return told
        newest = max(finding.first_seen for finding in findings)
        agreement, check = self._editions.version(promise.agreement, at=newest), self._checks.get(promise.rule)
        grounds = self._attributed.get(promise)
        told["party"] = party_in(self._party_of(grounds.edges[0].party if grounds else promise.subject))
        told["agreement_sections"] = sections_in(agreement, fields=() if check is None else check.fields)
        if self._basis is not None:
            told["basis"] = basis_of_case(
                self._basis, check=check, rule=promise.rule, agreement=agreement,
                agreements=self._editions.agreements(self._editions.number(newest)),
            )  # fmt: skip
        if valid is not None and valid.evidence:
            told["attribution"] = dict(valid.evidence)
        return told

    def waived(self) -> list[WaivedCase]:
        """Return the cases that would be open if no waiver covered them, by agreement, rule, clause and subject."""
        return [waived for promise in sorted(self._promises()) if (waived := self._conclusions(promise)[1]) is not None]

    def findings(self) -> Iterator[Finding]:
        """Yield every finding held, by promise and id."""
        for promise in sorted(self._findings):
            held = self._findings[promise]
            yield from (held[key] for key in sorted(held))

    def _since(self, promise: Promise, grounds: Grounds) -> Grounds:
        """Return what attribution contributes since a case was forgotten; all of it, where it never was."""
        left = {key: each for key, each in grounds.findings.items() if not self._is_past(promise, each)}
        if self._until is None or len(left) == len(grounds.findings):
            return grounds
        until = self._until(case_id(promise))
        edges = [part for edge in grounds.edges if (part := edge_since(edge, until)) is not None]
        return Grounds(edges=edges, findings=left)

    def _is_past(self, promise: Promise, finding: Finding) -> bool:
        return self._until is not None and is_past(finding, until=self._until(case_id(promise)))

    def _promises(self) -> set[Promise]:
        return self._findings.keys() | self._attributed.keys()

    def _conclusions(self, promise: Promise) -> tuple[Case | None, WaivedCase | None]:
        known = self._concluded.get(promise)
        if known is None:
            known = self._concluded[promise] = self._conclude(promise)
        return known

    def _conclude(self, promise: Promise) -> tuple[Case | None, WaivedCase | None]:
        grounds = self._attributed.get(promise)
        held = {**self._findings.get(promise, {}), **(grounds.findings if grounds else {})}
        ordered = [held[key] for key in sorted(held)]
        waived = {finding.id for finding in ordered if finding.waived or self._waived_since(promise, finding)}
        valid = self._judge(promise, [finding for finding in ordered if finding.id not in waived])
        case = None if valid is None else _case(promise, valid)
        self._grounds[promise] = valid
        # A waived case is what is waived alone: what opens in spite of the waiver is in the case above.
        hidden = self._judge(promise, [finding for finding in ordered if finding.id in waived])
        return case, None if hidden is None else _waived(promise, hidden)

    def _waived_since(self, promise: Promise, finding: Finding) -> bool:
        """Return whether a waiver covers a finding that was made before the waiver was written.

        A waiver says until when it holds and not since when, so it counts for what was seen before as well.
        """
        return any(
            waiver.clause == promise.clause
            and finding.day <= waiver.until
            and (waiver.domain is None or covers(waiver.domain, promise.subject))
            for agreement in self._editions.since(promise.agreement, at=finding.first_seen)
            for waiver in waivers(agreement)
        )

    def _judge(self, promise: Promise, findings: list[Finding]) -> Conclusion | None:
        check = self._checks.get(promise.rule)
        if check is None or not findings:
            return None
        return check.conclude(self._evidence(promise, findings))

    def _evidence(self, promise: Promise, findings: list[Finding]) -> Evidence:
        grounds = self._attributed.get(promise)
        edges = tuple(grounds.edges) if grounds else ()
        # The newest version that surely made one of these findings: each was judged by that of its first flow.
        newest = max(finding.first_seen for finding in findings)
        return Evidence(
            clause=promise.clause,
            subject=promise.subject,
            findings=tuple(findings),
            # None where the rule is about the absence of one, and where the file has gone since.
            agreement=self._editions.version(promise.agreement, at=newest),
            party=self._party_of(edges[0].party if edges else promise.subject),
            edges=edges,
        )


def _settles(check: Check) -> TypeGuard[SettlingCheck]:
    return hasattr(check, "settle")


def _later(one: Finding, other: Finding) -> Finding:
    """Return the state after both, whichever came first."""
    return replace(
        one,
        flows=max(one.flows, other.flows),
        bytes_up=max(one.bytes_up, other.bytes_up),
        bytes_down=max(one.bytes_down, other.bytes_down),
        first_seen=min(one.first_seen, other.first_seen),
        last_seen=max(one.last_seen, other.last_seen),
    )


def _case(promise: Promise, conclusion: Conclusion) -> Case:
    findings = conclusion.findings
    return Case(
        id=case_id(promise),
        agreement=None if promise.agreement == NO_AGREEMENT else promise.agreement,
        rule=promise.rule,
        subject=promise.subject,
        verdict=conclusion.verdict,
        severity=conclusion.severity,
        clause=promise.clause,
        confidence=round(conclusion.confidence, 2),
        devices=device_days(findings),
        schools=tuple(sorted({finding.school for finding in findings})),
        groups=groups_of(findings),
        flows=sum(finding.flows for finding in findings),
        bytes_up=sum(finding.bytes_up for finding in findings),
        bytes_down=sum(finding.bytes_down for finding in findings),
        first_seen=_stamp(min(finding.first_seen for finding in findings)),
        last_seen=_stamp(max(finding.last_seen for finding in findings)),
        summary=conclusion.summary,
        agreement_says=conclusion.agreement_says,
        cannot_see=conclusion.cannot_see,
    )


def _waived(promise: Promise, conclusion: Conclusion) -> WaivedCase:
    return WaivedCase(
        agreement=None if promise.agreement == NO_AGREEMENT else promise.agreement,
        rule=promise.rule,
        clause=promise.clause,
        subject=promise.subject,
        devices=device_days(conclusion.findings),
        flows=sum(finding.flows for finding in conclusion.findings),
    )


def _order(case: Case) -> tuple[int, str, str, str, str]:
    return place_of(case.severity, agreement=case.agreement, rule=case.rule, subject=case.subject, clause=case.clause)


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
