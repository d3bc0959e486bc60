"""Who holds all that Kafka and the store still have of two lived days, superseded values too, and opens what opens.

The thief of the store that `run` writes is in `test_linkage`. Here both stages judge day by day, and the broker keeps
whatever it was not told to delete. What is tried first is creatures of habit: no days are easier to link.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from math import log
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from collector.topics import FINDINGS as FINDINGS_TOPIC
from tests.parts.backup_thief import opened_backup
from tests.parts.days_through_kafka import DaysThroughKafka
from tests.parts.linkage import Attack, apart, attack, unlike
from tests.parts.school_days import ALL_TWISTS, school_days
from tests.parts.topic_thief import Loot, TopicThief
from tests.parts.two_days import again
from tests.scenarios.test_linkage import ROWS
from tests.scenarios.test_linkage_outputs import cells, finer, moments, traced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from rules.windows import Row
    from tests.parts.two_days import Device

DAY_MS = 86_400_000
QUARTER_MS = 900_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Theft:
    """Two days that passed, and what somebody has of them."""

    lived: DaysThroughKafka
    """The days."""
    classes: list[tuple[Device, ...]]
    """Who sits together."""
    known: Loot
    """What there was while the days passed."""
    left: Loot
    """What is left when both are over, superseded values too."""
    compacted: Loot
    """What is left when those are gone."""
    clear: Mapping[str, str]
    """What is left, as text."""

    def by(
        self,
        what: str,
        features: Callable[[Any], Any],
        *,
        distance: Callable[[Any, Any], float] = apart,
        left: str = "known.",
    ) -> Attack:
        """Look on the second day for what is known of a device on the first.

        Args:
            what: what is known, a field of `Loot`.
            features: what one and the other are compared by.
            distance: how unlike they are.
            left: where to look, a field, and what for, a field of `Loot`; empty: the same.
        """
        place, _, field = left.partition(".")
        first, second = getattr(self.known, what)[0], getattr(getattr(self, place), field or what)[1]
        return attack(
            {_keyed(key): features(held) for key, held in first.items()},
            {_keyed(key): features(held) for key, held in second.items()},
            classes=self.classes,
            distance=distance,
        )


def theft(folder: Path, *, seed: int, creatures_of_habit: bool) -> Theft:
    """Let two days pass and steal what is left."""
    twists = ALL_TWISTS - {"shared-device", "staff"}
    days = school_days(seed=seed, devices=52, days=2, vendors=12, sites=20, parties=16, twists=twists)
    lived = DaysThroughKafka(folder, days=days, seed=seed)
    chance = Random(seed)  # noqa: S311 -- the same days every time
    lived.live(again(days, chance=chance) if creatures_of_habit else list(days.events()))
    thief = TopicThief(lived, truth=days, seed=seed)
    return Theft(
        lived=lived, classes=thief.classes, known=thief.known(), left=thief.left(), compacted=thief.compacted(),
        clear=thief.clear(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def habits(tmp_path_factory: pytest.TempPathFactory) -> Theft:
    return theft(tmp_path_factory.mktemp("kafka") / "3", seed=3, creatures_of_habit=True)


@pytest.fixture(scope="module", params=(2, 3))
def lived(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Theft:
    return theft(tmp_path_factory.mktemp("kafka") / "lived", seed=request.param, creatures_of_habit=False)


def _keyed(key: Any) -> tuple[Device, str]:
    return key if isinstance(key[1], str) else (key, "")


def clock(moment: datetime) -> float:
    return moment.hour + moment.minute / 60 + moment.second / 3600


def quarters(moments: Iterable[float]) -> Counter[int]:
    """Return in how many quarters of an hour of a day something was; milliseconds since 1970."""
    return Counter(int(at) % DAY_MS // QUARTER_MS for at in moments)


FINDINGS: Mapping[str, Callable[[list[dict[str, Any]]], Sequence[float]]] = {
    "flows": lambda held: [log(1 + sum(e["flows"] for e in held))],
    "octets": lambda held: [log(1 + sum(e[way] for e in held)) for way in ("bytes_up", "bytes_down")],
    "times": lambda held: [clock(min(e["first_seen"] for e in held)), clock(max(e["last_seen"] for e in held))],
    "tokens": lambda held: [int(held[0]["device"][:8], 16)],
    "ids": lambda held: [int(held[0]["id"][:8], 16)],
}
PROFILES: Mapping[str, Callable[[list[Row]], Mapping[Any, float]]] = {
    "quarters": lambda held: quarters(row.at_ms for row in held),
    "sites that stood open": lambda held: Counter(site for row in held for site, _fresh in row.active),
}


def names(held: Iterable[Any]) -> Mapping[str, float]:
    """Return the profile of what a device visits."""
    return {name: log(1 + n) for name, n in Counter(event.server_name for event in held).items() if name}


def by_quarter(moments: Iterable[datetime]) -> Mapping[int, float]:
    return quarters(moment.timestamp() * 1000 for moment in moments)


def test_the_attacker_finds_everybody_of_firm_habits_in_what_there_was_while_the_days_passed(habits: Theft) -> None:
    """What the tests of what is left must not miss: with the same eyes, in the same places."""
    tried = {
        "findings": habits.by("findings", FINDINGS["octets"]),
        "rows": habits.by("rows", ROWS["times"]),
        "profiles of rows": habits.by("rows", PROFILES["quarters"], distance=unlike),
        "events": habits.by("events", names, distance=unlike),
        "when state is written": habits.by("written", by_quarter, distance=unlike),
    }
    for name, came_to in tried.items():
        assert came_to.beats_chance, (name, came_to)
        assert came_to.right > 3 * came_to.expected, (name, came_to)


@pytest.mark.parametrize("name", ["tokens", "ids"])
def test_tokens_and_ids_lead_nowhere_while_the_days_pass(habits: Theft, name: str) -> None:
    came_to = habits.by("findings", FINDINGS[name])
    assert came_to.tried > 100
    assert not came_to.beats_chance, came_to


def test_tokens_of_contacts_lead_nowhere_while_the_days_pass(habits: Theft) -> None:
    came_to = habits.by("rows", ROWS["tokens"])
    assert came_to.tried > 200
    assert not came_to.beats_chance, came_to


def test_when_the_days_are_over_nothing_of_a_device_opens(habits: Theft) -> None:
    """Neither with the keys that the store still has nor without: no event, no finding, no contact, no key, no id."""
    left = habits.left
    assert [*map(len, (left.events, left.findings, left.rows, left.contacts))] == [2] * 4
    assert not any(held for of in (left.events, left.findings, left.rows, left.contacts) for held in of)
    assert (left.keys, left.ids) == ((), 0)


@pytest.mark.parametrize("name", ROWS)
def test_what_is_left_of_contacts_does_not_lead_to_the_next_day(habits: Theft, name: str) -> None:
    came_to = habits.by("rows", ROWS[name], left="left.closed")
    assert came_to.tried > 150
    assert not came_to.beats_chance, came_to


@pytest.mark.parametrize("name", PROFILES)
def test_no_profile_of_what_is_left_of_contacts_leads_to_the_next_day(habits: Theft, name: str) -> None:
    came_to = habits.by("rows", PROFILES[name], distance=unlike, left="left.closed")
    assert came_to.tried > 150
    assert not came_to.beats_chance, came_to


def test_when_state_was_written_leads_nowhere_once_replaced_values_are_gone(habits: Theft) -> None:
    """Keys and times of records lie in the clear; until compaction takes them they tell who was at work when."""
    assert habits.by("written", by_quarter, distance=unlike, left="left.").beats_chance
    came_to = habits.by("written", by_quarter, distance=unlike, left="compacted.")
    assert came_to.tried > 100
    assert not came_to.beats_chance, came_to


def test_nothing_exact_of_a_device_lies_in_the_clear_in_any_topic(habits: Theft) -> None:
    assert sum(map(len, habits.clear.values())) > 100_000
    for day in habits.known.events:
        found = {trace for traces in traced(habits.clear, day).values() for trace in traces}
        # When a collector says how far it has come; now and then a flow ends in that second.
        assert {trace for trace in found if not re.fullmatch(r".*T\d\d:\d[05]:00", trace)} == set()


def test_nothing_exact_of_a_device_lies_in_the_clear_in_the_store_or_a_backup_of_it(habits: Theft) -> None:
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for place, text in cells(habits.lived.folder / "cases.db"):
        texts[place].append(text)
    for backup in sorted(habits.lived.folder.glob("*.backup")):
        for table, octets in opened_backup(backup, keys=habits.lived.store.live_keys()):
            texts[f"{backup.name}: {table}"].append(octets.decode(errors="replace"))
    told = {place: " ".join(held) for place, held in texts.items()}
    assert len([place for place in told if place.endswith(".backup: case_log")]) == 3
    assert {"case_keys.made_at", "case_log.at", "cases.evidence", "report_parts.body"} <= told.keys()
    assert finer(told) == {}
    assert moments(told, near=habits.lived.now) == {}
    for day in habits.known.events:
        assert traced(told, day) == {}


@pytest.mark.long
def test_of_ordinary_days_no_more_is_left_and_it_leads_nowhere(lived: Theft) -> None:
    left = lived.left
    assert not any(held for of in (left.events, left.findings, left.rows, left.contacts) for held in of)
    assert (left.keys, left.ids) == ((), 0)
    tried = {name: lived.by("rows", features, left="left.closed") for name, features in ROWS.items()}
    tried |= {name: lived.by("rows", each, distance=unlike, left="left.closed") for name, each in PROFILES.items()}
    tried["written"] = lived.by("written", by_quarter, distance=unlike, left="compacted.")
    for name, came_to in tried.items():
        assert came_to.tried > 100, (name, came_to)
        assert not came_to.beats_chance, (name, came_to)


def test_an_attacker_who_is_given_a_trace_is_caught(habits: Theft) -> None:
    first, _second = habits.known.events
    device, events = next(iter(first.items()))
    told = f"{habits.clear[FINDINGS_TOPIC]} {events[0].device} "
    assert device in traced({**habits.clear, FINDINGS_TOPIC: told}, first)
    given = replace(habits.left, closed=({}, habits.known.rows[1]))
    came_to = replace(habits, left=given).by("rows", ROWS["times"], left="left.closed")
    assert came_to.beats_chance, came_to
