"""What waived cases say to the last digit, where closed days no longer do: kept with each row of the report.

A waived case has no row in which a difference could lie as that of a case does (`rules.last_digits`). So it lies with
the waived case in the report, under the same key, and is shown to nobody.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from rules.sealed_rows import waived_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from rules.findings import WaivedCase

DIGITS: Final = "digits"
"""Under this name it lies in a waived case."""
SUMS: Final = ("devices", "flows")


class WaivedDigits:
    """The differences of waived cases.

    Args:
        rows: the waived cases of the report as it was written down last.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._kept: dict[str, dict[str, int]] = {waived_id(row): row[DIGITS] for row in rows if row.get(DIGITS)}

    def note(self, before: Iterable[WaivedCase], *, after: Iterable[WaivedCase]) -> None:
        """Compare waived cases as they stood with what is concluded now that days are closed.

        Args:
            before: as they were told, what was kept until now included.
            after: as concluded from what is left, without what was kept.
        """
        left = {waived_id(asdict(case)): case for case in after}
        for case in before:
            key = waived_id(asdict(case))
            if key in left:
                more = {name: getattr(case, name) - getattr(left[key], name) for name in SUMS}
                self._kept[key] = {name: number for name, number in more.items() if number}

    def over(self, waived: Iterable[WaivedCase]) -> list[WaivedCase]:
        """Return waived cases, as concluded from what is left, with what was said to the last digit."""
        return [self._over(case) for case in waived]

    def rows(self, waived: Iterable[WaivedCase]) -> list[dict[str, Any]]:
        """Return the rows of a report about *waived*, with what is kept of each; of others nothing is kept."""
        if not self._kept:
            return [asdict(case) for case in waived]
        rows = [asdict(case) for case in self.over(waived)]
        kept = {key: self._kept[key] for row in rows if self._kept.get(key := waived_id(row))}
        self._kept = kept
        return [{**row, DIGITS: kept[key]} if (key := waived_id(row)) in kept else row for row in rows]

    def forget(self, cases: Collection[str]) -> None:
        """Let go of what is kept of *cases* (ids)."""
        for case_id in cases:
            self._kept.pop(case_id, None)

    def _over(self, case: WaivedCase) -> WaivedCase:
        kept = self._kept.get(waived_id(asdict(case)), {})
        return replace(case, **{name: getattr(case, name) + more for name, more in kept.items()})


def shown(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows about waived cases as a report has them (contract, section 5)."""
    return [{name: value for name, value in row.items() if name != DIGITS} for row in rows]
