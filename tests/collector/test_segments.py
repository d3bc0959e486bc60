"""The network file: where an address belongs, and when school is."""

from __future__ import annotations

from datetime import UTC, date, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.documents import DocumentError
from collector.segments import Network, Segment, load_network, parse_network

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"

HEAD = "schema: schoolgate/network/1\ndistrict: Riverbend (invented)\ntime_zone: America/Chicago\n"
FILE = (
    HEAD
    + """\
schools:
  - id: lincoln-es
    segments:
      - {cidr: 10.20.8.0/22, group: k-5, under_13: true}
      - {cidr: 10.20.12.0/24, group: staff, role: staff}
      - {cidr: "2001:db8:20:8::/64", group: k-5, under_13: true}
  - id: roosevelt-ms
    segments:
      - {cidr: 10.30.0.0/20, group: 6-8}
      - {cidr: 10.30.6.0/24, group: pilot-7b}
      - {vlan: 340, group: staff, role: staff}
calendar:
  school_day: {days: [mon, tue, wed, thu, fri], from: 07:30, to: "16:00"}
  holidays: [2026-11-26, '2026-11-27']
"""
)


def network(text: str = FILE) -> Network:
    return parse_network(text, path="network.yaml")


def complaints(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        network(text)
    return str(caught.value).splitlines()


def one_school(*segments: str) -> str:
    return HEAD + "schools:\n  - id: lincoln-es\n    segments:\n" + "".join(f"      - {{{row}}}\n" for row in segments)


def place(address: str, *, vlan: int | None = None) -> tuple[str, str] | None:
    segment = network().locate(ip_address(address).packed, vlan)
    return None if segment is None else (segment.school, segment.group)


def test_an_address_belongs_to_the_range_that_holds_it() -> None:
    assert place("10.20.8.0") == ("lincoln-es", "k-5")
    assert place("10.20.11.255") == ("lincoln-es", "k-5")
    assert place("10.20.12.1") == ("lincoln-es", "staff")
    assert place("2001:db8:20:8::7") == ("lincoln-es", "k-5")
    assert place("2001:db8:20:9::7") is None
    assert place("192.0.2.1") is None


def test_the_more_specific_range_wins() -> None:
    assert place("10.30.5.255") == ("roosevelt-ms", "6-8")
    assert place("10.30.6.1") == ("roosevelt-ms", "pilot-7b")


def test_a_vlan_counts_like_one_subnet_between_a_wide_and_a_narrow_range() -> None:
    assert place("10.31.0.9", vlan=340) == ("roosevelt-ms", "staff")
    assert place("10.30.1.9", vlan=340) == ("roosevelt-ms", "staff")
    assert place("10.30.6.9", vlan=340) == ("roosevelt-ms", "pilot-7b")
    assert place("2001:db8:20:8::9", vlan=340) == ("lincoln-es", "k-5")
    assert place("10.30.1.9", vlan=341) == ("roosevelt-ms", "6-8")
    assert place("192.0.2.1", vlan=341) is None


def test_an_ipv4_address_written_as_ipv6_is_the_same_address() -> None:
    assert place("::ffff:10.20.8.1") == ("lincoln-es", "k-5")


def test_a_segment_says_who_is_on_it() -> None:
    assert network().locate(bytes([10, 20, 8, 1])) == Segment(
        school="lincoln-es", group="k-5", under_13=True, role="students"
    )
    assert network().groups["lincoln-es", "staff"].role == "staff"
    assert network().groups["roosevelt-ms", "6-8"].under_13 is False


def test_more_addresses_than_are_remembered_are_still_found() -> None:
    found = network()
    for number in range(70_000):
        found.locate(number.to_bytes(4, "big"))
    assert len(found._places) < 70_000
    assert found.locate(bytes([10, 20, 8, 1])) is not None


def test_the_date_is_the_districts_own() -> None:
    found = network()
    assert found.local_day(datetime(2026, 10, 13, 4, 59, tzinfo=UTC)) == date(2026, 10, 12)
    assert found.local_day(datetime(2026, 10, 13, 5, 0, tzinfo=UTC)) == date(2026, 10, 13)
    with pytest.raises(ValueError, match="time zone"):
        found.local_day(datetime(2026, 10, 13, 5, 0))  # noqa: DTZ001 -- that is the point


def test_school_is_on_school_days_and_not_on_weekends_and_holidays() -> None:
    bounds = network().school_day_bounds(date(2026, 10, 13))
    assert bounds is not None
    assert [moment.astimezone(UTC).isoformat() for moment in bounds] == [
        "2026-10-13T12:30:00+00:00",
        "2026-10-13T21:00:00+00:00",
    ]
    for day in (date(2026, 10, 17), date(2026, 11, 26), date(2026, 11, 27)):
        assert network().school_day_bounds(day) is None


def test_school_begins_at_the_same_hour_after_the_clocks_change() -> None:
    found = network()
    for day in (date(2026, 10, 30), date(2026, 11, 2)):
        bounds = found.school_day_bounds(day)
        assert bounds is not None
        assert bounds[0].hour == 7
    assert found.calendar_stated


def test_without_a_calendar_school_is_monday_to_friday_and_the_network_says_that_it_guesses() -> None:
    found = network(FILE[: FILE.index("calendar")])
    bounds = found.school_day_bounds(date(2026, 11, 26))
    assert bounds is not None
    assert (bounds[0].hour, bounds[0].minute, bounds[1].hour) == (7, 30, 16)
    assert found.school_day_bounds(date(2026, 11, 28)) is None
    assert not found.calendar_stated


@pytest.mark.parametrize(
    ("segment", "complaint"),
    [
        (
            "cidr: 10.20.8.5/22, group: a",
            "`10.20.8.5/22` is an address within a range, not the range; write 10.20.8.0/22",
        ),
        ("cidr: 10.20.8/22, group: a", "`10.20.8/22` is not an address range; write a range such as 10.20.8.0/22"),
        ("vlan: 0, group: a", "`vlan` in entry 1 of `schools.segments` is `0`; write a number not below 1"),
        ("vlan: 4095, group: a", "`vlan` in entry 1 of `schools.segments` is `4095`; write a number not above 4094"),
        ("group: a", "the segment has neither `cidr` nor `vlan`; add one, such as cidr: 10.20.8.0/22"),
        ("cidr: 10.0.0.0/8, vlan: 5, group: a", "the segment has both `cidr` and `vlan`; make two segments of it"),
        (
            "vlan: 5, group: a, under_13: true, role: staff",
            "the segment is `role: staff` and under 13; keep one of the two",
        ),
        ("vlan: 5, group: a, role: staf", "`role` in entry 1 of `schools.segments` is `staf`; did you mean `staff`?"),
    ],
)
def test_a_wrong_segment_is_answered_with_what_to_write(segment: str, complaint: str) -> None:
    (told,) = complaints(one_school(segment))
    assert told.startswith(f"network.yaml:7: {complaint}")


def test_the_same_range_or_vlan_twice_is_refused() -> None:
    told = complaints(
        one_school("cidr: 10.0.0.0/8, group: a", "cidr: 10.0.0.0/8, group: b", "vlan: 5, group: a", "vlan: 5, group: b")
    )
    assert told == [
        "network.yaml:8: the range 10.0.0.0/8 is already the segment of lincoln-es / a; keep one of the two",
        "network.yaml:10: VLAN 5 is already the segment of lincoln-es / a; keep one of the two",
    ]


def test_one_group_of_one_school_has_one_age_and_one_role() -> None:
    told = complaints(
        one_school("vlan: 5, group: a, under_13: true", "vlan: 6, group: a", "vlan: 7, group: a, role: staff")
    )
    assert "the group `a` of `lincoln-es` has another `under_13` on an earlier line" in told[0]
    assert told[0].startswith("network.yaml:8:")
    assert len(told) == 2


def test_two_schools_may_name_a_group_alike_but_not_themselves() -> None:
    other = FILE.replace("roosevelt-ms", "lincoln-es")
    assert complaints(other)[0] == (
        "network.yaml:10: the school id `lincoln-es` is used twice; give each school its own id"
    )


def test_an_unknown_time_zone_names_near_ones() -> None:
    (told,) = complaints(FILE.replace("America/Chicago", "America/Chicargo"))
    assert told.startswith("network.yaml:3: `America/Chicargo` is not a time zone; write America/Chicago")
    (folder,) = complaints(FILE.replace("America/Chicago", "America"))
    assert "is not a time zone" in folder


def test_a_school_day_ends_after_it_begins() -> None:
    assert complaints(FILE.replace('"16:00"', "07:30")) == [
        "network.yaml:16: the school day does not end after it begins; write a later time in `to`"
    ]


def test_the_example_and_the_scenarios_are_read() -> None:
    if not SHARED.is_dir():
        pytest.skip("/shared beside the checkout is absent: its network files are not read")
    files = [SHARED / "contracts" / "network.example.yaml", *SHARED.glob("scenarios/*/network.yaml")]
    for file in files:
        found = load_network(file)
        assert found.groups["lincoln-es", "k-5"].under_13
        assert found.school_day_bounds(date(2026, 11, 26)) is None


@given(st.ip_addresses(), st.none() | st.integers(0, 4095))
def test_any_address_is_located_or_lies_nowhere(address: object, vlan: int | None) -> None:
    found = network().locate(ip_address(str(address).partition("%")[0]).packed, vlan)
    assert found is None or (found.school, found.group) in network().groups
