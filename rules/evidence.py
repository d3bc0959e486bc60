"""What a case rests on, as days and sample windows of a quarter of an hour: no device, no address, no host. Pure.

Kept beside the case for the operator, with exact counts; whoever shows it bands them (`rules.small_numbers`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from rules.small_numbers import STEP_S, quarter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.findings import Finding

MOST_DAYS: Final = 120
"""Days kept, the latest ones: most of a school year, in about 10 kB."""
MOST_WINDOWS: Final = 5
"""Sample windows kept: those with the most devices."""


def evidence_of(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return days and windows of *findings*, ready for JSON: the same findings in any order give the same."""
    days: defaultdict[str, list[Finding]] = defaultdict(list)
    windows: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for finding in findings:
        days[finding.day.isoformat()].append(finding)
        windows[quarter(finding.first_seen.isoformat()), quarter(finding.last_seen.isoformat())].add(finding.device)
    ranked = sorted(windows, key=lambda window: (-len(windows[window]), window))[:MOST_WINDOWS]
    return {
        "v": 1,
        "days": [_day(day, days[day]) for day in sorted(days)[-MOST_DAYS:]],
        "days_left_out": max(0, len(days) - MOST_DAYS),
        "windows": [
            {"from": start, "to": end, "step_minutes": STEP_S // 60, "devices": len(windows[start, end])}
            for start, end in sorted(ranked)
        ],
    }


def _day(day: str, findings: list[Finding]) -> dict[str, Any]:
    sums: Counter[str] = Counter()
    for finding in findings:
        sums.update(flows=finding.flows, bytes_up=finding.bytes_up, bytes_down=finding.bytes_down)
    return {
        "day": day,
        "devices": len({finding.device for finding in findings}),
        "flows": sums["flows"],
        "bytes_up": sums["bytes_up"],
        "bytes_down": sums["bytes_down"],
    }
