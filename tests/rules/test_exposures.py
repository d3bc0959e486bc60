"""How far an edge reaches: device-days by day, school and group, and sample windows, from rows made by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from rules.exposures import CITED, MOST_WINDOWS, exposures_of, windows_of
from rules.windows import Row

if TYPE_CHECKING:
    from rules.edges import Audience
    from rules.exposures import Credited

DAY = date(2026, 10, 13)
NEXT_DAY = date(2026, 10, 14)
START = datetime(2026, 10, 13, 14, tzinfo=UTC)


def audience(school: str, group: str) -> Audience:
    """Return who sits there: the younger ones in one school only."""
    return "under_13" if (school, group) == ("north", "k-5") else "older"


def credited(
    minute: float = 0,
    *,
    device: int = 1,
    day: date = DAY,
    school: str = "north",
    group: str = "k-5",
    share: float = 0.99,
    flows: int = 1,
) -> Credited:
    """Return one contact that is credited with so large a posterior."""
    at_ms = round((START.timestamp() + (day - DAY).days * 86_400 + 60 * minute) * 1000)
    row = Row(
        party="adco.example", active=(("@mathlab", True),), day=day, device=device, school=school, group=group,
        at_ms=at_ms, until_ms=at_ms + 2_500, flows=flows, bytes_up=10 * flows, bytes_down=90 * flows,
    )  # fmt: skip
    return row, share


def test_contacts_of_one_group_and_day_are_summed_and_its_devices_counted_once() -> None:
    (told,) = exposures_of([credited(0, flows=2), credited(30), credited(10, device=2)], audience=audience)
    assert (told.day, told.school, told.group, told.audience) == (DAY, "north", "k-5", "under_13")
    assert (told.devices, told.flows, told.bytes_up, told.bytes_down) == (2, 4, 40, 360)
    assert told.first_seen == START
    assert told.last_seen == START + timedelta(minutes=30, seconds=2.5)


def test_a_device_on_two_days_is_two_device_days_even_under_one_token() -> None:
    told = exposures_of([credited(), credited(day=NEXT_DAY)], audience=audience)
    assert [(each.day, each.devices) for each in told] == [(DAY, 1), (NEXT_DAY, 1)]


def test_days_schools_and_groups_come_apart_and_in_order() -> None:
    rows = [
        credited(day=NEXT_DAY),
        credited(device=2, school="south"),
        credited(device=3, group="6-8"),
        credited(device=4),
    ]
    told = [(each.day, each.school, each.group, each.audience) for each in exposures_of(rows, audience=audience)]
    assert told == [
        (DAY, "north", "6-8", "older"),
        (DAY, "north", "k-5", "under_13"),
        (DAY, "south", "k-5", "older"),
        (NEXT_DAY, "north", "k-5", "under_13"),
    ]


def test_a_device_that_changes_its_segment_stands_in_one_group_that_day_with_all_its_flows() -> None:
    rows = [credited(0, group="k-5"), credited(20, group="6-8"), credited(5, device=2, group="k-5")]
    for order in (rows, rows[::-1]):
        told = [(each.group, each.devices, each.flows) for each in exposures_of(order, audience=audience)]
        assert told == [("6-8", 1, 2), ("k-5", 1, 1)]


def test_nothing_credited_reaches_nobody() -> None:
    assert exposures_of([], audience=audience) == ()
    assert windows_of([]) == ()


def test_a_window_begins_at_a_quarter_of_an_hour_and_counts_devices() -> None:
    told = windows_of([credited(14.9), credited(14.95, device=2), credited(1), credited(15), credited(29.9)])
    assert [(window.start, window.devices) for window in told] == [(START, 2), (START + timedelta(minutes=15), 1)]


def test_what_is_not_likely_enough_is_no_sample() -> None:
    assert windows_of([credited(share=CITED - 0.01)]) == ()
    assert len(windows_of([credited(share=CITED)])) == 1


def test_the_windows_with_the_most_devices_are_kept_in_order_of_time() -> None:
    numbers = (1, 3, 2, 5, 1, 4, 2)
    rows = [credited(15 * place, device=device) for place, number in enumerate(numbers) for device in range(number)]
    told = windows_of(rows)
    assert len(told) == MOST_WINDOWS
    assert [window.devices for window in told] == [3, 2, 5, 4, 2]
    assert [window.start for window in told] == sorted(window.start for window in told)


def test_of_windows_alike_the_earliest_are_kept() -> None:
    told = windows_of([credited(15 * place) for place in range(MOST_WINDOWS + 2)])
    assert [window.start for window in told] == [START + timedelta(minutes=15 * place) for place in range(MOST_WINDOWS)]


ROWS = st.lists(
    st.builds(
        credited,
        st.integers(0, 300),
        device=st.integers(1, 6),
        day=st.sampled_from([DAY, NEXT_DAY]),
        school=st.sampled_from(["north", "south"]),
        group=st.sampled_from(["k-5", "6-8"]),
        share=st.floats(0.5, 1.0),
        flows=st.integers(1, 9),
    ),
    max_size=30,
)


@given(ROWS, st.randoms(use_true_random=False))
def test_no_flow_is_lost_no_device_day_counted_twice_and_no_order_shows(
    rows: list[Credited],
    shuffler: st.randoms,  # type: ignore[valid-type]
) -> None:
    told = exposures_of(rows, audience=audience)
    assert sum(each.flows for each in told) == sum(row.flows for row, _share in rows)
    assert sum(each.bytes_down for each in told) == sum(row.bytes_down for row, _share in rows)
    assert sum(each.devices for each in told) == len({(row.day, row.device) for row, _share in rows})
    assert all(each.first_seen <= each.last_seen for each in told)
    # A group in which no device stands any more has nothing to tell.
    assert all(each.devices for each in told)
    other = list(rows)
    shuffler.shuffle(other)  # type: ignore[attr-defined]
    assert exposures_of(other, audience=audience) == told
    assert windows_of(other) == windows_of(rows)
