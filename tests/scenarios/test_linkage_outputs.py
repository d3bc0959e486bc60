"""Who reads along everywhere for two days, and knows one device's first day, or the timetable of one class.

What is told of cases, the desk among it, what lies in the clear in the store, and what Prometheus reads. The thief of
findings and counted contacts is in `test_linkage`; a planted device is looked for in every octet of both ways in
`tests/system/test_canary`.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from datetime import UTC, datetime
from math import log
from typing import TYPE_CHECKING, Any

import pytest

from rules.small_numbers import IT_K, OFFICER_K
from tests.parts.linkage import Attack, attack
from tests.parts.lived_days import LivedDays, lived_days

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from collector.events import FlowEvent
    from tests.parts.lived_days import Steps
    from tests.parts.two_days import Device

    Moved = Mapping[int, tuple[dict[Device, Steps], dict[Device, Steps]]]

SCRAPED_S = 15
"""`scrape_interval` of deploy/prometheus/prometheus.yml."""
QUARTER_S = 900
TIME = re.compile(r"\b(?:\d{4}-\d\d-\d\d[T ])?(\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?![\d:])")
ON_THE_QUARTER = re.compile(r"\d\d:(?:00|15|30|45)(?::00(?:\.0+)?)?")
COUNT = re.compile(r"(?<![\w.,:])(\d[\d,]*) (?:device|pupil|class hour|visit|quiet window)")
BAND = re.compile(r"(?:fewer than \d+|\d[\d,]* to \d[\d,]*) (?:device|pupil|class hour|visit|quiet window)")
WEEK_S = 7 * 86_400
EXACT = {"outbox.retry_at", "notify_channels.retry_at", "notify_channels.since"}
"""When something is tried again, and since when a channel is there: neither is of a device."""
ALWAYS = 0.5
"""Flows that there may be anywhere at any time."""
LONG_NUMBER = 100_000
"""Octets of one flow from here on are a number that hardly stands anywhere by chance."""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> LivedDays:
    return lived_days(tmp_path_factory.mktemp("lived") / "2", seed=2)


@pytest.fixture(scope="module")
def moved(lived: LivedDays) -> Moved:
    """By how much each device moves the counters on either day, by the seconds between two scrapes."""
    return {each: (lived.steps(0, every_s=each), lived.steps(1, every_s=each)) for each in (SCRAPED_S, QUARTER_S)}


def traces_of(events: list[FlowEvent]) -> set[str]:
    """Return everything exact by which one device's day could be known again, as it would be written."""
    found: set[str] = set()
    for event in events:
        found |= {str(event.device), event.id}
        found |= {at[:19] for at in (event.started_at, event.ended_at) if not ON_THE_QUARTER.fullmatch(at[11:19])}
        found |= {str(octets) for octets in (event.bytes_up, event.bytes_down) if octets >= LONG_NUMBER}
    return found


def traced(told: Mapping[str, str], events: Mapping[Device, list[FlowEvent]]) -> dict[Device, set[str]]:
    """Return the devices of which anything exact was told, and what."""
    words = {word for text in told.values() for word in re.findall(r"[\w.:-]{5,}", text)}
    words |= {word[:19] for word in words}
    found = {device: traces_of(some) & words for device, some in events.items()}
    return {device: some for device, some in found.items() if some}


