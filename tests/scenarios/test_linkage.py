"""Who knows one device's day finds it on the next no better than by chance, in all that is kept of days that are over.

The days are made, their devices known; what each test looks at is what lies in the store when the keys are destroyed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime
from itertools import pairwise
from math import log
from typing import TYPE_CHECKING, Any

import pytest

from rules.closed_contacts import HOUR_MS, MINUTE_MS, STEP_MS, is_timeless
from rules.closed_findings import MARK
from rules.evidence import shown
from rules.small_numbers import OFFICER_K, floor_step
from rules.windows import Row
from tests.parts.backup_thief import opened_backup
from tests.parts.linkage import Attack, apart, attack, unlike
from tests.parts.two_days import Breach, breach

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from collector.events import FlowEvent
    from rules.case_keys import CaseKey
    from tests.parts.two_days import Device

SEEDS = (2, 3)
TOGETHER_MS = 50
RELEASED_AT = 5
"""`privacy.release_after_devices`."""


@pytest.fixture(scope="module")
def breaches(tmp_path_factory: pytest.TempPathFactory) -> list[Breach]:
    return [breach(tmp_path_factory.mktemp("two-days") / str(seed), seed=seed) for seed in SEEDS]


def classes(breaches: list[Breach]) -> list[Sequence[Device]]:
    return [group for each in breaches for group in each.classes]


def on_findings(breaches: list[Breach], features: Callable[[list[dict[str, Any]]], Sequence[float]]) -> Attack:
    """Look on the second day for what is known of a device on the first."""
    first = {key: features(held) for each in breaches for key, held in each.known[0].items()}
    second = {key: features(held) for each in breaches for key, held in each.findings[1].items()}
    return attack(first, second, classes=classes(breaches), distance=apart)


def on_rows(breaches: list[Breach], features: Callable[[list[Row]], Sequence[float]]) -> Attack:
    first, second = (
        {key: features(held) for each in breaches for key, held in each.rows[place].items()} for place in (0, 1)
    )
    return attack(first, second, classes=classes(breaches), distance=apart)


def time_of(stamp: str) -> float:
    moment = datetime.fromisoformat(stamp)
    return moment.hour + moment.minute / 60 + moment.second / 3600


def of_one(held: list[dict[str, Any]], name: str) -> float:
    """Return a sum as it would be of one device among those behind it."""
    total: float = sum(each[name] for each in held)
    return total / int(max(each["devices"] for each in held))


FINDINGS: Mapping[str, Callable[[list[dict[str, Any]]], Sequence[float]]] = {
    "flows": lambda held: [log(1 + of_one(held, "flows"))],
    "octets": lambda held: [log(1 + of_one(held, way)) for way in ("bytes_up", "bytes_down")],
    "octets a flow": lambda held: [log(of_one(held, "bytes_up") / (1 + of_one(held, "flows")))],
    "times": lambda held: [time_of(min(e["first_seen"] for e in held)), time_of(max(e["last_seen"] for e in held))],
    "everything": lambda held: [
        log(1 + of_one(held, "flows")),
        *(log(1 + of_one(held, way)) for way in ("bytes_up", "bytes_down")),
        time_of(min(e["first_seen"] for e in held)) / 5,
        time_of(max(e["last_seen"] for e in held)) / 5,
    ],
    "tokens": lambda held: [int(held[0]["device"].rpartition("/")[2][:8], 16)],
    "ids": lambda held: [int(held[0]["id"][:8], 16)],
}
ROWS: Mapping[str, Callable[[list[Row]], Sequence[float]]] = {
    "contacts": lambda held: [log(len(held))],
    "octets": lambda held: [sum(log(1 + row.bytes_up) for row in held) / len(held)],
    "octets down": lambda held: [sum(log(1 + row.bytes_down) for row in held) / len(held)],
    "times": lambda held: [min(row.at_ms for row in held) % 86_400_000, max(row.at_ms for row in held) % 86_400_000],
    "what stood open": lambda held: [sum(len(row.active) for row in held) / len(held)],
    "tokens": lambda held: [held[0].device],
}


@pytest.mark.parametrize("name", FINDINGS)
def test_findings_of_a_day_that_is_over_do_not_lead_to_the_next(breaches: list[Breach], name: str) -> None:
    came_to = on_findings(breaches, FINDINGS[name])
    assert came_to.tried > 200
    assert not came_to.beats_chance, came_to


@pytest.mark.parametrize("name", ROWS)
def test_counted_contacts_do_not_lead_to_the_next_day(breaches: list[Breach], name: str) -> None:
    came_to = on_rows(breaches, ROWS[name])
    assert came_to.tried > 200
    assert not came_to.beats_chance, came_to


def test_how_much_a_device_visits_is_told_of_no_contact_alone() -> None:
    """As part of each contact it led to the next day twice as often as chance; summed over devices it leads nowhere."""
    assert set(Row._fields) == {
        "party", "active", "day", "device", "school", "group", "at_ms", "until_ms", "flows", "bytes_up", "bytes_down",
    }  # fmt: skip


def test_an_attacker_who_is_given_a_trace_is_caught(breaches: list[Breach]) -> None:
    """A trace that a quarter of the devices keep overnight: what the tests above must not miss."""

    def traced(place: int) -> dict[tuple[Device, str], list[float]]:
        return {
            (device, met): [device[1] if device[1] % 4 == 0 else -1 - place]
            for each in breaches
            for device, met in each.findings[place]
        }

    came_to = attack(traced(0), traced(1), classes=classes(breaches), distance=apart)
    assert came_to.beats_chance, came_to


def profiles(breaches: list[Breach], place: int, *, least: int) -> dict[tuple[Device, str], Mapping[str, float]]:
    """Return what each device visits, names that fewer than *least* devices asked for left out."""
    made: dict[tuple[Device, str], Mapping[str, float]] = {}
    for each in breaches:
        asked = Counter(name for events in each.events[place].values() for name in _names(events))
        for device, events in each.events[place].items():
            counted = Counter(event.server_name for event in events if event.server_name)
            made[device, ""] = {
                name: log(1 + count) / log(1 + asked[name]) for name, count in counted.items() if asked[name] >= least
            }
    return made


def _names(events: list[FlowEvent]) -> set[str]:
    return {event.server_name for event in events if event.server_name}


@pytest.fixture(scope="module")
def habits(tmp_path_factory: pytest.TempPathFactory) -> list[Breach]:
    """A day that everybody lives again: no days are easier to link."""
    return [breach(tmp_path_factory.mktemp("habits") / "2", seed=2, creatures_of_habit=True)]


@pytest.mark.parametrize("name", FINDINGS)
def test_findings_do_not_even_lead_to_those_who_do_the_same_every_day(habits: list[Breach], name: str) -> None:
    came_to = on_findings(habits, FINDINGS[name])
    assert came_to.tried > 200
    assert not came_to.beats_chance, came_to


@pytest.mark.parametrize("name", ROWS)
def test_counted_contacts_do_not_even_lead_to_those_who_do_the_same_every_day(habits: list[Breach], name: str) -> None:
    came_to = on_rows(habits, ROWS[name])
    assert came_to.tried > 200
    assert not came_to.beats_chance, came_to


def devices_in(backup: Path, *, keys: list[CaseKey], events: Mapping[Device, list[FlowEvent]]) -> tuple[int, int]:
    """Return how many findings of devices *keys* open in a backup, and of how many devices it names the pseudonym."""
    opened = [told for _table, told in opened_backup(backup, keys=keys)]
    findings = [json.loads(told) for told in opened if told.startswith(b'{"') and b'"first_seen"' in told]
    whole = b" ".join(opened)
    return len(findings), sum(str(each[0].device).encode() in whole for each in events.values())


def test_no_backup_of_an_open_day_shows_a_device_when_it_is_over_whichever_keys_somebody_has(
    breaches: list[Breach], habits: list[Breach]
) -> None:
    """Neither those of the file of keys of that evening nor those that are left in the store."""
    for each in (*breaches, *habits):
        for day in each.events:
            assert devices_in(each.backup, keys=each.keys, events=day) == (0, 0)
            findings, devices = devices_in(each.backup, keys=each.evening, events=day)
            assert findings > 200
            assert devices > 30


def test_no_finding_that_is_kept_is_of_a_device_and_of_few_it_has_no_figures(
    breaches: list[Breach], habits: list[Breach]
) -> None:
    """Of a class of 25 nobody is singled out: of fewer than ten devices neither class, time nor octets are known."""
    held = [finding for each in (*breaches, *habits) for finding in each.held]
    few = [finding for finding in held if finding["devices"] < OFFICER_K]
    assert len(held) > 50
    assert few
    assert all(finding["device"].startswith(MARK) for finding in held)
    for finding in few:
        assert finding["group"] == ""
        assert finding["first_seen"] == finding["last_seen"] == f"{finding['day']}T12:00:00Z"
        assert all(finding[name] == floor_step(finding[name]) for name in ("flows", "bytes_up", "bytes_down"))


def test_a_contact_that_is_kept_has_its_hour_where_enough_of_its_class_came_together_and_no_time_else(
    breaches: list[Breach],
) -> None:
    rows = [row for each in breaches for held in each.rows[0].values() for row in held]
    timed = [row for row in rows if not is_timeless(row)]
    assert len(rows) / 4 < len(timed) < len(rows) * 3 / 4
    assert all(row.at_ms % MINUTE_MS == 0 for row in rows)
    quarters = Counter((row.party, row.school, row.group, row.at_ms // STEP_MS) for row in timed)
    for row in timed:
        first = row.at_ms // HOUR_MS * (HOUR_MS // STEP_MS)
        assert any(quarters[row.party, row.school, row.group, first + place] >= OFFICER_K for place in range(4))


def test_counted_contacts_of_two_third_parties_are_mostly_not_joined_by_their_times(breaches: list[Breach]) -> None:
    """Before they were pooled, 85 of 100 pairs within so short a time were of one device."""
    joined = right = 0
    for each in breaches:
        home = {device: number for number, group in enumerate(each.classes) for device in group}
        rows = sorted((row.at_ms, met, device) for (device, met), held in each.rows[0].items() for row in held)
        for (at, met, device), (later, other, guess) in pairwise(rows):
            if later - at <= TOGETHER_MS and met != other and home[device] == home[guess]:
                joined += 1
                right += device == guess
    assert joined > 50
    assert right < joined / 2, f"{right} of {joined}"


def test_events_of_the_open_hours_are_linked_by_what_is_visited_whatever_the_pseudonym(habits: list[Breach]) -> None:
    """What docs/privacy.md says of the 72 hours: no promise, and the reason why they are not more."""
    first, second = (profiles(habits, place, least=RELEASED_AT) for place in (0, 1))
    came_to = attack(first, second, classes=classes(habits), distance=unlike)
    assert came_to.beats_chance, came_to


def test_the_pseudonyms_of_two_days_have_nothing_in_common(breaches: list[Breach]) -> None:
    first, second = (
        {
            (device, ""): [float(int(str(events[0].device), 16))]
            for each in breaches
            for device, events in each.events[place].items()
        }
        for place in (0, 1)
    )
    came_to = attack(first, second, classes=classes(breaches), distance=apart)
    assert not came_to.beats_chance, came_to


def test_no_case_that_is_shown_counts_fewer_devices_than_may_be_shown(breaches: list[Breach]) -> None:
    seen = 0
    for case in (case for each in breaches for case in each.cases):
        for day in shown(case["evidence"], devices=case["devices"])["days"]:
            seen += 1
            assert re.fullmatch(r"fewer than 10|[\d,]{2,} to [\d,]{2,}", day["devices"]), day
    assert seen > 20


def test_no_window_that_is_shown_is_of_fewer_devices_than_may_be_counted(breaches: list[Breach]) -> None:
    for case in (case for each in breaches for case in each.cases):
        kept = {(window["from"], window["to"]): window["devices"] for window in case["evidence"]["windows"]}
        for window in shown(case["evidence"], devices=case["devices"])["windows"]:
            assert kept[window["from"], window["to"]] >= OFFICER_K
