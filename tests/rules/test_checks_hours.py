"""6c: what a machine does outside the hours, what people do there, and how much a device may send."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from rules.checks.example import at
from rules.rehearsal import world

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.findings import Case

HOLIDAY = "2026-10-12"
WEDNESDAY = "2026-10-14"
"""School from 07:30 to 16:00 local is 12:30 to 21:00 UTC."""


def opened(rule: str, events: Iterable[Mapping[str, object]], **changes: object) -> list[Case]:
    """Return the cases of one rule that come of *events*."""
    return [case for case in world(changes).play(events).report() if case.rule == rule]


def beacons(
    start: str, *, devices: int = 3, day: str = WEDNESDAY, times: int = 3, every_min: int = 15, **changes: object
) -> list[dict[str, object]]:
    """Return the beacons of some devices, each a minute after the one before, from a UTC clock time on."""
    first = int(start[:2]) * 60 + int(start[3:])
    clocks = [(device, first + device + beat * every_min) for device in range(devices) for beat in range(times)]
    return [
        {"device": f"d{device}", **at(f"{minute // 60:02}:{minute % 60:02}", day=day), **changes}
        for device, minute in clocks
    ]


@pytest.mark.parametrize(
    ("start", "day"), [("10:00", WEDNESDAY), ("22:05", WEDNESDAY), ("16:00", HOLIDAY), ("16:00", "2026-10-17")]
)
def test_beacons_of_three_devices_before_and_after_school_and_on_free_days_open_a_case(start: str, day: str) -> None:
    (case,) = opened("outside-hours", beacons(start, day=day))
    assert (case.devices, case.flows, case.clause, case.verdict) == (3, 9, "6c", "contradicted")
    assert case.subject == "mathlab.example"


@pytest.mark.parametrize(("start", "inside"), [("11:30", 0), ("21:00", 0), ("15:00", 0)])
def test_nothing_within_an_hour_of_the_school_day_counts(start: str, inside: int) -> None:
    assert len(opened("outside-hours", beacons(start, times=4))) == inside


def test_two_devices_are_not_several() -> None:
    assert opened("outside-hours", beacons("10:00", devices=2, times=6)) == []


def test_one_reader_on_five_evenings_is_one_reader_although_pseudonyms_change_daily() -> None:
    days = ("2026-10-12", "2026-10-13", "2026-10-14", "2026-10-15", "2026-10-16")
    evenings = [
        {**event, "device": f"pseudonym of {day}"} for day in days for event in beacons("23:00", devices=1, day=day)
    ]
    assert opened("outside-hours", evenings) == []


def test_single_visits_of_many_people_in_the_evening_are_no_background_traffic() -> None:
    visits = [{"device": f"d{n}", "group": "staff", **at(f"23:{5 * n:02}")} for n in range(10)]
    assert opened("outside-hours", visits) == []


def test_a_burst_of_requests_is_one_visit() -> None:
    visits = [{"device": f"d{n}", **at(f"23:{10 * n + m:02}")} for n in range(5) for m in range(4)]
    assert opened("outside-hours", visits) == []


def test_people_who_come_back_when_they_like_are_told_from_a_timer() -> None:
    chance = random.Random(7)  # noqa: S311 -- a test that must fall the same way each time
    for _ in range(20):
        evening = [
            {"device": f"d{person}", "group": "staff", **at(f"23:{minute:02}")}
            for person in range(8)
            for minute in sorted(chance.sample(range(60), 3))
        ]
        assert opened("outside-hours", evening) == []


def test_a_device_that_sleeps_through_a_beat_does_not_hide_the_timer() -> None:
    events = beacons("08:00", devices=4, times=8)
    del events[3], events[12]
    (case,) = opened("outside-hours", events)
    assert case.devices == 4


def test_films_are_no_beacons_however_regular() -> None:
    assert opened("outside-hours", beacons("10:00", bytes_down=5_000_000)) == []


def test_at_night_nobody_sits_in_a_school_so_one_contact_each_is_enough() -> None:
    (case,) = opened("outside-hours", beacons("07:00", times=1, devices=3))
    assert case.devices == 3


def test_a_connection_that_began_during_school_and_goes_on_does_not_count() -> None:
    assert opened("outside-hours", beacons("22:05", part=7)) == []


@pytest.mark.parametrize("expected", [{"hours": "any"}, {"upload_mb_per_device_day": 5}])
def test_an_agreement_that_names_no_hours_opens_none(expected: Mapping[str, object]) -> None:
    assert opened("outside-hours", beacons("10:00"), expected=expected) == []


@pytest.mark.parametrize("host", ["www.mathlab.example", "mathlab.sharededge.example", "news.example"])
def test_hosts_that_are_not_the_products_own_do_not_count(host: str) -> None:
    assert opened("outside-hours", beacons("10:00", server_name=host)) == []


def test_a_person_among_the_beacons_is_not_counted_as_evidence() -> None:
    reader = {"device": "late reader", "server_name": "app.mathlab.example", **at("10:20")}
    (case,) = opened("outside-hours", [*beacons("10:00", server_name="api.mathlab.example"), reader])
    assert case.devices == 3


def test_uploads_add_up_over_hosts_and_parts_and_count_devices_above_the_limit_only() -> None:
    events: list[dict[str, object]] = [
        {"bytes_up": 3_000_000, "device": "a"},
        {"bytes_up": 2_000_001, "device": "a", "server_name": "api.mathlab.example", "part": 1},
        {"bytes_up": 5_000_000, "device": "b"},
        {"bytes_up": 9_000_000, "device": "c", "server_name": "mathlab.sharededge.example"},
    ]
    (case,) = opened("upload-above-declared", events)
    assert (case.devices, case.bytes_up, case.flows, case.clause) == (1, 5_000_001, 1, "6c")


def test_a_limit_below_one_megabyte_is_read_as_it_stands() -> None:
    limit = {"upload_mb_per_device_day": 0.5}
    assert opened("upload-above-declared", [{"bytes_up": 500_000}], expected=limit) == []
    assert len(opened("upload-above-declared", [{"bytes_up": 500_001}], expected=limit)) == 1


def test_the_day_of_an_upload_is_the_local_day() -> None:
    late = {"bytes_up": 3_000_000, **at("04:30", day="2026-10-15")}
    early = {"bytes_up": 3_000_000, **at("15:00", day="2026-10-14")}
    assert len(opened("upload-above-declared", [late, early])) == 1
