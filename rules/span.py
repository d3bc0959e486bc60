"""A span of time to which a report is held: only flows that began in it count. Pure; it reads no clock.

Dates are those of the district, both included, so a day of 23 or 25 hours is one day like any other. A flow belongs to
the moment at which it began; later parts of a long flow count where the flow, too, began in the span.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from collector.documents import DocumentError, Problem
from collector.problems import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from collector.events import FlowEvent

# CONTRACTS.md section 2, `end`: "a long flow reports every 5 minutes", so part n began at least n times as much later.
PART: Final = timedelta(minutes=5)

# `fromisoformat` also takes 20261014 and 2026-W42-3, which may well be slips.
_WRITTEN: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?P<time>[T ].+)?")

REMEDY: Final = "write a date such as 2026-10-14, or a time with its offset such as 2026-10-14T07:30:00-05:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From one moment to another; at least one of the two is given."""

    since: datetime | None
    """First moment that counts, UTC; None: from the beginning."""
    until: datetime | None
    """First moment that no longer counts, UTC; None: to the end."""
    zone: ZoneInfo
    """Time zone of the district, in which the span is told."""

    def holds(self, event: FlowEvent) -> bool:
        """Return whether the flow of *event*, and the part that it reports, began in the span."""
        started = datetime.fromisoformat(event.started_at)
        if self.until is not None and started >= self.until:
            return False
        # Divided and not multiplied: the number of a part comes from outside and may be of any size.
        return self.since is None or (started - self.since) // PART >= event.part

    def as_report(self, *, outside: int) -> dict[str, Any]:
        """Return the `span` of a report.

        Args:
            outside: events that lay outside.
        """
        return {
            "since": None if self.since is None else self.since.astimezone(self.zone).isoformat(),
            "until": None if self.until is None else self.until.astimezone(self.zone).isoformat(),
            "outside": outside,
        }


class Within:
    """Lets the events of a span through, and counts the others."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.outside = 0
        """Events that lay outside."""

    def of(self, events: Iterable[FlowEvent]) -> Iterator[FlowEvent]:
        """Yield those of *events* that the span holds, in their order."""
        for event in events:
            if self._span.holds(event):
                yield event
            else:
                self.outside += 1


def span_of(*, since: str | None, until: str | None, zone: ZoneInfo) -> Span | None:
    """Return the span that the user wrote, None: nothing was written.

    Args:
        since: a date, whose whole day counts, or a time with its offset, which counts itself.
        until: a date, whose whole day counts, or a time with its offset, from which on nothing counts.
        zone: time zone of the district, in which dates are meant.

    Raises:
        DocumentError: one of them is neither, or they are in the wrong order; with every problem.
    """
    if since is None and until is None:
        return None
    problems: list[Problem] = []
    first = None if since is None else _moment(since, option="--since", days=0, zone=zone, problems=problems)
    end = None if until is None else _moment(until, option="--until", days=1, zone=zone, problems=problems)
    if first is not None and end is not None and first >= end:
        what = f"{shown(until)} does not come after --since ({shown(since)})"
        problems.append(Problem(path="--until", line=1, what=what, remedy="write a later one, or exchange the two"))
    if problems:
        raise DocumentError(problems)
    return Span(since=first, until=end, zone=zone)


def _moment(text: str, *, option: str, days: int, zone: ZoneInfo, problems: list[Problem]) -> datetime | None:
    """Return the moment that *text* means, midnight *days* days after a date; None: it means none, a problem more."""
    written = _WRITTEN.fullmatch(text)
    what = f"{shown(text)} is no date and no time"
    try:
        if written is not None and written["time"] is None:
            day = date.fromisoformat(text) + timedelta(days=days)
            # In UTC, since two times of one zone compare by the clock on the wall, wrongly in an hour that is repeated.
            return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
        if written is not None:
            told = datetime.fromisoformat(text)
            if told.tzinfo is not None:
                return told.astimezone(UTC)
            what = f"{shown(text)} has no offset from UTC, so it is no moment"
    except (ValueError, OverflowError):
        pass
    problems.append(Problem(path=option, line=1, what=what, remedy=REMEDY))
    return None
