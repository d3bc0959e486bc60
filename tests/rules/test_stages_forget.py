"""A case is forgotten between the stages: what was sealed with its key is passed over, and what comes later counts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from collector.encoding import encode
from rules.case_keys import MATTER
from rules.checks.example import among_others, each, event, lessons
from rules.key_ring import NEVER, KeyRing
from rules.metrics import RulesMetrics
from rules.records import Record
from rules.rehearsal import world
from rules.service import EmbeddedService
from rules.stage_one import StageOne
from rules.stage_two import StageTwo
from rules.store import Store
from rules.store.forgetting import forget
from tests.parts.case_keys import MemoryKeys, a_ring
from tests.rules.stages_for_tests import Stages, events

PAUSED = world({"use_gate": {"status": "paused"}})
NOON = datetime(2026, 10, 14, 18, 0, tzinfo=UTC)
UNTIL = "2026-10-14T20:00:00.000000Z"


class Judged:
    """Both stages over one example, with keys that can be destroyed."""

    def __init__(self) -> None:
        self.keys = MemoryKeys()
        self.rings: list[KeyRing] = []
        self.state: dict[bytes, bytes] = {}
        self.cases: dict[bytes, bytes] = {}
        self.one, self.two = self.stage_one(), self.stage_two()
        self.number = self.told = 0

    def ring(self) -> KeyRing:
        self.rings.append(a_ring(self.keys))
        return self.rings[-1]

    def stage_one(self) -> StageOne:
        return StageOne(
            partition=0, topic="flows", rulebook=PAUSED.rulebook, state=dict(self.state), make_key=lambda: bytes(32),
            keys=self.ring(),
        )  # fmt: skip

    def stage_two(self) -> StageTwo:
        return StageTwo(
            partition=0, topic="findings", rulebook=PAUSED.rulebook, today=NOON.date(), state=dict(self.cases),
            keys=self.ring(),
        )  # fmt: skip

    def restart(self) -> None:
        """Make both anew from their state."""
        self.one, self.two = self.stage_one(), self.stage_two()

    def see(self, devices: int, **changes: Any) -> Any:
        """Judge as many devices, and return what stage two makes of it."""
        records = []
        for changed in each(devices, **changes):
            told = event(changed, number=self.number)
            key = (told.device or "").encode()
            records.append(Record(key=key, value=encode(told), headers={}, partition=0, offset=self.number, at=NOON))
            self.number += 1
        self.judged = self.one.take(records)
        keep(self.judged, self.state)
        self.one.committed(self.judged)
        return self.conclude(self.judged.outputs)

    def conclude(self, outputs: Any = ()) -> Any:
        found = [out for out in outputs if out.topic == "findings" and not out.headers]
        portion = self.two.take(
            Record(key=out.key, value=out.value, headers={}, partition=0, offset=self.told + at, at=NOON)
            for at, out in enumerate(found)
        )
        self.told += len(found)
        keep(portion, self.cases)
        self.two.committed(portion)
        return portion

    def forget(self, case_id: str) -> None:
        self.keys.forget(case_id, until=UNTIL)
        for ring in self.rings:
            ring.refresh()


def keep(portion: Any, state: dict[bytes, bytes]) -> None:
    """Do what a state topic does, compacted."""
    for key, body in portion.state.items():
        if body is None:
            state.pop(key, None)
        else:
            state[key] = body


def only(rows: Any, rule: str = "use-paused") -> Any:
    """Return the one case of a rule."""
    (row,) = [row for row in rows if json.loads(row.body)["rule"] == rule]
    return row


def test_a_task_says_that_a_case_was_forgotten_and_keeps_nothing_of_it() -> None:
    judged = Judged()
    row = only(judged.see(4).rows)
    held = [key for key in judged.cases if key.startswith(b"finding/")]
    judged.forget(row.id)
    assert judged.two.waits(0.0)
    portion = judged.conclude()
    told = {each.id: each for each in portion.rows}
    assert (told[row.id].state, told[row.id].version, told[row.id].body) == ("forgotten", 2, "")
    assert row.id.encode() in {out.key for out in portion.outputs}
    assert len([key for key in judged.cases if key.startswith(b"finding/")]) == len(held) - 4
    assert not judged.two.waits(0.0)
    assert judged.conclude().rows == ()


def test_what_was_seen_before_comes_again_and_counts_no_more_after_restarts_too() -> None:
    judged = Judged()
    row = only(judged.see(4).rows)
    old = judged.judged
    judged.forget(row.id)
    judged.conclude()
    for _ in range(2):
        assert row.id not in {each.id for each in judged.see(4).rows if each.state == "open"}
        assert judged.judged.forgotten >= 4
        again = judged.conclude(old.outputs)
        assert (again.forgotten, [each.id for each in again.rows if each.state == "open"]) == (4, [])
        assert again.refused == ()
        judged.restart()


def test_what_is_seen_later_opens_the_case_anew_under_the_next_version() -> None:
    judged = Judged()
    row = only(judged.see(4).rows)
    judged.forget(row.id)
    judged.conclude()
    at = datetime.fromisoformat(UNTIL) + timedelta(minutes=5)
    times = {"started_at": at.isoformat(), "ended_at": (at + timedelta(seconds=9)).isoformat()}
    portion = judged.see(4, **times)
    again = only(portion.rows)
    case = json.loads(again.body)
    assert (again.id, again.version, case["devices"], case["flows"]) == (row.id, 3, 4, 4)
    assert datetime.fromisoformat(case["first_seen"]) == at
    assert [each.id for each in portion.opened].count(row.id) == 1
    judged.restart()
    assert only(judged.two.everything().rows).version == 3


def test_state_that_another_stores_keys_sealed_is_passed_over_by_a_store_without_them(store_address: str) -> None:
    """A store that was lost, or restored without its file of keys, beside topics that were not."""
    judged = Judged()
    assert judged.see(4).rows
    judged.keys = MemoryKeys()
    judged.restart()
    everything = judged.two.everything()
    assert {row.body for row in everything.rows} == {""}
    store = Store(store_address)
    store.keep(everything.rows, parts=everything.parts)
    assert list(store.open_cases()) == []
    store.close()


def test_a_ring_bounds_what_it_asks_and_learns_what_others_forgot() -> None:
    keys = MemoryKeys()
    ring, other = a_ring(keys), a_ring(keys)
    sealed = ring.seal("c1", b"text", kind="case")
    assert other.open("c1", sealed, kind="case") == b"text"
    assert other.open("c1", sealed, kind="finding") is None
    assert other.open("c2", sealed, kind="case") is None
    keys.forget("c1", until=UNTIL)
    # Until it asks, it does not know.
    assert (other.open("c1", sealed, kind="case"), other.until("c1")) == (b"text", NEVER)
    assert other.refresh() == {"c1"}
    assert (other.open("c1", sealed, kind="case"), other.until("c1")) == (None, datetime.fromisoformat(UNTIL))
    assert (other.revision, other.since(0), other.since(1), other.refresh()) == (
        1,
        frozenset({"c1"}),
        frozenset(),
        frozenset(),
    )
    assert other.open("c1", other.seal("c1", b"new", kind="case"), kind="case") == b"new"
    assert other.forgotten == 3


def test_what_attribution_found_goes_with_the_last_case_about_product_and_party() -> None:
    stages = Stages(world({}))
    stages.send(events(among_others(lessons("app.mathlab.example", brings=("t.adco.example",)))))
    stages.settle()
    about = {case["id"] for case in stages.cases() if case["subject"] == "adco.example"}
    assert about
    assert stages.edges()
    last = max(each.last_seen for edge in stages.edges() for each in edge.exposures)
    matters = {key.case_id for key in stages.keys.live_keys() if key.case_id.startswith(MATTER)}
    gone = [stages.keys.forget(each, until=last.isoformat()) for each in sorted(about | matters)]
    for task in stages.tasks:
        task.core._keys.refresh()
    stages.settle()
    assert stages.edges() == ()
    assert [case for case in stages.cases() if case["subject"] == "adco.example"] == []
    assert all(gone)
    kept = [body for task in stages.tasks for key, body in task.state.items() if not key.startswith(b"co")]
    assert [body for body in kept if b"adco" in body] == []
    stages.restart()
    stages.settle()
    assert stages.edges() == ()


def test_the_embedded_service_lets_go_of_what_another_process_forgot(store_address: str) -> None:
    store, desk = Store(store_address), Store(store_address)
    metrics = RulesMetrics(CollectorRegistry(), rules=("use-paused",), version="1", compiled=False)

    def service() -> EmbeddedService:
        return EmbeddedService(
            store=store, rulebook=PAUSED.rulebook, token_key=lambda _day: bytes(32), today=NOON.date(), metrics=metrics
        )

    running = service()
    running.judge(event(changes, number=number) for number, changes in enumerate(each(4)))
    running.commit(None)
    (case,) = (key for key, row in store.cases().items() if json.loads(row.body)["rule"] == "use-paused")
    purge = forget(desk, [case], by="officer", reason="Because.")
    for start, again in ((100, running), (200, service())):
        again.judge(event(changes, number=start + number) for number, changes in enumerate(each(4)))
        again.commit(None)
        assert store.case(case) is None
    later = datetime.fromisoformat(purge.cases[0].until) + timedelta(minutes=1)
    times = {"started_at": later.isoformat(), "ended_at": later.isoformat()}
    again.judge(event(changes, number=300 + number) for number, changes in enumerate(each(4, **times)))
    again.commit(None)
    row = store.case(case)
    assert row is not None
    assert (json.loads(row.body)["flows"], row.version) == (4, 2)
    store.close()
    desk.close()
