"""The report of `check --json` as plain data (contract, section 5). Prints nothing, reads nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from rules.agreements.gaps import clause_states

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from rules.agreements.model import Agreement
    from rules.cases import Cases
    from rules.coverage import Coverage

REPORT_VERSION: Final = 1


def build_report(
    *,
    cases: Cases,
    coverage: Coverage,
    agreements: Iterable[Agreement],
    on: date,
    duplicates: int = 0,
    shared_devices: int | None = None,
    differential: Iterable[Mapping[str, Any]] = (),
    errors: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the report, ready to be written as JSON: the same state gives the same report, field by field.

    Args:
        cases: all findings, applied.
        coverage: what was seen.
        agreements: every agreement of the district.
        on: local date for which the clause states hold, normally the last one in the input; told as `last_day`.
        duplicates: events dropped because their id was judged before.
        shared_devices: addresses behind which several devices stand (contract, section 2); None: cannot be told.
        differential: which audiences of each product meet its third parties (`rules.differential`).
        errors: what went wrong without ending the run.
    """
    return {
        "v": REPORT_VERSION,
        "last_day": on.isoformat(),
        "cases": [asdict(case) for case in cases.report()],
        "coverage": {**coverage.as_report(), "shared_devices": shared_devices},
        "agreements": [
            {"id": agreement.id, "clauses": {c: s.state for c, s in clause_states(agreement, on=on).items()}}
            for agreement in sorted(agreements, key=lambda agreement: agreement.id)
        ],
        "waived": [asdict(waived) for waived in cases.waived()],
        "differential": list(differential),
        "duplicates": duplicates,
        "errors": list(errors),
    }