def cells(store: Path) -> Iterator[tuple[str, str]]:
    """Yield table and column, and a text that lies there in the clear."""
    with closing(sqlite3.connect(store)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            asked = database.execute(f"SELECT * FROM {table}")  # noqa: S608 -- our own table names
            names = [each[0] for each in asked.description]
            for row in asked:
                for name, cell in zip(names, row, strict=True):
                    if isinstance(cell, (str, int, float)):
                        yield f"{table}.{name}", str(cell)
                    elif isinstance(cell, bytes) and cell[:1] in {b"{", b"["}:
                        yield f"{table}.{name}", cell.decode(errors="replace")


def finer(told: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the times that are finer than a quarter of an hour, by the place."""
    found = {
        place: [time for time in TIME.findall(text) if not ON_THE_QUARTER.fullmatch(time)]
        for place, text in told.items()
    }
    return {place: times for place, times in found.items() if times}


def moments(texts: Mapping[str, str], *, near: datetime) -> dict[str, set[int]]:
    """Return the numbers that are moments within a week of *near* finer than a quarter of an hour, by the place.

    Seconds, or parts of them, since 1970.
    """
    found: defaultdict[str, set[int]] = defaultdict(set)
    for place, text in texts.items():
        for number in map(int, re.findall(r"(?<![\w.-])\d{10,19}(?![\w.-])", text)):
            part = 10 ** (len(str(number)) - 10)
            if abs(number // part - near.timestamp()) < WEEK_S and number % (QUARTER_S * part):
                found[place].add(number)
    return found


def small(told: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the counts that stand alone and are below what an officer may be told, by the place."""
    found = {
        place: [each for each in COUNT.findall(BAND.sub("", text)) if 0 < int(each.replace(",", "")) < OFFICER_K]
        for place, text in told.items()
    }
    return {place: counts for place, counts in found.items() if counts}


def test_nothing_exact_of_one_device_is_told_anywhere(lived: LivedDays) -> None:
    for place in (0, 1):
        told = lived.told[place].keys()
        assert {"mail", "webhook", "alertmanager", "metrics", "log", "pack/index.html"} <= told
        assert sum(each.startswith("the desk, ") for each in told) > 25
        assert traced(lived.told[place], lived.events[0]) == {}
        assert traced(lived.told[place], lived.events[1]) == {}


def test_nothing_exact_of_one_device_lies_in_the_clear_in_the_store(lived: LivedDays) -> None:
    kept: Counter[str] = Counter()
    texts: dict[str, str] = {}
    for place, text in cells(lived.store):
        kept[place] += 1
        texts[place] = f"{texts.get(place, '')} {text}"
    assert {"case_keys.made_at", "case_log.at", "cases.evidence", "engine_state.body"} <= texts.keys()
    assert sum(kept.values()) > 500
    assert traced(texts, lived.events[0]) == traced(texts, lived.events[1]) == {}
    # Who signed in at the desk, and when.
    assert finer(texts).keys() == {"access_log.at"}
    told = moments(texts, near=datetime.fromisoformat(next(iter(lived.events[0].values()))[0].started_at))
    assert "outbox.sent_at" in texts
    assert told.keys() <= EXACT, told


def test_no_time_that_is_told_is_finer_than_a_quarter_of_an_hour(lived: LivedDays) -> None:
    assert sum(len(TIME.findall(text)) for text in lived.told[1].values()) > 500
    assert finer(lived.told[0]) == finer(lived.told[1]) == {}


def test_no_count_that_is_told_is_below_what_may_be_told(lived: LivedDays) -> None:
    assert sum(len(BAND.findall(text)) for text in lived.told[1].values()) > 50
    assert small(lived.told[0]) == small(lived.told[1]) == {}


def told_cases(told: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the cases of an evidence pack, by id."""
    packs = [json.loads(text) for place, text in told.items() if re.fullmatch(r"pack/cases/.*\.json", place)]
    return {each["id"]: each for each in packs}


def between(words: str) -> tuple[int, int]:
    """Return the least and the greatest number that a band leaves open."""
    few = re.fullmatch(r"fewer than (\d+)", words)
    if few:
        return 0, int(few[1]) - 1
    low, high = re.findall(r"\d[\d,]*", words)
    return int(low.replace(",", "")), int(high.replace(",", ""))


def test_what_a_case_was_yesterday_taken_from_what_it_is_today_tells_no_small_number(lived: LivedDays) -> None:
    """The second day is the difference; so is one day of the evidence between the case and the other day."""
    before, after = (told_cases(told) for told in lived.told)
    subtracted = 0
    for case_id, case in after.items():
        low, high = between(case["case"]["devices"])
        days = [between(day["devices"]) for day in case["evidence"]["days"]]
        rest = [(low - days[1][1], high - days[1][0]), (low - days[0][1], high - days[0][0])] if len(days) == 2 else []
        if case_id in before:
            earlier = between(before[case_id]["case"]["devices"])
            rest.append((low - earlier[1], high - earlier[0]))
        for least, most in rest:
            subtracted += 1
            assert most >= IT_K - 1, (case_id, least, most)
            assert least <= 1 or least >= IT_K, (case_id, least, most)
    assert subtracted > 10


def away(day: Mapping[Device, Steps], *, whole: Steps, gone: Device) -> Steps:
    """Return what Prometheus reads on a day on which one device is away."""
    return Counter({at: flows - day[gone][at] for at, flows in whole.items() if flows > day[gone][at]})


def of_counters(known: Mapping[Device, Steps], day: Mapping[Device, Steps], *, lived: LivedDays) -> Attack:
    """Guess who of a class is away, from the counters of that day and what everybody did on the day before.

    Each is taken in turn to be away. The attacker has seen the counters of a whole day, knows what of it was whose, and
    names the one of whom it is likeliest.
    """
    usual, whole = (sum(each.values(), Counter()) for each in (known, day))
    read = {(gone, ""): away(day, whole=whole, gone=gone) for gone in day}
    shares = {(device, ""): steps for device, steps in known.items() if device in day}

    def here(today: Steps, mine: Steps) -> float:
        """Return how much likelier it is that it is here than that it is away, were flows to come by chance."""
        likelier = 0.0
        for at, flows in mine.items():
            usually = usual[at] + ALWAYS
            likelier += today[at] * log(usually / (usually - flows)) - flows
        return likelier

    return attack(read, shares, classes=lived.classes, distance=here)


def test_the_attacker_reads_the_counters_that_are_served(lived: LivedDays, moved: Moved) -> None:
    read = sum((steps for day in moved[QUARTER_S] for steps in day.values()), Counter())
    labels: Counter[str] = Counter()
    for (_at, label), flows in read.items():
        labels[label] += flows
    assert labels == {label: flows for label, flows in lived.counted.items() if flows}


@pytest.mark.parametrize("every_s", [SCRAPED_S, QUARTER_S])
def test_the_counters_of_the_next_day_do_not_tell_which_device_of_a_class_is_away(
    lived: LivedDays, moved: Moved, every_s: int
) -> None:
    came_to = of_counters(*moved[every_s], lived=lived)
    assert came_to.tried > 40
    assert not came_to.beats_chance, came_to


def alone(days: tuple[dict[Device, Steps], ...]) -> tuple[int, int]:
    """Return how often the counters move in two days, and how often for fewer devices than may be told of."""
    devices = [Counter(at for steps in day.values() for at in {at for at, _label in steps}) for day in days]
    return sum(map(len, devices)), sum(number < OFFICER_K for day in devices for number in day.values())


def test_in_lessons_counters_move_for_many_devices_each_quarter_and_between_scrapes_for_few(moved: Moved) -> None:
    """Why dashboards show them in quarters (tests/monitoring), and why what Prometheus holds is nobody's but IT's."""
    assert alone(moved[QUARTER_S])[1] == 0
    times, few = alone(moved[SCRAPED_S])
    assert few > times / 2


def test_an_attacker_who_is_given_a_trace_is_caught(lived: LivedDays) -> None:
    device, events = next(iter(lived.events[1].items()))
    for trace in (events[0].device, events[0].id, events[0].started_at, events[-1].ended_at):
        assert device in traced({"mail": f"It was seen ({trace})."}, lived.events[1])
    assert finer({"mail": f"at {events[0].started_at}, 2026-10-06 09:46, 09:45:01, 2026-10-06T09:45:00.000Z"}) == {
        "mail": [events[0].started_at[11:-1], "09:46", "09:45:01"]
    }
    assert moments({"outbox": "1759745123"}, near=datetime(2025, 10, 6, tzinfo=UTC)) == {"outbox": {1759745123}}
    assert moments({"outbox": "1759745700 1759745700000"}, near=datetime(2025, 10, 6, tzinfo=UTC)) == {}
    assert small({"mail": "on 3 devices, 12 devices, 5 to 9 devices, fewer than 10 devices"}) == {"mail": ["3"]}
    assert between("5 to 9") == (5, 9)


def test_a_counter_that_moves_for_one_alone_is_caught(lived: LivedDays, moved: Moved) -> None:
    """A label that a quarter of the devices has to itself, as it would be with one of a name or a place."""
    first, second = (
        {
            device: steps + Counter({(0, f"label {device}"): 9} if device[1] % 4 == 0 else {})
            for device, steps in day.items()
        }
        for day in moved[QUARTER_S]
    )
    came_to = of_counters(first, second, lived=lived)
    assert came_to.beats_chance, came_to
