"""Contacts of a day that is over: the numbers stay that attribution asks for, and nothing that a device is known by."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.closed_contacts import HOUR_MS, MINUTE_MS, STEP_MS, closed, is_timeless, noon_ms
from rules.counted import packed_closed, unpacked
from rules.exposures import exposures_of, windows_of
from rules.small_numbers import OFFICER_K, floor_step
from rules.windows import Counts, Row

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY = date(2026, 10, 13)
MORNING_MS = int(datetime(2026, 10, 13, 14, tzinfo=UTC).timestamp()) * 1000
ALONE, LATE, BESIDE = (("@mathlab", True),), (("@mathlab", False),), (("@mathlab", True), ("news.example", True))
TOOL = (("@quizbarn", True),)
BOTH = (("@mathlab", True), ("@quizbarn", False))


def row(device: int, *, at: int = 0, active: tuple[tuple[str, bool], ...] = ALONE, group: str = "k-5") -> Row:
    """Return one contact, so many milliseconds after a morning hour began."""
    return Row(
        party="adco.example", active=active, day=DAY, device=device, school="north", group=group,
        at_ms=MORNING_MS + at, until_ms=MORNING_MS + at + 700, flows=1, bytes_up=100 + device, bytes_down=1000 + device,
    )  # fmt: skip


ROWS = st.lists(
    st.builds(
        row,
        st.integers(1, 30),
        at=st.integers(0, 4 * HOUR_MS),
        active=st.sampled_from([ALONE, LATE, BESIDE, TOOL, BOTH]),
    ).map(lambda each: each._replace(group="k-5" if each.device % 3 else "6-8")),
    max_size=60,
)


def credited(rows: Iterable[Row], *, product: str) -> list[tuple[Row, float]]:
    return [(each, 0.9) for each in rows if product in {site for site, _fresh in each.active}]


def slots(rows: Iterable[tuple[Row, float]], *, step_ms: int) -> set[tuple[str, int]]:
    return {(each.group, each.at_ms // step_ms) for each, _share in rows}


@settings(max_examples=40)
@given(ROWS)
def test_what_stood_open_and_how_many_devices_minutes_and_hours_a_class_had_stays(rows: list[Row]) -> None:
    left = closed(rows)
    assert Counter(each.active for each in left) == Counter(each.active for each in rows)
    assert Counter(each.group for each in left) == Counter(each.group for each in rows)
    for group in ("k-5", "6-8"):
        before, after = ([each for each in held if each.group == group] for held in (rows, left))
        for step in (MINUTE_MS, HOUR_MS):
            assert len({each.at_ms // step for each in after}) == len({each.at_ms // step for each in before})
        for active in {each.active for each in rows}:
            mine, theirs = ([each for each in held if each.active == active] for held in (before, after))
            assert len(mine) == len(theirs)
            assert len({each.device for each in mine}) == len({each.device for each in theirs})
    # What is closed can be written down and read, and is the same in whatever order it came.
    counts = Counts(rows=left)
    assert unpacked(packed_closed(counts)).rows == left == closed(rows[::-1])


@settings(max_examples=40)
@given(ROWS)
def test_as_many_devices_are_credited_to_a_product_as_had_it_open(rows: list[Row]) -> None:
    # Beside two products at once devices may be shared out in another way.
    rows = [each for each in rows if each.active != BOTH]
    for product in ("@mathlab", "@quizbarn"):
        before = exposures_of(credited(rows, product=product), audience=lambda *_: "older")
        after = exposures_of(credited(closed(rows), product=product), audience=lambda *_: "older")
        told = {(each.day, each.group): each.devices for each in after}
        assert told == {(each.day, each.group): each.devices for each in before}


@settings(max_examples=40)
@given(ROWS)
def test_a_time_is_left_only_of_a_quarter_of_an_hour_in_which_enough_devices_were_there(rows: list[Row]) -> None:
    devices: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    for each in rows:
        devices[each.group, each.at_ms // STEP_MS].add(each.device)
    busy = {(group, at // (HOUR_MS // STEP_MS)) for (group, at), held in devices.items() if len(held) >= OFFICER_K}
    for each in closed(rows):
        assert is_timeless(each) or (each.group, each.at_ms // HOUR_MS) in busy
        assert each.at_ms % MINUTE_MS == 0
        assert each.until_ms == each.at_ms or each.until_ms % STEP_MS == 0


def test_a_contact_without_a_like_has_no_time_no_octets_and_nobody() -> None:
    alone = row(7, at=25 * MINUTE_MS + 12_345)
    (left,) = closed([alone])
    assert is_timeless(left)
    assert left.at_ms == left.until_ms
    assert (left.bytes_up, left.bytes_down) == (floor_step(107), floor_step(1007))
    (exposure,) = exposures_of([(left, 0.9)], audience=lambda *_: "older")
    assert exposure.first_seen == exposure.last_seen == datetime.fromtimestamp(noon_ms(DAY) / 1000, tz=UTC)
    assert windows_of([(left, 0.9)]) == ()


def test_a_class_that_comes_together_keeps_its_quarter_of_an_hour_and_its_sums() -> None:
    rows = [row(device, at=20 * MINUTE_MS + device * 1000) for device in range(OFFICER_K)]
    left = closed(rows)
    assert sum(each.bytes_up for each in left) == sum(each.bytes_up for each in rows)
    assert {each.at_ms for each in left} == {MORNING_MS + 15 * MINUTE_MS}
    (window,) = windows_of([(each, 0.9) for each in left])
    assert window.devices == OFFICER_K
    assert window.start == datetime(2026, 10, 13, 14, 15, tzinfo=UTC)


def test_who_has_many_contacts_has_no_more_than_others_when_the_day_is_over() -> None:
    rows = [row(1, at=number * MINUTE_MS) for number in range(30)] + [row(device) for device in range(2, 7)]
    per_device = Counter(each.device for each in closed(rows))
    assert max(per_device.values()) - min(per_device.values()) <= 1
    assert len(per_device) == 6


def test_a_day_that_is_closed_twice_keeps_how_many_minutes_and_hours_there_were() -> None:
    """Half of a test of attribution would go where minutes of one closing fell onto those of another."""
    rows = [row(device, at=number * 7 * MINUTE_MS) for number, device in enumerate([1, 2, 3, 4, 5, 6] * 4)]
    first = closed(rows[:12])
    second = closed(rows[12:], beside=first)
    for step in (MINUTE_MS, HOUR_MS):
        after, before = ({each.at_ms // step for each in held} for held in (first + second, first + rows[12:]))
        assert len(after) == len(before)
    assert all(map(is_timeless, first + second))
    assert closed(rows[12:], beside=[row(1, group="6-8")]) == closed(rows[12:])
