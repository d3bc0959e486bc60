"""What cases said when evidence of theirs was let go: a case is not withdrawn, and no count falls, because time passed.

What can no longer be looked at speaks neither for nor against a case. So one of which evidence is gone stands as it
last stood until new evidence says more, or a person ends it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import date, tzinfo

    from rules.findings import Case

COUNTS: Final = ("devices", "flows", "bytes_up", "bytes_down")


class Floors:
    """The cases of which evidence is gone, as they stood then."""

    def __init__(self) -> None:
        self._bodies: dict[str, Mapping[str, Any]] = {}
        self._days: dict[str, list[Mapping[str, Any]]] = {}
        self._horizon: date | None = None

    def learn(self, rows: Iterable[tuple[str, str | bytes, str]], *, horizon: date | None, zone: tzinfo) -> None:
        """Look which cases lost evidence.

        Args:
            rows: id, case (contract, section 5) and evidence (`rules.evidence`) of each as stored, JSON.
            horizon: latest local day of which something was let go; None: of none, and nothing is learnt.
            zone: time zone of the district.
        """
        if horizon is None:
            return
        self._horizon = horizon
        for case_id, body, evidence in rows:
            case = json.loads(body)
            if datetime.fromisoformat(case["first_seen"]).astimezone(zone).date() <= horizon:
                self._bodies[case_id] = case
                self._days[case_id] = json.loads(evidence).get("days", []) if evidence else []

    def forget(self, cases: Collection[str]) -> None:
        """Let go of what *cases* (ids) said: somebody forgot them."""
        for case_id in cases:
            self._bodies.pop(case_id, None)
            self._days.pop(case_id, None)

    @property
    def ids(self) -> set[str]:
        """The cases that lost evidence."""
        return set(self._bodies)

    def __contains__(self, case_id: object) -> bool:
        return case_id in self._bodies

    def over(self, case: Case) -> Case:
        """Return *case*, concluded from what is left, with what is gone: sums as large, times as early as they were."""
        before = self._bodies.get(case.id)
        if before is None:
            return case
        larger = {name: max(getattr(case, name), int(before[name])) for name in COUNTS}
        return replace(
            case,
            **larger,
            schools=tuple(sorted({*case.schools, *before["schools"]})),
            groups=tuple(sorted({*case.groups, *before["groups"]})),
            first_seen=min(case.first_seen, before["first_seen"]),
            last_seen=max(case.last_seen, before["last_seen"]),
            # The sentence that has the larger number in it.
            summary=case.summary if case.devices >= before["devices"] else before["summary"],
        )

    def evidence(self, case_id: str, told: dict[str, Any]) -> dict[str, Any]:
        """Return evidence with the days before it that are gone; they belong to the case and are kept with it."""
        if case_id not in self._bodies or self._horizon is None:
            return told
        held = {day["day"] for day in told["days"]}
        gone = [
            day for day in self._days[case_id] if day["day"] <= self._horizon.isoformat() and day["day"] not in held
        ]
        return {**told, "days": sorted([*gone, *told["days"]], key=lambda day: str(day["day"]))}
