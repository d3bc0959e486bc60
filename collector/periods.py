"""Which stretch of a local day a packet belongs to: the lifetime of one pseudonym key. Time comes in as an argument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date, tzinfo

NS = 1_000_000_000
HOURS_A_DAY = 24
NAME = "%Y-%m-%dT%H"


class Period:
    """One lifetime of a pseudonym key. Read only: the types of a NamedTuple are compiled at each start."""

    __slots__ = ("day", "end_ns", "name", "start_ns")

    name: str
    """Local start, for example `2026-10-06T00`."""
    day: date
    """Local date."""
    start_ns: int
    """First nanosecond, since the epoch."""
    end_ns: int
    """First nanosecond that no longer belongs to it."""

    def __init__(self, *, name: str, day: date, start_ns: int, end_ns: int) -> None:
        self.name = name
        self.day = day
        self.start_ns = start_ns
        self.end_ns = end_ns


class Periods:
    """Cuts local days into equal parts at local midnight.

    Args:
        zone: time zone of the district.
        hours: length of a period, a divisor of 24.
    """

    def __init__(self, zone: tzinfo, *, hours: int = HOURS_A_DAY) -> None:
        if hours < 1 or HOURS_A_DAY % hours:
            raise ValueError(f"a period of {hours} hours does not divide a day; write 24, 12, 8, 6, 4, 3, 2 or 1")
        self._zone = zone
        self._hours = hours
        self._recent: list[Period] = []

    def of(self, at_ns: int) -> Period:
        """Return the period that *at_ns* (nanoseconds since the epoch) lies in."""
        for period in self._recent:
            if period.start_ns <= at_ns < period.end_ns:
                return period
        period = self._cut(at_ns)
        # Two periods are open at a time (flows that started before midnight still end after it); four is ample.
        self._recent = [period, *self._recent[:3]]
        return period

    def start_ns(self, name: str) -> int:
        """Return the first nanosecond of the period of this name."""
        return _nanoseconds(datetime.strptime(name, NAME).replace(tzinfo=self._zone))

    def _cut(self, at_ns: int) -> Period:
        # In autumn the clock shows one hour twice: periods are cut by wall time, so the pair falls together.
        local = datetime.fromtimestamp(at_ns // NS, tz=self._zone)
        hour = local.hour // self._hours * self._hours
        start = datetime(local.year, local.month, local.day, hour, tzinfo=self._zone)
        wall_end = start.replace(tzinfo=None) + timedelta(hours=self._hours)
        end = wall_end.replace(tzinfo=self._zone)
        return Period(
            name=start.strftime(NAME),
            day=local.date(),
            start_ns=_nanoseconds(start),
            end_ns=_nanoseconds(end),
        )


def _nanoseconds(when: datetime) -> int:
    return int(when.astimezone(UTC).timestamp()) * NS
