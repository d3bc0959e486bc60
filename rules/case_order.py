"""In which order a report tells its cases: the worst first. One answer, whether they come from memory or the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from rules.findings import NO_AGREEMENT, Severity

if TYPE_CHECKING:
    from rules.findings import RuleId

WORST_FIRST: dict[str, int] = {severity: place for place, severity in enumerate(get_args(Severity))}
"""Severity -> its place."""


def place_of(
    severity: Severity, *, agreement: str | None, rule: RuleId, subject: str, clause: str
) -> tuple[int, str, str, str, str]:
    """Return what cases are sorted by: severity, agreement (none first), rule, subject, clause; each has its own."""
    return (WORST_FIRST[severity], agreement or NO_AGREEMENT, rule, subject, clause)
