"""Days are cut by the district's own clock."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from collector.periods import NS, Periods

CHICAGO = ZoneInfo("America/Chicago")


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


def test_a_day_starts_at_local_midnight_and_not_at_midnight_utc() -> None:
    periods = Periods(CHICAGO)
    assert periods.of(ns("2026-10-06T04:59:59")).day == date(2026, 10, 5)
    assert periods.of(ns("2026-10-06T05:00:00")).day == date(2026, 10, 6)


def test_six_hour_periods_follow_the_wall_clock() -> None:
    periods = Periods(CHICAGO, hours=6)
    assert periods.of(ns("2026-10-06T10:59:59")).name == "2026-10-06T00"
    assert periods.of(ns("2026-10-06T11:00:00")).name == "2026-10-06T06"


def test_the_day_on_which_the_clock_goes_back_is_one_day_of_25_hours() -> None:
    period = Periods(CHICAGO).of(ns("2026-11-01T12:00:00"))
    assert (period.end_ns - period.start_ns) // (3600 * NS) == 25


def test_every_moment_lies_in_the_period_it_is_given() -> None:
    periods = Periods(CHICAGO, hours=1)
    start = ns("2026-10-31T00:00:00")
    for minute in range(0, 3 * 24 * 60, 7):
        at = start + minute * 60 * NS
        period = periods.of(at)
        assert period.start_ns <= at < period.end_ns or period.day == date(2026, 11, 1)


@pytest.mark.parametrize("hours", [0, 5, 25])
def test_a_length_that_does_not_divide_the_day_is_refused(hours: int) -> None:
    with pytest.raises(ValueError, match="does not divide a day"):
        Periods(CHICAGO, hours=hours)


def test_a_period_is_found_again_by_its_name() -> None:
    periods = Periods(CHICAGO, hours=6)
    for at in ("2026-10-06T10:59:59", "2026-10-06T11:00:00", "2026-11-01T12:00:00"):
        period = periods.of(ns(at))
        assert periods.start_ns(period.name) == period.start_ns
