"""The cases of one task as they were told, and what is to be told of those that are concluded now.

A case is told over what is concluded from what is left: with the last digits of closed days, and no less than it said
when evidence of it was let go. What was told changes only when the transaction that tells it has been committed.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from rules.floors import Floors
from rules.last_digits import LastDigits
from rules.versions import FORGOTTEN, OPEN, WITHDRAWN, CaseVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import date, tzinfo

    from rules.findings import Case


class ToldCases:
    """The newest version of every case that was told.

    Args:
        rows: as they were written down.
    """

    def __init__(self, rows: Iterable[CaseVersion]) -> None:
        self._rows = {row.id: row for row in rows}
        self._forgotten: set[str] = {row.id for row in self._rows.values() if not row.body}
        self._restated: set[str] = set()
        self._digits = LastDigits()
        self._digits.learn((row.id, row.evidence) for row in self._rows.values() if row.state == OPEN)
        self._floors = Floors()

    def all(self) -> tuple[CaseVersion, ...]:
        """Return the newest version of each, as last committed."""
        return tuple(self._rows.values())

    def learn_floors(self, *, horizon: date | None, zone: tzinfo) -> None:
        """Look which cases lost evidence (`rules.floors`).

        Args:
            horizon: latest local day of which something was let go; None: of none.
            zone: time zone of the district.
        """
        rows = ((row.id, row.body, row.evidence) for row in self._rows.values() if row.state == OPEN and row.body)
        self._floors.learn(rows, horizon=horizon, zone=zone)

    def forget(self, cases: Collection[str]) -> None:
        """Learn that these cases (ids) were forgotten."""
        self._floors.forget(cases)
        self._digits.forget(cases)
        self._forgotten |= cases & self._rows.keys()

    def as_told(self, cases: Iterable[Case]) -> list[Case]:
        """Return cases, as concluded from what is left, to the last digit."""
        return [self._digits.over(case) for case in cases]

    def restate(self, before: Iterable[Case], *, after: Iterable[Case]) -> None:
        """Learn that days were closed: no case changes by it.

        Args:
            before: the cases as they stood, to the last digit.
            after: as concluded from what is left of those days.
        """
        self._restated |= self._digits.note(before, after=after)

    def compare(
        self, cases: list[Case], *, evidence: Callable[[Case], dict[str, Any]]
    ) -> tuple[list[CaseVersion], list[Case]]:
        """Return the versions that differ from what was told, and the cases that were not open before.

        Args:
            cases: as concluded from what is left.
            evidence: returns what a case rests on.
        """
        rows, opened = [], []
        self._digits.keep_only({case.id for case in cases})
        for case in map(self._floors.over, self.as_told(cases)):
            body = json.dumps(asdict(case), separators=(",", ":"))
            before = self._rows.get(case.id)
            is_new = before is None or before.state != OPEN or case.id in self._forgotten
            if is_new:
                opened.append(case)
            if before is None or is_new or before.body != body or case.id in self._restated:
                told = self._floors.evidence(case.id, evidence(case))
                told = self._digits.evidence(case.id, told)
                version = before.version + 1 if before else 1
                on = json.dumps(told, separators=(",", ":"))
                rows.append(CaseVersion(id=case.id, version=version, state=OPEN, body=body, evidence=on))
        now = {case.id for case in cases}
        rows += [
            msgspec.structs.replace(row, version=row.version + 1, state=WITHDRAWN)
            for row in self._rows.values()
            if row.state == OPEN and row.id not in now and row.id not in self._forgotten | self._floors.ids
        ]
        written = {row.id for row in rows}
        rows += [
            CaseVersion(id=case_id, version=self._rows[case_id].version + 1, state=FORGOTTEN, body="")
            for case_id in sorted(self._forgotten - written)
            if self._rows[case_id].state != FORGOTTEN
        ]
        return rows, opened

    def committed(self, rows: Collection[CaseVersion]) -> None:
        """Take *rows* for written down: their transaction has been committed."""
        self._rows |= {row.id: row for row in rows}
        self._forgotten -= {row.id for row in rows}
        self._restated -= {row.id for row in rows}
