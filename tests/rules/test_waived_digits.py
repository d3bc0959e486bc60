"""What a waiver hides says the same to the last digit when its days are closed: in the service and in stage two."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from rules.checks.example import SCHOOL_DAY, among_others, lessons
from rules.findings import RULES, WaivedCase
from rules.metrics import RulesMetrics
from rules.rehearsal import world
from rules.service import EmbeddedService, stored_report
from rules.store import Position, Store
from rules.waived_digits import DIGITS, WaivedDigits, shown
from tests.rules.stages_for_tests import BROKER_TIME, Stages, events

WAIVERS = [
    {"clause": clause, "domain": "adco.example", "reason": "Removal is promised.", "until": "2026-12-31", "by": "board"}
    for clause in ("6c", "6d")
]
WHERE = world({"provenance": {"waivers": WAIVERS}})
FLOWS = sorted(
    events(among_others(lessons("app.mathlab.example", brings=("t.adco.example",)))), key=lambda each: each.started_at
)


def service(store: Store) -> EmbeddedService:
    return EmbeddedService(
        store=store, rulebook=WHERE.rulebook, token_key=lambda _day: bytes(32), today=date.fromisoformat(SCHOOL_DAY),
        metrics=RulesMetrics(CollectorRegistry(), rules=RULES, version="1", compiled=False),
    )  # fmt: skip


def test_the_service_reports_a_waived_case_as_before_when_its_days_are_closed_and_after_restarts(
    tmp_path: Path,
) -> None:
    store = Store(f"sqlite:///{tmp_path / 'cases.db'}")
    running = service(store)
    running.judge(FLOWS)
    running.commit(Position(sha256="a" * 64, name="days.pcap", events=1, finished=True))
    before = stored_report(store)["waived"]
    assert {row["subject"] for row in before} == {"adco.example"}
    running.close_before(date.max)
    running.commit(None)
    assert stored_report(store)["waived"] == before
    for _ in range(2):
        again = service(store)
        # What is left says less by itself.
        concluded = again._judgement.cases.waived()
        assert [each.flows for each in concluded] != [row["flows"] for row in before]
        again.commit(None)
        assert stored_report(store)["waived"] == before
    store.close()


def told(stages: Stages) -> list[dict[str, Any]]:
    return [row for task in stages.by_agreement for row in shown(task.core._waived.rows(task.core._cases.waived()))]


def test_stage_two_reports_a_waived_case_as_before_when_its_days_are_closed_and_after_restarts() -> None:
    stages = Stages(WHERE)
    stages.send(FLOWS)
    stages.settle()
    before = told(stages)
    assert {row["subject"] for row in before} == {"adco.example"}
    stages.mark("2026-10-17T12:00:00Z", at=BROKER_TIME + timedelta(hours=80))
    stages.settle()
    concluded = [each.flows for task in stages.by_agreement for each in task.core._cases.waived()]
    assert concluded != [row["flows"] for row in before]
    assert told(stages) == before
    stages.restart()
    stages.settle()
    assert told(stages) == before


def test_nothing_is_kept_of_a_waived_case_that_is_there_no_more_or_was_forgotten() -> None:
    was = WaivedCase(agreement="a", rule="use-paused", clause="2a", subject="a.example", devices=3, flows=414)
    now = WaivedCase(agreement="a", rule="use-paused", clause="2a", subject="a.example", devices=3, flows=376)
    digits = WaivedDigits(())
    digits.note([was], after=[now])
    (row,) = digits.rows([now])
    assert (row["flows"], row[DIGITS]) == (414, {"flows": 38})
    assert shown([row]) == [asdict(was)]
    assert WaivedDigits([row]).over([now]) == [was]
    assert digits.rows([]) == []
    assert digits.over([now]) == [now]
