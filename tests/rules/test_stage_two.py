"""Stage two in a consumer group: findings of one partition become versions of cases, without a broker."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rules.case_keys import case_of
from rules.case_portion import CasePortion
from rules.checks.example import each, event
from rules.coverage import Coverage
from rules.findings import Finding
from rules.records import Record
from rules.rehearsal import World, world
from rules.rulebook import Rulebook
from rules.sealed_records import seal_finding
from rules.sealed_rows import open_rows
from rules.service import stored_report
from rules.stage_two import StageTwo
from rules.store import Store
from rules.versions import CaseVersion
from tests.parts.case_keys import a_ring

PAUSED = world({"use_gate": {"status": "paused"}})
WAIVED = world(
    {
        "use_gate": {"status": "paused"},
        "provenance": {"waivers": [{"clause": "R0", "until": "2026-10-30", "reason": "A trial.", "by": "the board"}]},
    }
)
NOON = datetime(2026, 10, 14, 18, 0, tzinfo=UTC)


def rulebook(where: World) -> Rulebook:
    return Rulebook(
        agreements=where.agreements, register=where.register, parties=where.parties, network=where.network,
        locations=None,
    )  # fmt: skip


def task(state: dict[bytes, bytes] | None = None) -> StageTwo:
    today = date(2026, 10, 14)
    return StageTwo(
        partition=0, topic="findings", rulebook=rulebook(PAUSED), today=today, state=state or {}, keys=a_ring()
    )


def record(finding: Finding, *, offset: int) -> Record:
    body = seal_finding(finding, case_id=case_of(finding), keys=a_ring())
    return Record(key=finding.agreement.encode(), value=body, partition=0, offset=offset, at=NOON)


def changed(one: Record, **changes: Any) -> Record:
    """Return a record like *one*, but for the changes."""
    names = ("key", "value", "headers", "partition", "offset", "at")
    return Record(**({name: getattr(one, name) for name in names} | changes))


def coverage(partition: str, *, flows: int, offset: int) -> Record:
    told = Coverage()
    told.total.flows = flows
    body = json.dumps({"coverage": told.as_state(), "last_day": "2026-10-14"}).encode()
    headers = {"kind": b"coverage"}
    return Record(key=partition.encode(), value=body, headers=headers, partition=0, offset=offset, at=NOON)


def findings() -> list[Finding]:
    engine = PAUSED.engine()
    for number, changes in enumerate(each(4)):
        engine.judge(event(changes, number=number))
    return [finding for finding in engine.drain() if finding.rule == "use-paused"]


RECORDS = [record(one, offset=number) for number, one in enumerate(findings())]


def take(stage: StageTwo, records: list[Record], *, state: dict[bytes, bytes] | None = None) -> CasePortion:
    portion = stage.take(records)
    if state is not None:
        state.update({key: body for key, body in portion.state.items() if body is not None})
    stage.committed(portion)
    return portion


def test_the_cases_are_those_of_all_findings_at_once() -> None:
    portion = take(task(), RECORDS)
    expected = [asdict(case) for case in PAUSED.cases(findings()).report()]
    assert [json.loads(row.body) for row in portion.rows] == json.loads(json.dumps(expected))
    assert [(out.topic, out.key) for out in portion.outputs] == [("cases", row.id.encode()) for row in portion.rows]
    assert [case.rule for case in portion.opened] == ["use-paused"]


def test_a_change_makes_the_next_version_and_a_repeat_makes_none() -> None:
    stage = task()
    take(stage, RECORDS[:3])
    (row,) = take(stage, RECORDS[3:]).rows
    assert row.version == 2
    again = take(stage, [changed(one, offset=one.offset + 10) for one in RECORDS])
    assert again.rows == ()
    assert again.opened == ()


def test_a_portion_that_was_not_committed_is_the_same_when_it_comes_again() -> None:
    stage = task()
    assert stage.take(RECORDS) == stage.take(RECORDS)
    assert stage.everything().rows == ()


def test_a_task_restored_from_its_state_goes_on_with_the_versions() -> None:
    state: dict[bytes, bytes] = {}
    steady = task()
    for stage in (steady, task()):
        take(stage, RECORDS[:3], state=state)
    heir = task(state)
    assert heir.everything() == steady.everything()
    assert take(heir, RECORDS[3:]) == take(steady, RECORDS[3:])


def test_findings_of_a_release_before_are_read_and_kept_sealed() -> None:
    plain = [changed(one, value=msgspec.json.encode(found)) for one, found in zip(RECORDS, findings(), strict=True)]
    state: dict[bytes, bytes] = {}
    assert take(task(), plain, state=state).rows == take(task(), RECORDS).rows
    kept = {b"finding/" + found.id.encode(): msgspec.json.encode(found) for found in findings()}
    portion = task(kept).take([])
    assert len(portion.rows) == 1
    for written in (state, portion.state):
        assert [key for key, body in written.items() if body is not None and b"mathlab.example" in body] == []


def test_another_rulebook_withdraws_what_it_no_longer_supports() -> None:
    stage = task()
    take(stage, RECORDS)
    stage.use(rulebook(WAIVED))
    portion = take(stage, [])
    (row,) = portion.rows
    assert (row.state, row.version) == ("withdrawn", 2)
    (waived,) = [part for part in portion.parts if part.name == "waived/0"]
    assert "paused" not in waived.body
    told = open_rows(json.loads(waived.body), opener=partial(a_ring().open, kind="row"))
    assert [each["rule"] for each in told] == ["use-paused"]


@pytest.mark.parametrize(
    "bad",
    [
        changed(RECORDS[0], value=b"{"),
        changed(RECORDS[0], value=None),
        changed(RECORDS[0], key=b"somebody-else"),
        changed(RECORDS[0], headers={"kind": b"coverage"}),
        changed(RECORDS[0], headers={"kind": b"something"}),
    ],
)
def test_what_is_no_finding_becomes_a_dead_letter_and_the_rest_goes_on(bad: Record) -> None:
    portion = task().take([bad, *[changed(one, offset=one.offset + 1) for one in RECORDS]])
    assert portion.refused == ("not_a_finding",)
    assert len(portion.rows) == 1


def test_coverage_of_the_partitions_is_added_up_and_the_newest_of_each_counts() -> None:
    stage, state = task(), dict[bytes, bytes]()
    take(stage, [coverage("0", flows=5, offset=0), coverage("1", flows=7, offset=1)], state=state)
    take(stage, [coverage("0", flows=6, offset=2)], state=state)
    for each_task in (stage, task(state)):
        (frame,) = [part for part in each_task.everything().parts if part.name == "frame"]
        assert json.loads(frame.body)["coverage"]["flows"] == 13
        assert frame.version == 2


def test_the_store_keeps_the_highest_version_whoever_comes_last(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/cases.db")
    new = CaseVersion(id="a", version=2, state="open", body='{"id":"a"}')
    store.keep([new], parts=())
    store.keep([CaseVersion(id="a", version=1, state="open", body="{}")], parts=())
    assert store.cases()["a"].body == b'{"id":"a"}'
    store.close()


def test_several_programs_may_start_at_once_on_a_new_store(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for round_ in range(5):
            address = f"sqlite:///{tmp_path}/{round_}.db"
            for store in list(pool.map(Store, [address] * 8)):
                assert store.cases() == {}
                store.close()


def test_the_stored_report_is_put_together_from_its_parts(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/cases.db")
    stage = task()
    portion = take(stage, [*RECORDS, coverage("0", flows=4, offset=9)])
    store.keep(portion.rows, parts=portion.parts)
    report = stored_report(store)
    assert [case["rule"] for case in report["cases"]] == ["use-paused"]
    assert report["coverage"]["flows"] == 4
    assert report["waived"] == []
    assert [row["id"] for row in report["agreements"]] == ["mathlab"]
    store.close()
