"""Stage one in a consumer group: what one partition's task makes of its records, without a broker."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.encoding import encode
from collector.events import FlowEvent
from rules.checks.example import event
from rules.judged_portion import JudgedPortion
from rules.records import KEPT_OCTETS, Record
from rules.rehearsal import world
from rules.rulebook import Rulebook
from rules.sealed_records import open_finding
from rules.stage_one import StageOne
from tests.parts.case_keys import a_ring

WORLD = world({"use_gate": {"status": "paused"}, "data.access": ["somebody"]})
RULEBOOK = Rulebook(
    agreements=WORLD.agreements, register=WORLD.register, parties=WORLD.parties, network=WORLD.network, locations=None
)
NOON = datetime(2026, 10, 14, 18, 0, tzinfo=UTC)
KEY = bytes(32)


def flow(number: int = 0, **changes: object) -> FlowEvent:
    return event({"tls_version": "1.1", **changes}, number=number)


def record(content: FlowEvent | bytes | None, *, offset: int = 0, key: bytes | None = b"d1", **headers: str) -> Record:
    if isinstance(content, FlowEvent):
        key, content = (content.device or "").encode(), encode(content)
    named = {name: text.encode() for name, text in headers.items()}
    return Record(key=key, value=content, headers=named, partition=3, offset=offset, at=NOON)


def changed(one: Record, **changes: Any) -> Record:
    """Return a record like *one*, but for the changes."""
    names = ("key", "value", "headers", "partition", "offset", "at")
    return Record(**({name: getattr(one, name) for name in names} | changes))


def watermark(through: str, *, offset: int, end: bool = False, collector: str = "east") -> Record:
    body = json.dumps({"collector": collector, "through": through, "end": end}).encode()
    return record(body, offset=offset, key=None, kind="watermark", collector=collector)


def task(state: dict[bytes, bytes] | None = None, *, key: bytes = KEY) -> StageOne:
    return StageOne(
        partition=3, topic="flows", rulebook=RULEBOOK, state=state or {}, make_key=lambda: key, keys=a_ring()
    )


def write(portion: JudgedPortion, state: dict[bytes, bytes]) -> None:
    """Do what the state topic does, compacted."""
    for key, body in portion.state.items():
        if body is None:
            state.pop(key, None)
        else:
            state[key] = body


def take(stage: StageOne, records: Iterable[Record], *, state: dict[bytes, bytes] | None = None) -> JudgedPortion:
    """Judge and commit, writing down what changes."""
    portion = stage.take(records)
    if state is not None:
        write(portion, state)
    stage.committed(portion)
    return portion


def findings(*portions: JudgedPortion) -> dict[str, Any]:
    """The newest finding of each id."""
    out = [out for portion in portions for out in portion.outputs if out.topic == "findings" and not out.headers]
    opened = [open_finding(each.value, keys=a_ring())[1] for each in out]
    return {found["id"]: found for found in msgspec.to_builtins(opened)}


def coverage(portion: JudgedPortion) -> dict[str, Any]:
    (out,) = [out for out in portion.outputs if out.headers == (("kind", b"coverage"),)]
    told: dict[str, Any] = json.loads(out.value)
    return told


def test_findings_are_those_of_an_engine_that_saw_everything_at_once() -> None:
    events = [flow(number, device=f"d{number % 3}") for number in range(12)]
    stage = task()
    portions = [take(stage, [record(one, offset=number)]) for number, one in enumerate(events)]
    whole = task().take([record(one, offset=number) for number, one in enumerate(events)])
    assert findings(*portions) == findings(whole)
    assert findings(whole)
    assert coverage(portions[-1]) == coverage(whole)
    assert coverage(whole)["coverage"]["flows"] == 12
    assert coverage(whole)["last_day"] == "2026-10-14"


def test_a_finding_goes_under_its_agreement_and_coverage_to_one_place() -> None:
    outputs = task().take([record(flow())]).outputs
    assert {(out.key, out.partition) for out in outputs} == {(b"mathlab", None), (b"3", 0)}


def test_a_portion_that_is_never_committed_leaves_no_trace() -> None:
    stage = task()
    records = [record(flow(1), offset=0), watermark("2026-10-14T23:00:00Z", offset=1)]
    first = stage.take(records)
    again = stage.take(records)
    assert again == replace(first, held=again.held)
    assert stage.watermark is None
    assert stage.take([record(flow(2), offset=0)]).repeats == 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=6), st.integers(0, 5))
def test_a_task_restored_from_its_state_goes_on_as_if_it_had_never_stopped(sizes: list[int], stop: int) -> None:
    flows = [flow(number, device=f"d{number % 4}") for number in range(sum(sizes))]
    records = [record(one, offset=n, collector="east", seq=str(n)) for n, one in enumerate(flows)]
    portions, start = [], 0
    for size in sizes:
        portions.append(records[start : start + size])
        start += size
    steady, state = task(), dict[bytes, bytes]()
    mortal = task()
    for number, portion in enumerate(portions):
        expected = take(steady, portion)
        if number == stop:
            # The fresh key of the heir must not be used where the state holds one.
            key = b"another" if state else KEY
            mortal = task(state, key=key)
        # The last record of before comes again, under a new offset, as after a collector's crash.
        sent_twice = [changed(each, offset=portion[-1].offset) for each in records[: portion[0].offset][-1:]]
        found = take(mortal, [*portion, *sent_twice], state=state)
        assert found.repeats == len(sent_twice)
        assert findings(found) == findings(expected)
        assert coverage(found) == coverage(expected)


def test_a_record_sent_twice_counts_once_and_the_same_number_with_another_event_is_judged() -> None:
    stage = task()
    once = record(flow(1), offset=0, collector="east", seq="5")
    portion = take(stage, [once, changed(once, offset=1)])
    assert portion.repeats == 1
    assert take(stage, [changed(once, offset=2)]).repeats == 1
    # A collector whose spool was lost counts from the start again: what it saw meanwhile is not lost.
    renewed = record(flow(2), offset=3, collector="east", seq="5")
    assert take(stage, [renewed]).repeats == 0
    assert sum(found["flows"] for found in findings(stage.take([record(flow(3), offset=4)])).values()) % 3 == 0


def test_records_before_the_position_are_not_judged_again() -> None:
    stage = task()
    take(stage, [record(flow(1), offset=7)])
    portion = stage.take([record(flow(2), offset=6), record(flow(3), offset=8)])
    assert portion.next_offset == 9
    assert portion.coverage.total.flows == 1


def test_a_late_event_is_counted_and_judged_all_the_same() -> None:
    stage = task()
    take(stage, [watermark("2026-10-14T16:00:00Z", offset=0), watermark("2026-10-14T01:00:00Z", offset=1)])
    portion = take(stage, [record(flow(), offset=2, collector="east", seq="1")])
    assert portion.late == 1
    assert findings(portion)


def test_one_collector_makes_nobody_else_late() -> None:
    stage = task()
    take(stage, [watermark("2026-10-14T16:00:00Z", offset=0, collector="west")])
    assert take(stage, [record(flow(), offset=1, collector="east", seq="1")]).late == 0


def test_the_watermark_is_that_of_the_slowest_collector_at_work() -> None:
    stage, state = task(), dict[bytes, bytes]()
    take(stage, [watermark("2026-10-14T16:00:00Z", offset=0, collector="west")], state=state)
    take(stage, [watermark("2026-10-14T12:00:00Z", offset=1)], state=state)
    assert stage.watermark == datetime(2026, 10, 14, 12, tzinfo=UTC)
    take(stage, [watermark("2026-10-14T13:00:00Z", offset=2, end=True)], state=state)
    assert stage.watermark == datetime(2026, 10, 14, 16, tzinfo=UTC)
    assert task(state).watermark == stage.watermark


def test_after_its_end_a_collector_may_begin_an_older_capture() -> None:
    stage = task()
    take(stage, [watermark("2026-10-14T16:00:00Z", offset=0, end=True)])
    take(stage, [watermark("2026-09-01T08:00:00Z", offset=1)])
    assert stage.watermark == datetime(2026, 9, 1, 8, tzinfo=UTC)


FLOW = encode(flow())


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record(b"{", offset=1), "not_json"),
        (record(b"\xff\xfe", offset=1), "not_json"),
        (record(b"[" * 60_000, offset=1), "not_json"),
        (record(FLOW.replace(b'"v":1', b'"v":2'), offset=1), "wrong_version"),
        (record(b'{"v":2,"flow":[]}', offset=1), "wrong_version"),
        (record(b"[]", offset=1), "not_an_event"),
        (record(FLOW.replace(b'"bytes_up":2000', b'"bytes_up":1e999'), offset=1), "not_json"),
        (record(FLOW.replace(b'"bytes_up":2000', b'"bytes_up":' + b"9" * 40), offset=1), "not_an_event"),
        (record(FLOW.replace(b'"bytes_up":2000', b'"bytes_up":-1'), offset=1), "not_an_event"),
        (record(b" " * 900_000, offset=1), "too_large"),
        (record(FLOW, offset=1, key=b"d2"), "wrong_key"),
        (record(FLOW, offset=1, key=None), "wrong_key"),
        (record(None, offset=1), "no_value"),
        (record(flow(started_at="1999-12-31T23:59:59.999999Z"), offset=1), "too_old"),
        (record(flow(started_at="2026-10-15T19:00:00.000001Z"), offset=1), "in_the_future"),
        (record(flow(ended_at="2126-10-15T19:00:00.000001Z"), offset=1), "in_the_future"),
        (record(b"{}", offset=1, key=None, kind="watermark"), "wrong_control"),
        (record(b'{"collector":"a","through":"noon"}', offset=1, kind="watermark"), "wrong_control"),
        (record(b"{}", offset=1, key=None, kind="something"), "wrong_control"),
    ],
)
def test_a_bad_record_becomes_a_dead_letter_and_the_rest_goes_on(bad: Record, reason: str) -> None:
    good = [record(flow(1), offset=0), record(flow(2), offset=2)]
    portion = task().take([good[0], bad, good[1]])
    (letter,) = [out for out in portion.outputs if out.topic == "dead-letters"]
    octets = bad.value or b""
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (bad.key, octets[:KEPT_OCTETS])
    assert headers["reason"] == reason.encode()
    assert headers["sha256"] == sha256(octets).hexdigest().encode()
    assert (headers["topic"], headers["partition"], headers["offset"]) == (b"flows", b"3", b"1")
    assert portion.refused == (reason,)
    assert portion.next_offset == 3
    assert portion.coverage.total.flows == 2


def test_a_gap_that_a_collector_tells_of_is_no_dead_letter() -> None:
    portion = task().take([record(b'{"events":7}', key=None, kind="gap", collector="east")])
    assert portion.outputs == ()
    assert portion.gaps == 1


@pytest.mark.parametrize("started", ["2000-01-01T00:00:00.000000Z", "2026-10-15T19:00:00.000000Z"])
def test_any_age_in_between_is_judged(started: str) -> None:
    portion = task().take([record(flow(started_at=started, ended_at=started))])
    assert portion.refused == ()
    assert portion.coverage.total.flows == 1


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.one_of(st.none(), st.binary(max_size=8)))
@example(b'"\x80"', None)
def test_no_octets_stop_a_partition(octets: bytes, key: bytes | None) -> None:
    whole: Sequence[Record] = [record(octets, key=key), record(flow(), offset=1)]
    portion = task().take(whole)
    assert len(portion.refused) == 1
    assert portion.coverage.total.flows == 1
