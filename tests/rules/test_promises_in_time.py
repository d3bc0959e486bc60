"""Dates are local, the first and the last day both count, and a change of clocks moves no promise."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from collector.segments import parse_network
from rules.checks.example import NETWORK, each
from rules.rehearsal import World, world

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.findings import Case

CHICAGO, BERLIN = "America/Chicago", "Europe/Berlin"


def district(zone: str, *agreements: Mapping[str, object], holidays: Iterable[str] = ()) -> World:
    """Return the example district in another time zone, with these holidays."""
    calendar = {"school_day": {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "07:30", "to": "16:00"}}
    file = {**NETWORK, "time_zone": zone, "calendar": {**calendar, "holidays": list(holidays)}}
    return replace(world(*agreements), network=parse_network(json.dumps(file), path="network"))


def at_local(zone: str, clock: str) -> dict[str, object]:
    """Return the times of a flow that begins at this local time, such as `2026-11-01 23:59:59`."""
    moment = datetime.fromisoformat(clock).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    stamps = (f"{when:%Y-%m-%dT%H:%M:%S}.000000Z" for when in (moment, moment + timedelta(seconds=1)))
    return dict(zip(("started_at", "ended_at"), stamps, strict=True))


def opened(place: World, rule: str, events: Iterable[Mapping[str, object]]) -> list[Case]:
    return [case for case in place.play(events).report() if case.rule == rule]


# The day on which the clocks change, in both directions and both zones, and an ordinary one.
DAYS = [
    (CHICAGO, "2026-11-01"),
    (CHICAGO, "2027-03-14"),
    (CHICAGO, "2026-10-14"),
    (BERLIN, "2026-10-25"),
    (BERLIN, "2027-03-28"),
]


@pytest.mark.parametrize(("zone", "day"), DAYS)
@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"use_gate": {"status": "prohibited", "from": "DAY", "until": "DAY"}}, "use-paused"),
        ({"agreement.effective": "NEXT"}, "agreement-not-in-force"),
    ],
    ids=["gate of one day", "effective on the next day"],
)
def test_a_day_begins_and_ends_at_local_midnight(zone: str, day: str, changes: dict[str, object], rule: str) -> None:
    before, after = (str(datetime.fromisoformat(day).date() + timedelta(days=n)) for n in (-1, 1))
    place = district(zone, json.loads(json.dumps(changes).replace("DAY", day).replace("NEXT", after)))
    inside = [f"{day} 00:00:00", f"{day} 23:59:59"]
    outside = [f"{after} 00:00:00"] + ([f"{before} 23:59:59"] if rule == "use-paused" else [])
    for clock in inside:
        (case,) = opened(place, rule, each(3, **at_local(zone, clock)))
        assert case.devices == 3
    for clock in outside:
        assert opened(place, rule, each(3, **at_local(zone, clock))) == []


@pytest.mark.parametrize(("zone", "day"), DAYS)
def test_both_halves_of_a_repeated_hour_belong_to_one_day(zone: str, day: str) -> None:
    place = district(zone, {"use_gate": {"status": "paused"}})
    first = datetime.fromisoformat(f"{day} 00:30:00").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    events = [
        {"device": f"d{n}", "started_at": f"{first + timedelta(hours=hour):%Y-%m-%dT%H:%M:%S}Z",
         "ended_at": f"{first + timedelta(hours=hour, seconds=1):%Y-%m-%dT%H:%M:%S}Z"}
        for n in range(3)
        for hour in range(4)
    ]  # fmt: skip
    (case,) = opened(place, "use-paused", events)
    assert (case.devices, case.flows) == (3, 12)


@pytest.mark.parametrize(("zone", "last"), [(CHICAGO, "2026-10-31"), (CHICAGO, "2026-11-01"), (BERLIN, "2026-10-25")])
def test_a_renewal_takes_over_at_local_midnight_and_leaves_no_hour_without_agreement(zone: str, last: str) -> None:
    first = str(datetime.fromisoformat(last).date() + timedelta(days=1))
    place = district(
        zone,
        {"id": "old", "agreement.expires": last, "use_gate": {"status": "paused"}},
        {"id": "new", "agreement.effective": first},
    )
    assert opened(place, "agreement-not-in-force", each(9, **at_local(zone, f"{last} 23:59:59"))) == []
    assert opened(place, "agreement-not-in-force", each(9, **at_local(zone, f"{first} 00:00:00"))) == []
    (case,) = opened(place, "use-paused", each(9, **at_local(zone, f"{last} 23:59:59")))
    assert case.agreement == "old"
    assert opened(place, "use-paused", each(9, **at_local(zone, f"{first} 00:00:00"))) == []


def test_a_gap_between_two_agreements_is_a_case_about_the_nearer_one() -> None:
    place = district(
        CHICAGO,
        {"id": "old", "agreement.expires": "2026-10-05"},
        {"id": "new", "agreement.effective": "2026-10-25"},
    )
    (case,) = opened(place, "agreement-not-in-force", each(4, **at_local(CHICAGO, "2026-10-07 10:00:00")))
    assert (case.agreement, case.severity) == ("old", "info")
    (case,) = opened(place, "agreement-not-in-force", each(4, **at_local(CHICAGO, "2026-10-23 10:00:00")))
    assert (case.agreement, case.severity) == ("new", "warning")


def beacons(zone: str, clock: str) -> list[Mapping[str, object]]:
    """Return what three devices report every quarter of an hour from a local time on."""
    start = datetime.fromisoformat(at_local(zone, clock)["started_at"])  # type: ignore[arg-type]  # a text, as made above
    stamps = [start + timedelta(minutes=15 * beat) for beat in range(4)]
    return [
        {"device": f"d{n}", "started_at": f"{when:%Y-%m-%dT%H:%M:%S}Z", "ended_at": f"{when:%Y-%m-%dT%H:%M:%S}Z"}
        for n in range(3)
        for when in stamps
    ]


@pytest.mark.parametrize(
    ("zone", "clock", "opens"),
    [
        # The Friday before the clocks go back and the Monday after: the school day goes with the clock on the wall.
        (CHICAGO, "2026-10-30 05:00:00", True),
        (CHICAGO, "2026-10-30 06:45:00", False),
        (CHICAGO, "2026-11-02 05:00:00", True),
        (CHICAGO, "2026-11-02 06:45:00", False),
        (BERLIN, "2026-10-23 17:30:00", True),
        (BERLIN, "2026-10-23 15:30:00", False),
        (BERLIN, "2026-10-26 17:30:00", True),
        (BERLIN, "2026-10-26 15:30:00", False),
        # The Sunday itself has no school, at no hour; a holiday neither; the day after it does.
        (CHICAGO, "2026-11-01 01:00:00", True),
        (CHICAGO, "2026-11-01 12:00:00", True),
        (CHICAGO, "2026-11-26 12:00:00", True),
        (CHICAGO, "2026-11-30 12:00:00", False),
    ],
)
def test_school_hours_and_holidays_are_those_of_the_calendar(zone: str, clock: str, *, opens: bool) -> None:
    place = district(zone, holidays=["2026-11-26", "2026-11-27"])
    assert bool(opened(place, "outside-hours", beacons(zone, clock))) is opens


LEAK = {"server_name": "metrics.mathlab.example", "cnames": ("mathlab.in.adco.example",)}


def waived(until: str, **changes: object) -> dict[str, object]:
    row = {"clause": "6d", "reason": "Removal is promised.", "until": until, "by": "privacy office", **changes}
    return {"provenance": {"waivers": [row]}}


@pytest.mark.parametrize(("zone", "day"), DAYS)
def test_a_waiver_ends_with_its_last_local_day_and_the_case_returns_by_itself(zone: str, day: str) -> None:
    after = str(datetime.fromisoformat(day).date() + timedelta(days=1))
    place = district(zone, waived(day))
    last = {**LEAK, **at_local(zone, f"{day} 23:59:59")}
    first = {**LEAK, "device": "d9", **at_local(zone, f"{after} 00:00:00")}
    assert opened(place, "cname-cloaked-third-party", [last]) == []
    (case,) = opened(place, "cname-cloaked-third-party", [last, first])
    assert (case.flows, case.first_seen) == (1, first["started_at"])


def test_a_waiver_covers_its_own_clause_and_no_other_of_the_same_flows() -> None:
    place = district(CHICAGO, {**waived("2026-12-31", clause="R0"), "use_gate": {"status": "paused"},
                               "reviews.algorithms": {"status": "pending"}})  # fmt: skip
    assert {case.rule for case in place.play(each(5)).report()} == {"review-missing"}


def test_a_waiver_of_one_agreement_is_none_of_another_whatever_domain_it_names() -> None:
    cedar = {"id": "cedar", "vendor": {"legal_name": "Cedar Inc."}, "domains": [{"match": "cedar.example"}]}
    place = district(CHICAGO, waived("2026-12-31", domain="cedar.example"), {**cedar, "use_gate": {"status": "paused"}})
    leaks = [LEAK, {"server_name": "metrics.cedar.example", "cnames": ("cedar.in.adco.example",)}]
    report = place.play([*leaks, *each(3, server_name="app.cedar.example")]).report()
    assert {(case.agreement, case.rule) for case in report} == {
        ("cedar", "use-paused"),
        ("cedar", "cname-cloaked-third-party"),
        ("mathlab", "cname-cloaked-third-party"),
    }
