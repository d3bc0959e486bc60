"""What must hold after every round, told from the topics alone; each function returns what does not, in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from collector.topics import CASES, DEAD_LETTERS, FLOWS
from tests.chaos.material import facts
from tests.chaos.topics import Message

SHOWN = 3


class Reading(Protocol):
    """Everything that was committed to the topics."""

    messages: dict[str, list[Message]]
    """By topic."""
    partitions: dict[str, int]
    """Of each topic."""

    def by_key(self, topic: str) -> dict[bytes | None, list[Message]]:
        """Return the records of *topic* by key, each key's in their order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one collector must have brought."""

    sensor: str
    origin: int
    """First sequence number of its spool."""
    following: int
    """Sequence number that its spool would give next: everything below was appended."""
    waiting: int
    """Rows left in its spool."""
    captures: int
    """Captures that it read; 0: it watched an interface."""
    expected: Sequence[dict[str, Any]]
    """Facts of the events that its captures give; empty for an interface."""


@dataclass(slots=True, kw_only=True)
class Brought:
    """What of one collector is in the topic."""

    events: dict[int, dict[str, Any]]
    """By sequence number."""
    records: int
    """Event records; more than events when some came twice."""
    dropped: set[int]
    """Sequence numbers that gap records name."""
    problems: list[str]


def brought(reading: Reading, *, account: Account) -> Brought:
    """Check one collector's records in the topic of flows against what it must have brought."""
    mine = [
        each for each in reading.messages[FLOWS] if each.headers.get("collector") == account.sensor.encode()
    ]  # fmt: skip
    found = Brought(events={}, records=0, dropped=set(), problems=[])
    _read_events(mine, found=found)
    _read_gaps(mine, found=found, live=not account.captures)
    numbers = set(found.events)
    lost = set(range(account.origin, account.following)) - numbers - found.dropped
    strange = (numbers | found.dropped) - set(range(account.origin, account.following))
    # The end of each capture takes a number of its own.
    if len(lost) != account.captures:
        found.problems.append(
            f"{account.sensor}: {len(lost)} numbers are lost, {account.captures} of them are those of ends"
        )
    if strange:
        found.problems.append(f"{account.sensor}: {len(strange)} numbers were never given, like {min(strange)}")
    if numbers & found.dropped:
        found.problems.append(f"{account.sensor}: {len(numbers & found.dropped)} events are there and told as dropped")
    if account.waiting:
        found.problems.append(f"{account.sensor}: {account.waiting} rows still wait in its spool")
    if account.captures:
        found.problems += _differences(account, events=list(found.events.values()))
        found.problems += _ends(mine, account=account, partitions=reading.partitions[FLOWS])
    return found


def _read_events(mine: Sequence[Message], *, found: Brought) -> None:
    by_id: dict[str, int] = {}
    for record in mine:
        if "kind" in record.headers:
            continue
        found.records += 1
        number, event = int(record.headers["seq"]), json.loads(record.value)
        if found.events.setdefault(number, event) != event:
            found.problems.append(f"number {number} stands for two events")
        if by_id.setdefault(event["id"], number) != number:
            found.problems.append(f"event {event['id']} has the numbers {by_id[event['id']]} and {number}")
        if record.key != event["device"].encode():
            found.problems.append(f"event {event['id']} has another key than its device")


def _read_gaps(mine: Sequence[Message], *, found: Brought, live: bool) -> None:
    told = {record.value for record in mine if record.headers.get("kind") == b"gap"}
    for value in told:
        gap = json.loads(value)
        numbers = set(range(gap["from"], gap["to"] + 1))
        if not live:
            found.problems.append(f"a capture must never lose events: {gap}")
        if len(numbers) != gap["events"] or numbers & found.dropped:
            found.problems.append(f"a gap does not add up: {gap}")
        found.dropped |= numbers


def _differences(account: Account, *, events: Sequence[dict[str, Any]]) -> list[str]:
    expected = {event["id"]: event for event in account.expected}
    there = {event["id"]: facts(event) for event in events}
    problems = []
    for what, ids in (("missing", expected.keys() - there.keys()), ("strange", there.keys() - expected.keys())):
        if ids:
            problems.append(f"{account.sensor}: {len(ids)} events are {what}, like {sorted(ids)[:SHOWN]}")
    changed = [name for name in expected.keys() & there.keys() if expected[name] != there[name]]
    if changed:
        problems.append(f"{account.sensor}: {len(changed)} events differ from `flows`, like {sorted(changed)[:SHOWN]}")
    return problems


def _ends(mine: Sequence[Message], *, account: Account, partitions: int) -> list[str]:
    problems = []
    for partition in range(partitions):
        part = sorted((each for each in mine if each.partition == partition), key=lambda each: each.offset)
        ends = [json.loads(each.value) for each in part if each.headers.get("kind") == b"watermark"]
        if sum(end["end"] for end in ends) < account.captures:
            problems.append(f"{account.sensor}: an end is missing in partition {partition}")
        elif part[-1].headers.get("kind") != b"watermark" or not ends[-1]["end"]:
            problems.append(f"{account.sensor}: partition {partition} does not end with the end")
    return problems


def letters(reading: Reading) -> list[str]:
    """No record of ours may become a dead letter."""
    reasons = Counter(each.headers.get("reason", b"?").decode() for each in reading.messages[DEAD_LETTERS])
    return [f"dead letters: {dict(reasons)}"] if reasons else []


def versions(reading: Reading) -> list[str]:
    """Versions of a case grow by one."""
    problems = []
    for key, records in reading.by_key(CASES).items():
        rows = [json.loads(each.value) for each in records]
        found = [row["version"] for row in rows]
        if found != list(range(1, len(found) + 1)):
            problems.append(f"case {(key or b'?').decode()} has the versions {found}")
    return problems


def open_cases(reading: Reading) -> dict[str, dict[str, Any]]:
    """Return the cases that are open by the word of the topic, by id."""
    latest = [json.loads(records[-1].value) for records in reading.by_key(CASES).values()]
    return {row["id"]: json.loads(row["body"]) for row in latest if row["state"] == "open"}


def same_report(found: Mapping[str, Any], *, expected: Mapping[str, Any], what: str) -> list[str]:
    """Compare two reports field by field."""
    problems = []
    for name in sorted(expected.keys() | found.keys()):
        if name == "cases":
            problems += _same_cases(
                {case["id"]: case for case in found["cases"]}, {case["id"]: case for case in expected["cases"]}, what
            )
        elif found.get(name) != expected.get(name):
            problems.append(f"{what}: `{name}` is {_short(found.get(name))} and not {_short(expected.get(name))}")
    return problems


def same_cases(reading: Reading, *, expected: Mapping[str, Any]) -> list[str]:
    """The topic's open cases are those of the report."""
    return _same_cases(open_cases(reading), {case["id"]: case for case in expected["cases"]}, "the topic of cases")


def _same_cases(found: Mapping[str, Any], expected: Mapping[str, Any], what: str) -> list[str]:
    problems = []
    for word, ids in (("lacks", expected.keys() - found.keys()), ("has beside them", found.keys() - expected.keys())):
        if ids:
            problems.append(f"{what} {word} {len(ids)} cases, like {sorted(ids)[:SHOWN]}")
    for name in sorted(expected.keys() & found.keys()):
        fields = [f for f, value in expected[name].items() if found[name].get(f) != value]
        if fields:
            told = ", ".join(f"{f} {found[name].get(f)!r} and not {expected[name][f]!r}" for f in fields)
            problems.append(f"{what}: case {name}: {told}")
    return problems


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 300 else text[:300] + "..."
