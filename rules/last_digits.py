"""What cases say to the last digit, where closed days no longer do: kept with each case, and let go with it.

The contract wants exact counts and times in the operator's `cases --json`, and a case must not change because a day is
over. So when days are closed, what each case said before is compared with what is concluded from what is left; the
difference lies in the evidence of the case, under its key, and is put onto what is concluded from then on. It is one
difference for all closed days of a case, and of no day and no group.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from rules.findings import Case

EVIDENCE_KEY: Final = "digits"
"""Under this name it lies in the evidence of a case; it is shown to nobody (`rules.evidence.shown`)."""
SUMS: Final = ("devices", "flows", "bytes_up", "bytes_down")
WORDS: Final = ("verdict", "severity", "confidence", "summary", "agreement_says")
"""What is said as before while what is concluded is what was concluded when days were closed."""
SETS: Final = ("schools", "groups")
TIMES: Final = ("first_seen", "last_seen")


class LastDigits:
    """The differences of the open cases."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Any]] = {}

    def learn(self, rows: Iterable[tuple[str, str]]) -> None:
        """Take in what lies in evidence: id and evidence (JSON) of each open case."""
        for case_id, evidence in rows:
            kept = json.loads(evidence).get(EVIDENCE_KEY) if evidence else None
            if kept:
                self._kept[case_id] = kept

    def note(self, before: Iterable[Case], *, after: Iterable[Case]) -> set[str]:
        """Compare cases as they stood with what is concluded now that days are closed; return those that differ.

        Args:
            before: as they were told, what was kept until now included.
            after: as concluded from what is left, without what was kept.
        """
        left = {case.id: asdict(case) for case in after}
        changed = set()
        for case in before:
            was, now = asdict(case), left.get(case.id)
            if now is None:
                continue
            told = {
                **{name: was[name] - now[name] for name in SUMS},
                # What is concluded otherwise later on stays so: only what cannot be seen any more is added.
                **{name: sorted({*was[name]} - {*now[name]}) for name in SETS},
                **{name: [now[name], was[name]] for name in (*WORDS, *TIMES) if now[name] != was[name]},
            }
            if was == now:
                told = {}
            if told != self._kept.get(case.id, {}):
                changed.add(case.id)
                self.forget([case.id])
                if told:
                    self._kept[case.id] = told
        return changed

    def over(self, case: Case) -> Case:
        """Return a case, as concluded from what is left, with what was said to the last digit."""
        kept = self._kept.get(case.id)
        if kept is None:
            return case
        concluded = asdict(case)
        told: dict[str, Any] = {name: concluded[name] + kept[name] for name in SUMS}
        told |= {name: tuple(sorted({*concluded[name], *kept[name]})) for name in SETS}
        told |= {name: _time(concluded[name], kept=kept[name], name=name) for name in TIMES if name in kept}
        told |= {name: kept[name][1] for name in WORDS if name in kept and concluded[name] == kept[name][0]}
        return replace(case, **told)

    def evidence(self, case_id: str, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return evidence with what is kept of the case."""
        kept = self._kept.get(case_id)
        return {**told, EVIDENCE_KEY: kept} if kept else {**told}

    def forget(self, cases: Collection[str]) -> None:
        """Let go of what is kept of *cases* (ids)."""
        for case_id in cases:
            self._kept.pop(case_id, None)

    def keep_only(self, cases: Collection[str]) -> None:
        """Let go of what is kept of all but these (ids): the others are open no more."""
        self.forget(self._kept.keys() - cases)


def _time(concluded: str, *, kept: list[str], name: str) -> str:
    coarse, exact = kept
    if concluded == coarse:
        return exact
    # Somebody was seen earlier, or later, since.
    return min(concluded, exact) if name == "first_seen" else max(concluded, exact)
