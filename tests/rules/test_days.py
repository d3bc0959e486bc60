"""The ids of a day in pieces, and the days that are open: what is written down restores the same memory."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rules.days import KEPT, Days, FreshDays
from rules.duplicates import PIECE, DayIds

TUESDAY, WEDNESDAY = date(2026, 10, 13), date(2026, 10, 14)
NOON = datetime(2026, 10, 14, 12, tzinfo=UTC)


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
    assert days.over(NOON + KEPT - timedelta(seconds=1)) == []
    assert days.over(NOON + KEPT) == [TUESDAY]
    assert days.over(None) == []
