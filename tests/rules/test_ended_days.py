"""Stage one says when nothing is added to findings any more, and stage two then keeps nothing of a device."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from collector.topics import CASE_STATE, FINDINGS
from rules.closed_findings import MARK
from rules.ended_days import CLOSED_KEYS, OVER_KEYS, SINCE_KEY, EndedDays, Over, over_records
from rules.kept_sums import FINDING_KEYS
from rules.open_since import UNENDED_DAYS
from rules.records import KIND, OVER, Record
from rules.sealed_records import open_finding
from rules.stage_one import StageOne
from tests.contracts.topic_document import TopicDocument
from tests.parts.case_keys import a_ring
from tests.rules import test_stage_one_ages as ages
from tests.rules.test_letting_go import keep
from tests.rules.test_stage_two import NOON, RECORDS, changed, task

if TYPE_CHECKING:
    from rules.case_portion import CasePortion
    from rules.stage_two import StageTwo

DAY = date(2026, 10, 14)
IDS = tuple(sorted(str(open_finding(each.value or b"", keys=a_ring())[1].id) for each in RECORDS))  # type: ignore[union-attr]


def end(ids: tuple[str, ...] = IDS, *, offset: int) -> Record:
    (told,) = over_records({(b"mathlab", DAY): ids})
    return Record(
        key=told.key, value=told.value, headers=dict(told.headers), partition=0, offset=offset, at=NOON
    )  # fmt: skip


def take(stage: StageTwo, records: list[Record], *, state: dict[bytes, bytes]) -> CasePortion:
    portion = stage.take(records)
    keep(stage, portion, state)
    return portion


def held(state: dict[bytes, bytes]) -> list[tuple[str, int]]:
    """Return device and number of devices of every finding that is held."""
    bodies = [body for key, body in state.items() if key.startswith(FINDING_KEYS)]
    found = [open_finding(body, keys=a_ring())[1] for body in bodies]
    return [(each.device, each.devices) for each in found if each is not None]


def test_with_the_end_of_its_findings_nothing_of_a_device_is_held_and_the_case_is_as_it_was() -> None:
    state: dict[bytes, bytes] = {}
    stage = task(state)
    (before,) = take(stage, RECORDS, state=state).rows
    portion = take(stage, [end(offset=10)], state=state)
    assert [json.loads(row.body) for row in portion.rows] == [json.loads(before.body)]
    assert portion.opened == ()
    ((device, devices),) = held(state)
    assert device.startswith(MARK)
    assert devices == len(RECORDS)
    assert not any(key.startswith(OVER_KEYS) for key in state)
    assert state[CLOSED_KEYS + b"2026-10-14"] == b"10"
    # A restart stands on the same, to the last digit.
    again = task(state)
    assert take(again, [], state=state).rows == ()
    assert [json.loads(row.body) for row in again.everything().rows] == [json.loads(before.body)]


def test_what_is_written_of_the_end_of_a_day_is_as_the_document_of_topics_says() -> None:
    document, state = TopicDocument(), dict[bytes, bytes]()
    stage = task(state)
    stage.passed(NOON)
    told = end(IDS[:2], offset=10)
    take(stage, [*RECORDS, told], state=state)
    assert document.check(told.value or b"", topic=FINDINGS, key=told.key, headers=told.headers) == "FindingsOver"
    assert _named(OVER_KEYS, state=state, document=document) == {"TakenOver"}
    take(stage, [end(IDS[2:], offset=11)], state=state)
    assert _named(CLOSED_KEYS, state=state, document=document) == {"ClosedDay"}
    assert _named(SINCE_KEY, state=state, document=document) == {"OpenFindings"}


def _named(prefix: bytes, *, state: dict[bytes, bytes], document: TopicDocument) -> set[str]:
    return {
        document.check(body, topic=CASE_STATE, key=key, headers={})
        for key, body in state.items()
        if key.startswith(prefix)
    }


def test_a_day_is_closed_when_all_of_its_findings_are_over_also_over_a_restart() -> None:
    state: dict[bytes, bytes] = {}
    stage = task(state)
    take(stage, [*RECORDS, end(IDS[:2], offset=10)], state=state)
    assert len(held(state)) == len(RECORDS)
    stage = task(state)
    take(stage, [end(IDS[2:], offset=11)], state=state)
    assert [devices for _device, devices in held(state)] == [len(RECORDS)]


def test_records_that_are_read_again_after_their_day_was_closed_count_nothing() -> None:
    state: dict[bytes, bytes] = {}
    take(task(state), [*RECORDS, end(offset=10)], state=state)
    # Somebody set the group's position back to the beginning.
    again = task(state)
    portion = take(again, [*RECORDS, end(offset=10)], state=state)
    assert portion.rows == ()
    assert [devices for _device, devices in held(state)] == [len(RECORDS)]


def test_what_comes_later_for_a_closed_day_counts_and_is_closed_with_it() -> None:
    state: dict[bytes, bytes] = {}
    stage = task(state)
    take(stage, [*RECORDS[:3], end(IDS, offset=10)], state=state)
    late = changed(RECORDS[3], offset=11)
    (row,) = take(stage, [late], state=state).rows
    assert json.loads(row.body)["devices"] == len(RECORDS)
    take(stage, [end(offset=12)], state=state)
    assert [devices for _device, devices in held(state)] == [len(RECORDS)]


def test_a_day_that_nobody_ends_is_closed_after_a_week() -> None:
    state: dict[bytes, bytes] = {}
    stage = task(state)
    stage.passed(NOON)
    take(stage, RECORDS, state=state)
    stage.passed(NOON + timedelta(days=UNENDED_DAYS - 1))
    assert not stage.waits(0.0)
    stage.passed(NOON + timedelta(days=UNENDED_DAYS))
    assert stage.waits(0.0)
    take(stage, [], state=state)
    assert [devices for _device, devices in held(state)] == [len(RECORDS)]


def test_a_day_that_is_opened_anew_has_a_week_of_its_own_in_which_no_word_counts_twice() -> None:
    state: dict[bytes, bytes] = {}
    stage = task(state)
    stage.passed(NOON)
    take(stage, [*RECORDS[:3], end(IDS, offset=10)], state=state)
    anew = NOON + timedelta(days=UNENDED_DAYS + 1)
    stage.passed(anew)
    take(stage, [changed(RECORDS[3], offset=11)], state=state)
    assert b"2026" in state[SINCE_KEY]
    # Whoever takes the partition over finds the day open, and knows since when.
    stage = task(state)
    for days in range(UNENDED_DAYS):
        stage.passed(anew + timedelta(days=days))
        assert not stage.waits(0.0)
        take(stage, [changed(RECORDS[3], offset=12 + days)], state=state)
    assert sorted(devices for _device, devices in held(state)) == [1, 3]
    stage.passed(anew + timedelta(days=UNENDED_DAYS))
    assert stage.waits(0.0)
    (row,) = stage.everything().rows
    take(stage, [], state=state)
    assert [devices for _device, devices in held(state)] == [len(RECORDS)]
    assert json.loads(row.body)["devices"] == len(RECORDS)
    assert state[SINCE_KEY] == b"{}"


def test_what_is_no_end_is_refused() -> None:
    portion = task().take([changed(end(offset=3), value=b"{}")])
    assert portion.refused == ("not_a_finding",)


def test_ends_are_told_in_records_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rules.ended_days.MOST_IDS", 2)
    told = list(over_records({(b"", DAY): ["c", "a", "b"]}))
    ends = EndedDays({})
    for number, each in enumerate(told):
        assert len(ends.note(each.value, offset=number)) == 1
    assert ends.ready({DAY: {"a", "b", "c"}}) == {DAY}
    assert ends.ready({DAY: {"a", "d"}}) == set()
    assert Over(day=DAY, ids=("a",)).ids == ("a",)


def test_stage_one_ends_the_findings_of_a_day_with_its_key() -> None:
    stage = StageOne(
        partition=3, topic="flows", rulebook=ages.RULEBOOK, state={}, make_key=lambda: bytes(32), keys=a_ring()
    )
    first = stage.take([ages.record(ages.flow(1), offset=0)])
    stage.committed(first)
    told = [out for out in first.outputs if out.topic == "findings" and not out.headers]
    assert told
    assert not [out for out in first.outputs if (KIND, OVER) in out.headers]
    ending = stage.take([ages.watermark(ages.NOON, offset=1, at=ages.NOON + timedelta(days=4), end=False)])
    ends = [out for out in ending.outputs if (KIND, OVER) in out.headers]
    ids = {each for out in ends for each in json.loads(out.value)["ids"]}
    assert ids == {str(open_finding(out.value, keys=a_ring())[1].id) for out in told}  # type: ignore[union-attr]
    assert {out.key for out in ends} == {out.key for out in told}
