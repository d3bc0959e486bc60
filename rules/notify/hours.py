"""When something may be told: quiet hours and the day of the digest, in the district's own time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from rules.findings import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Quiet hours of every day."""

    start: time
    """Local time at which they begin."""
    end: time
    """Local time at which they end; earlier than `start`: on the day after."""
    but_critical: bool
    """True: critical cases are told at once all the same."""

    def ends(self, now: datetime, *, zone: ZoneInfo) -> datetime | None:
        """Return when the quiet hours that *now* lies in end (UTC), None: it lies in none."""
        local = now.astimezone(zone)
        clock = local.time()
        over_midnight = self.start > self.end
        after, before = clock >= self.start, clock < self.end
        if not (after or before if over_midnight else after and before):
            return None
        day = local.date() + timedelta(days=1 if over_midnight and clock >= self.start else 0)
        end = datetime.combine(day, self.end, tzinfo=zone).astimezone(UTC)
        # In the hour that a clock change repeats, local time runs through the end twice: the second time is later.
        return end if end > now else datetime.combine(day, self.end.replace(fold=1), tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekly:
    """One moment of every week."""

    weekday: int
    """0: Monday."""
    at: time
    """Local time."""

    def last(self, now: datetime, *, zone: ZoneInfo) -> datetime:
        """Return the last such moment that is not after *now* (UTC)."""
        local = now.astimezone(zone)
        day = local.date() - timedelta(days=(local.weekday() - self.weekday) % 7)
        moment = datetime.combine(day, self.at, tzinfo=zone).astimezone(UTC)
        if moment > now:
            moment = datetime.combine(day - timedelta(days=7), self.at, tzinfo=zone).astimezone(UTC)
        return moment


def due(now: datetime, *, quiet: Quiet | None, severity: Severity, zone: ZoneInfo) -> datetime:
    """Return when something of this severity that arises *now* is to be told (UTC)."""
    if quiet is None or (quiet.but_critical and severity == "critical"):
        return now
    return quiet.ends(now, zone=zone) or now
