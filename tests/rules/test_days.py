"""The ids of a day in pieces, and the days that are open: what is written down restores the same memory."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.days import GRACE, KEPT, SEEN_KEYS, Days, FreshDays
from rules.duplicates import PIECE, DayIds

TUESDAY, WEDNESDAY = date(2026, 10, 13), date(2026, 10, 14)
NOON = datetime(2026, 10, 14, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
CHICAGO = ZoneInfo("America/Chicago")


@given(st.lists(st.integers(0, 2 * PIECE), min_size=1, max_size=12))
def test_what_the_pieces_hold_restores_the_same_ids(portions: list[int]) -> None:
    ids, written, number = DayIds(), dict[int, bytes](), 0
    for size in portions:
        fresh = range(number, number + size)
        number += size
        written |= ids.pieces_with(fresh)
        ids.add(fresh)
    heir = DayIds(written)
    assert len(heir) == len(ids) == number
    assert all(each in heir for each in range(number))
    assert number not in heir
    assert heir.pieces_with((number,)) == ids.pieces_with((number,))


def test_a_portion_rewrites_no_more_than_the_last_piece() -> None:
    ids = DayIds()
    ids.add(range(10 * PIECE + 7))
    assert set(ids.pieces_with((1 << 40,))) == {10}


def test_a_portion_that_was_not_committed_leaves_its_day_unopened_and_the_same_key_to_the_next() -> None:
    days = Days({}, make_key=iter([b"1" * 32, b"2" * 32]).__next__)
    held = FreshDays()
    assert days.is_new("a", day=TUESDAY, at=NOON, held=held)
    assert not days.is_new("a", day=TUESDAY, at=NOON, held=held)
    key = days.key_of(TUESDAY)
    assert TUESDAY not in days
    again = FreshDays()
    assert days.is_new("a", day=TUESDAY, at=NOON, held=again)
    assert days.key_of(TUESDAY) == key
    days.committed(again, over=())
    assert TUESDAY in days
    assert not days.is_new("a", day=TUESDAY, at=NOON, held=FreshDays())


def test_an_id_is_known_on_its_own_day_only() -> None:
    days, held = Days({}, make_key=lambda: bytes(32)), FreshDays()
    assert days.is_new("a", day=TUESDAY, at=NOON, held=held)
    assert days.is_new("a", day=WEDNESDAY, at=NOON, held=held)


def test_a_day_is_over_when_its_time_has_run_whatever_still_came() -> None:
    days, held = Days({}, make_key=lambda: bytes(32)), FreshDays()
    days.is_new("a", day=TUESDAY, at=NOON, held=held)
    days.committed(held, over=())
    later = FreshDays()
    days.is_new("b", day=TUESDAY, at=NOON + KEPT - timedelta(hours=1), held=later)
    days.committed(later, over=())
    assert over(days, NOON + KEPT - SECOND, passed=None) == []
    assert over(days, NOON + KEPT, passed=None) == [TUESDAY]
    assert over(days, None, passed=NOON + 2 * KEPT) == []


def opened(day: date, *, at: datetime) -> Days:
    """Return days of which one was opened, by a record that the broker took then."""
    days, held = Days({}, make_key=lambda: bytes(32)), FreshDays()
    assert days.is_new("a", day=day, at=at, held=held)
    days.committed(held, over=())
    return days


def over(days: Days, at: datetime | None, *, passed: datetime | None, zone: tzinfo = CHICAGO) -> list[date]:
    return days.over(at, passed=passed, zone=zone)


def test_a_lived_day_is_over_when_the_broker_and_every_collector_are_past_its_end() -> None:
    # Midnight in Chicago, summer time, and two hours.
    closes = datetime(2026, 10, 15, 7, tzinfo=UTC)
    days = opened(WEDNESDAY, at=NOON)
    assert over(days, closes, passed=closes) == [WEDNESDAY]
    assert over(days, closes - SECOND, passed=closes + HOUR) == []
    assert over(days, closes + HOUR, passed=closes - SECOND) == [], "a collector that drains a backlog holds it open"
    assert over(days, closes + HOUR, passed=None) == [], "whoever is away may come back with one"
    assert over(days, NOON + KEPT, passed=closes - SECOND) == [WEDNESDAY], "and none does so for ever"


def test_a_day_that_is_read_after_its_end_stays_as_long_as_the_topic_keeps_it() -> None:
    ended = datetime(2026, 10, 15, 5, tzinfo=UTC)
    for at, is_lived in ((ended - SECOND, True), (ended, False), (ended + HOUR, False)):
        days = opened(WEDNESDAY, at=at)
        much_later = ended + timedelta(hours=71)
        assert (over(days, much_later, passed=much_later) == [WEDNESDAY]) == is_lived
        assert over(days, at + KEPT, passed=None) == [WEDNESDAY]


@pytest.mark.parametrize(
    ("day", "zone", "ends"),
    [
        (date(2026, 10, 31), "America/Chicago", datetime(2026, 11, 1, 5, tzinfo=UTC)),
        # 25 hours, and 23.
        (date(2026, 11, 1), "America/Chicago", datetime(2026, 11, 2, 6, tzinfo=UTC)),
        (date(2026, 3, 8), "America/Chicago", datetime(2026, 3, 9, 5, tzinfo=UTC)),
        # The clocks leave midnight out: the day ends when it would be.
        (date(2023, 4, 27), "Africa/Cairo", datetime(2023, 4, 27, 22, tzinfo=UTC)),
        (date(2026, 10, 14), "Pacific/Auckland", datetime(2026, 10, 14, 11, tzinfo=UTC)),
    ],
)
def test_a_day_ends_at_local_midnight_however_long_it_was(day: date, zone: str, ends: datetime) -> None:
    days = opened(day, at=ends - SECOND)
    closes = ends + GRACE
    assert over(days, closes, passed=closes, zone=ZoneInfo(zone)) == [day]
    assert over(days, closes - SECOND, passed=closes - SECOND, zone=ZoneInfo(zone)) == []
    assert over(opened(day, at=ends), closes, passed=closes, zone=ZoneInfo(zone)) == []


def test_a_day_that_is_opened_anew_knows_the_same_ids_before_and_after_a_restart() -> None:
    days, state = Days({}, make_key=lambda: bytes(32)), dict[bytes, bytes | None]()
    first, second = FreshDays(), FreshDays()
    for number in range(2 * PIECE + 1):
        days.is_new(f"flow-{number}", day=TUESDAY, at=NOON, held=first)
    state |= days.state(first, over=())
    days.committed(first, over=())
    assert len([key for key in state if key.startswith(SEEN_KEYS)]) == 3
    state |= days.state(FreshDays(), over=(TUESDAY,))
    days.committed(FreshDays(), over=(TUESDAY,))
    assert set(state.values()) == {None}
    assert days.is_new("flow-0", day=TUESDAY, at=NOON, held=second)
    state |= days.state(second, over=())
    heir = Days({key: body for key, body in state.items() if body is not None}, make_key=lambda: bytes(32))
    again = FreshDays()
    assert [heir.is_new(f"flow-{n}", day=TUESDAY, at=NOON, held=again) for n in (0, 1, 2 * PIECE)] == [
        False,
        True,
        True,
    ]
