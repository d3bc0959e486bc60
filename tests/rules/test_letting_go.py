"""Evidence that is gone withdraws no case and makes none smaller: in the embedded service and in stage two."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from rules.case_portion import CasePortion
from rules.checks.example import SCHOOL_DAY, among_others, event, lessons
from rules.contact_book import CONTACTS, COUNTED
from rules.findings import RULES
from rules.kept_sums import FINDING_KEYS
from rules.metrics import RulesMetrics
from rules.rehearsal import world
from rules.retention import FINDING_DAYS, Policy
from rules.service import EmbeddedService
from rules.stage_two import DAYS_KEY, StageTwo
from rules.store import Position, Store
from rules.store.backup import back_up, restore
from rules.store.retention import purge
from rules.versions import OPEN
from tests.parts.case_keys import a_ring
from tests.rules.test_stage_two import NOON, PAUSED, RECORDS, changed, rulebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.events import FlowEvent

BROUGHT = lessons("app.mathlab.example", brings=("t.adco.example",))
POLICY = Policy()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path / 'cases.db'}", clock=lambda: NOON)
    yield made
    made.close()


def service(store: Store) -> EmbeddedService:
    return EmbeddedService(
        store=store, rulebook=world({"use_gate": {"status": "paused"}}).rulebook, token_key=lambda _day: bytes(32),
        today=date.fromisoformat(SCHOOL_DAY),
        metrics=RulesMetrics(CollectorRegistry(), rules=RULES, version="1", compiled=False),
    )  # fmt: skip


def events() -> list[FlowEvent]:
    """Return three days of a class that meets an advertising company with each visit of a paused product."""
    told = [event(changes, number=number) for number, changes in enumerate(among_others(BROUGHT))]
    return sorted(told, key=lambda each: each.started_at)


def said(store: Store) -> dict[str, tuple[str, Any]]:
    """Return how every case stands, and what it says."""
    return {key: (row.state, json.loads(row.body)) for key, row in store.cases().items()}


def test_who_restores_a_backup_finds_the_cases_as_they_stood_though_no_device_of_an_open_day_comes_back(
    store: Store, tmp_path: Path
) -> None:
    running = service(store)
    running.judge(events()[:-20])
    running.commit(Position(sha256="a" * 64, name="days.pcap", events=1, finished=False))
    before = said(store)
    back_up(store, tmp_path / "backup", keys=tmp_path / "keys")
    again = Store(f"sqlite:///{tmp_path / 'again.db'}")
    restore(again, tmp_path / "backup", keys=tmp_path / "keys")
    for _ in range(2):
        service(again).commit(None)
        assert said(again) == before
        purge(again, policy=POLICY, now=NOON)
    assert list(again.findings()) == []
    # And so does who restores what was restored, when the open day has been let go.
    back_up(again, tmp_path / "backup-2", keys=tmp_path / "keys")
    third = Store(f"sqlite:///{tmp_path / 'third.db'}")
    restore(third, tmp_path / "backup-2", keys=tmp_path / "keys")
    later = service(third)
    later.commit(None)
    assert said(third) == before
    later.judge(events()[-20:])
    later.commit(None)
    assert all(said(third)[key][0] == state for key, (state, _body) in before.items())
    assert list(third.findings())
    again.close()
    third.close()


def test_a_day_that_nobody_closed_withdraws_no_case_when_it_is_let_go(store: Store) -> None:
    running = service(store)
    running.judge(events())
    running.commit(Position(sha256="a" * 64, name="days.pcap", events=1, finished=True))
    before = {key: one for key, one in said(store).items() if one[1]["rule"] == "use-paused"}
    assert purge(store, policy=POLICY, now=datetime.now(UTC) + timedelta(hours=73)).removed["findings"]
    service(store).commit(None)
    assert {key: one for key, one in said(store).items() if one[1]["rule"] == "use-paused"} == before != {}


def test_a_day_that_is_let_go_leaves_the_cases_as_they_were_also_after_a_restart(store: Store) -> None:
    running = service(store)
    running.judge(events())
    running.commit(Position(sha256="a" * 64, name="days.pcap", events=1, finished=True))
    running.close_before(date.max)
    running.commit(None)
    before = said(store)
    rules = {body["rule"] for _state, body in before.values()}
    assert {"use-paused", "undeclared-third-party"} <= rules
    purge(store, policy=POLICY, now=NOON)
    found = purge(store, policy=POLICY, now=NOON + timedelta(days=FINDING_DAYS))
    assert found.removed["findings"]
    assert found.removed["counted"]
    running.let_go(found.days)
    changes = running.commit(None)
    assert (changes.opened, changes.withdrawn) == ((), ())
    assert (list(store.findings()), store.states(COUNTED), store.states(CONTACTS)) == ([], {}, {})
    assert said(store) == before
    again = service(store)
    assert again.commit(None).withdrawn == ()
    assert said(store) == before
    # New evidence counts again, and makes no case smaller than it was.
    again.judge(
        [event({**each, "device": f"new{number}"}, number=9_000 + number) for number, each in enumerate(BROUGHT)]
    )
    again.commit(Position(sha256="b" * 64, name="more.pcap", events=1, finished=True))
    for key, (state, body) in said(store).items():
        assert state == OPEN
        assert key not in before or body["devices"] >= before[key][1]["devices"]


def stage(state: dict[bytes, bytes]) -> StageTwo:
    return StageTwo(
        partition=0, topic="findings", rulebook=rulebook(PAUSED), today=date(2026, 10, 14), state=dict(state),
        keys=a_ring(),
    )  # fmt: skip


def keep(task: StageTwo, portion: CasePortion, state: dict[bytes, bytes]) -> None:
    """Write a portion down."""
    for key, body in portion.state.items():
        if body is None:
            state.pop(key, None)
        else:
            state[key] = body
    task.committed(portion)


def held(state: dict[bytes, bytes]) -> list[bytes]:
    return [key for key in state if key.startswith(FINDING_KEYS)]


def test_stage_two_lets_go_after_ninety_days_and_its_state_topic_with_it() -> None:
    state: dict[bytes, bytes] = {}
    task = stage(state)
    task.passed(NOON)
    first = task.take(RECORDS)
    keep(task, first, state)
    assert len(first.rows) == 1
    assert len(held(state)) == len(RECORDS)
    task = stage(state)
    task.passed(NOON + timedelta(days=FINDING_DAYS - 1))
    left = task.take([])
    assert left.opened == ()
    keep(task, left, state)
    # Closed long ago, for nobody ended their day: one stands for all of them.
    assert len(held(state)) == 1
    task.passed(NOON + timedelta(days=FINDING_DAYS))
    gone = task.take([])
    assert gone.rows == ()
    keep(task, gone, state)
    assert held(state) == []
    assert DAYS_KEY in state
    # A restart finds nothing that would support the case, and withdraws it all the same not.
    task = stage(state)
    assert task.take([]).rows == ()
    assert [row.state for row in task.everything().rows] == [OPEN]


def test_a_judge_whose_clock_was_years_ahead_keeps_nothing_for_years() -> None:
    state: dict[bytes, bytes] = {}
    task = stage(state)
    task.passed(NOON + timedelta(days=3650))
    keep(task, task.take(RECORDS), state)
    task = stage(state)
    for days in (0, FINDING_DAYS):
        assert held(state)
        task.passed(NOON + timedelta(days=days))
        keep(task, task.take([]), state)
    assert held(state) == []


def test_what_stage_two_let_go_halfway_is_let_go_again() -> None:
    state: dict[bytes, bytes] = {}
    task = stage(state)
    task.passed(NOON)
    keep(task, task.take(RECORDS), state)
    task.passed(NOON + timedelta(days=FINDING_DAYS))
    task.take([])
    # Its transaction failed: whoever has the partition next begins with the state as it was.
    task = stage(state)
    task.passed(NOON + timedelta(days=FINDING_DAYS))
    keep(task, task.take([]), state)
    assert held(state) == []


def test_evidence_of_a_day_that_comes_again_later_counts_from_then() -> None:
    state: dict[bytes, bytes] = {}
    task = stage(state)
    task.passed(NOON)
    keep(task, task.take(RECORDS), state)
    task.passed(NOON + timedelta(days=FINDING_DAYS))
    keep(task, task.take([changed(RECORDS[0], offset=len(RECORDS))]), state)
    assert len(held(state)) == 1
    task.passed(NOON + timedelta(days=2 * FINDING_DAYS - 1))
    keep(task, task.take([]), state)
    assert len(held(state)) == 1
    task.passed(NOON + timedelta(days=2 * FINDING_DAYS))
    keep(task, task.take([]), state)
    assert held(state) == []
