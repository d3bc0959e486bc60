"""What the invariants of chaos would notice: each is shown a topic in which something is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from collector.topics import CASES, DEAD_LETTERS, FINDINGS, FLOWS
from tests.chaos import invariants
from tests.chaos.invariants import Account
from tests.chaos.material import facts
from tests.chaos.topics import Message

ORIGIN = 1_000
EVENTS = [{"id": f"e{number}", "device": "d", "sensor": "tap", "bytes_up": number} for number in range(4)]


class Topics:
    """What `Reading` has read, written by hand."""

    def __init__(self) -> None:
        self.messages: dict[str, list[Message]] = {topic: [] for topic in (FLOWS, FINDINGS, CASES, DEAD_LETTERS)}
        self.partitions = {FLOWS: 1}

    def put(self, topic: str, value: dict[str, Any], *, key: bytes | None = None, **headers: bytes) -> None:
        there = self.messages[topic]
        body = json.dumps(value).encode()
        there.append(Message(topic=topic, partition=0, offset=len(there), key=key, value=body, headers=headers))

    def event(self, number: int, event: dict[str, Any]) -> None:
        self.put(FLOWS, event, key=b"d", collector=b"tap", seq=b"%d" % number)

    def end(self) -> None:
        told = {"collector": "tap", "through": "2026-10-06T12:00:00.000000Z", "end": True}
        self.put(FLOWS, told, collector=b"tap", kind=b"watermark")

    def gap(self, first: int, last: int, *, events: int) -> None:
        told = {"collector": "tap", "from": first, "to": last, "events": events, "octets": 1}
        self.put(FLOWS, told, collector=b"tap", kind=b"gap")

    def by_key(self, topic: str) -> dict[bytes | None, list[Message]]:
        keys = {each.key for each in self.messages[topic]}
        return {key: [each for each in self.messages[topic] if each.key == key] for key in keys}


@pytest.fixture
def topics() -> Topics:
    return Topics()


def account(*, captures: int = 1, following: int = ORIGIN + 5, waiting: int = 0) -> Account:
    return Account(
        sensor="tap", origin=ORIGIN, following=following, waiting=waiting, captures=captures,
        expected=[facts(event) for event in EVENTS],
    )  # fmt: skip


def whole(topics: Topics) -> None:
    for number, event in enumerate(EVENTS, start=ORIGIN):
        topics.event(number, event)
    topics.end()


def problems(topics: Topics, **told: int) -> Sequence[str]:
    return invariants.brought(topics, account=account(**told)).problems


def test_a_whole_capture_that_came_twice_in_part_is_as_it_should_be(topics: Topics) -> None:
    whole(topics)
    topics.event(ORIGIN, EVENTS[0])
    topics.end()
    assert problems(topics) == []


def swap_number(topics: Topics) -> None:
    topics.event(ORIGIN, EVENTS[1])


def new_number(topics: Topics) -> None:
    topics.event(ORIGIN + 4, EVENTS[1])


def changed(topics: Topics) -> None:
    topics.messages[FLOWS].pop(2)
    topics.event(ORIGIN + 2, {**EVENTS[2], "bytes_up": 99})
    topics.end()


def after_the_end(topics: Topics) -> None:
    topics.event(ORIGIN, EVENTS[0])


def lost(topics: Topics) -> None:
    topics.messages[FLOWS].pop(1)


def dropped(topics: Topics) -> None:
    topics.messages[FLOWS].pop(1)
    topics.gap(ORIGIN + 1, ORIGIN + 1, events=1)
    topics.end()


def endless(topics: Topics) -> None:
    topics.messages[FLOWS].pop()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (swap_number, "stands for two events"),
        (new_number, "has the numbers"),
        (changed, "differ from `flows`"),
        (after_the_end, "does not end with the end"),
        (lost, "are lost"),
        (lost, "are missing"),
        (dropped, "must never lose events"),
        (endless, "an end is missing"),
    ],
)
def test_what_is_wrong_with_a_capture_is_told(topics: Topics, harm: Callable[[Topics], None], words: str) -> None:
    whole(topics)
    harm(topics)
    assert any(words in problem for problem in problems(topics)), problems(topics)


def test_events_that_were_dropped_and_told_are_accounted_for(topics: Topics) -> None:
    topics.event(ORIGIN, EVENTS[0])
    topics.gap(ORIGIN + 1, ORIGIN + 3, events=3)
    topics.gap(ORIGIN + 1, ORIGIN + 3, events=3)  # the same one again
    assert problems(topics, captures=0, following=ORIGIN + 4) == []


@pytest.mark.parametrize(
    ("first", "last", "events", "words"),
    [
        (ORIGIN + 1, ORIGIN + 2, 2, "are lost"),
        (ORIGIN + 1, ORIGIN + 3, 2, "does not add up"),
        (ORIGIN, ORIGIN + 3, 4, "are there and told as dropped"),
        (ORIGIN + 1, ORIGIN + 4, 4, "were never given"),
    ],
)
def test_a_gap_that_says_too_little_or_too_much_is_told(
    topics: Topics, first: int, last: int, events: int, words: str
) -> None:
    topics.event(ORIGIN, EVENTS[0])
    topics.gap(first, last, events=events)
    assert any(words in problem for problem in problems(topics, captures=0, following=ORIGIN + 4))


def test_rows_that_wait_in_a_spool_are_told(topics: Topics) -> None:
    whole(topics)
    assert any("still wait" in problem for problem in problems(topics, waiting=1))


def row(version: int, *, state: str = "open", flows: int = 1) -> dict[str, Any]:
    body = json.dumps({"id": "c", "flows": flows})
    return {"id": "c", "version": version, "state": state, "body": body}


@pytest.mark.parametrize(("found", "good"), [((1, 2, 3), True), ((1, 3), False), ((1, 2, 2), False), ((2,), False)])
def test_versions_of_a_case_have_neither_holes_nor_twins(topics: Topics, found: tuple[int, ...], *, good: bool) -> None:
    for version in found:
        topics.put(CASES, row(version), key=b"c")
    assert (invariants.versions(topics) == []) is good


def test_the_last_version_of_a_case_is_what_the_report_must_say(topics: Topics) -> None:
    topics.put(CASES, row(1, flows=1), key=b"c")
    topics.put(CASES, row(2, flows=2), key=b"c")
    assert invariants.same_cases(topics, expected={"cases": [{"id": "c", "flows": 2}]}) == []
    assert invariants.same_cases(topics, expected={"cases": [{"id": "c", "flows": 3}]})
    assert invariants.same_cases(topics, expected={"cases": []})
    topics.put(CASES, row(3, state="withdrawn"), key=b"c")
    assert invariants.same_cases(topics, expected={"cases": []}) == []


def test_reports_are_compared_field_by_field() -> None:
    report = {"cases": [{"id": "c", "flows": 2}], "coverage": {"flows": 2}}
    assert invariants.same_report(report, expected=report, what="it") == []
    other = {"cases": [{"id": "c", "flows": 3}], "coverage": {"flows": 3}}
    assert len(invariants.same_report(other, expected=report, what="it")) == 2


def test_a_dead_letter_is_told(topics: Topics) -> None:
    assert invariants.letters(topics) == []
    topics.put(DEAD_LETTERS, {}, reason=b"not_json")
    assert invariants.letters(topics) == ["dead letters: {'not_json': 1}"]
