"""Pooled contacts say together what they said apart, and no longer which device brought which part of it."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from rules.exposures import exposures_of, windows_of
from rules.pooled_rows import MINUTE_MS, STEP_MS, pooled
from rules.windows import Row

NOON_MS = 1_791_900_000_000
DAYS = (date(2026, 10, 13), date(2026, 10, 14))

ROWS = st.lists(
    st.builds(
        lambda active, device, day, at, lasted, octets: Row(
            party="adco.example", active=active, day=DAYS[day], device=device, school="north",
            group="k-5" if device % 3 else "6-8", at_ms=NOON_MS + day * 86_400_000 + at,
            until_ms=NOON_MS + day * 86_400_000 + at + lasted, flows=1 + octets % 3, bytes_up=octets,
            bytes_down=9 * octets,
        ),
        st.sampled_from([(("@mathlab", True),), (("@mathlab", False), ("news.example", True))]),
        st.integers(1, 6),
        st.integers(0, 1),
        st.integers(0, 3 * STEP_MS),
        st.integers(0, 90_000),
        st.integers(40, 5_000),
    ),
    max_size=25,
)  # fmt: skip


def test_two_devices_that_met_the_same_within_a_quarter_of_an_hour_leave_sums() -> None:
    early = Row(
        party="adco.example", active=(("@mathlab", True),), day=DAYS[0], device=9, school="north", group="k-5",
        at_ms=NOON_MS + 200, until_ms=NOON_MS + 900, flows=1, bytes_up=700, bytes_down=9_000,
    )  # fmt: skip
    late = early._replace(device=4, at_ms=NOON_MS + 61_300, until_ms=NOON_MS + 69_000, flows=2, bytes_up=41)
    first, second = pooled([early, late])
    # The devices stand in the order of their tokens, which are as good as lots.
    assert (first.device, first.at_ms, first.until_ms) == (4, NOON_MS + 200, NOON_MS + 69_000)
    assert (first.flows, first.bytes_up, first.bytes_down) == (3, 741, 18_000)
    assert (second.device, second.at_ms, second.until_ms) == (9, NOON_MS + MINUTE_MS, NOON_MS + MINUTE_MS)
    assert (second.flows, second.bytes_up, second.bytes_down) == (0, 0, 0)


@given(ROWS, ROWS)
def test_whatever_is_concluded_from_contacts_is_concluded_from_pooled_ones(one: list[Row], other: list[Row]) -> None:
    rows, now = [*one, *other], pooled([*pooled(one), *other])
    assert now == pooled(rows)
    assert len(now) == len(rows)
    for active in {row.active for row in rows}:
        # What is credited is credited by what stood open.
        before = [(row, 0.9) for row in rows if row.active == active]
        after = [(row, 0.9) for row in now if row.active == active]
        assert exposures_of(after, audience=lambda *_: "older") == exposures_of(before, audience=lambda *_: "older")
        assert windows_of(after) == windows_of(before)
        assert minutes(after) == minutes(before)


def minutes(credited: list[tuple[Row, float]]) -> set[tuple[str, int]]:
    return {(row.group, row.at_ms // MINUTE_MS) for row, _share in credited}
