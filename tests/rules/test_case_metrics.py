"""Open cases and clause states as Prometheus reads them: from the store, whoever closed a case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from rules.case_metrics import CaseMetrics, stored_clauses
from rules.life_cycle import Act
from rules.store import Store
from tests.rules.told_cases import Cases

CLAUSES = {"mathtrek": {"6a": "not_stated", "6d": "met"}}
RULES = ("undeclared-third-party", "use-paused")


@pytest.fixture
def cases(tmp_path: Path) -> Cases:
    return Cases(Store(f"sqlite:///{tmp_path}/cases.db"))


def registered(store: Store | None) -> CollectorRegistry:
    registry = CollectorRegistry()
    CaseMetrics(registry, rules=RULES, store=store, clauses=lambda: CLAUSES)
    return registry


def open_now(registry: CollectorRegistry, *, agreement: str = "mathtrek", severity: str = "critical") -> float | None:
    labels = {"agreement": agreement, "rule": "undeclared-third-party", "severity": severity}
    return registry.get_sample_value("schoolgate_open_cases", labels)


def test_every_series_is_there_from_the_start_at_0(cases: Cases) -> None:
    for registry in (registered(None), registered(cases.store)):
        assert open_now(registry) == open_now(registry, agreement="", severity="info") == 0
        clause = {"agreement": "mathtrek", "clause": "6d"}
        assert registry.get_sample_value("schoolgate_agreement_clause_state", {**clause, "state": "met"}) == 1
        assert registry.get_sample_value("schoolgate_agreement_clause_state", {**clause, "state": "not_met"}) == 0


def test_a_case_that_a_person_closed_counts_no_more_and_its_series_stays(cases: Cases) -> None:
    registry = registered(cases.store)
    cases.keep("a")
    cases.keep("b")
    cases.keep("gone", agreement="unknown")
    assert open_now(registry) == 2
    cases.store.act("a", act="closed", by="officer", text="Declared.")
    assert open_now(registry) == 1
    cases.keep("b", severity="info")
    cases.keep("gone", agreement="unknown", state="withdrawn")
    assert open_now(registry) == 0
    assert open_now(registry, severity="info") == 1
    # Of an agreement that nobody declares any more too.
    assert open_now(registry, agreement="unknown") == 0


def test_a_case_counts_until_it_is_ended_and_again_when_it_returns(cases: Cases) -> None:
    registry = registered(cases.store)
    cases.keep("a")
    acts: tuple[tuple[Act, int], ...] = (
        ("acknowledged", 1), ("asked", 1), ("breach", 1), ("reopened", 1), ("declared", 0), ("reopened", 1),
        ("fixed", 0), ("reopened", 1), ("disputed", 0),
    )  # fmt: skip
    for act, count in acts:
        reason = "test_traffic" if act == "disputed" else None
        cases.store.act("a", act=act, by="officer", text="Because.", reason=reason)
        assert open_now(registry) == count, act
    cases.keep("a", devices=81)
    assert open_now(registry) == 0
    cases.keep("a", devices=82)
    assert open_now(registry) == 1


def test_a_store_that_is_away_leaves_the_last_figures(cases: Cases) -> None:
    registry = registered(cases.store)
    cases.keep("a")
    assert open_now(registry) == 1
    with cases.store.database.writing() as connection:
        connection.execute(text("ALTER TABLE case_log_head RENAME TO away"))
    assert open_now(registry) == 1


def test_clause_states_of_a_store_are_those_of_its_report(cases: Cases) -> None:
    assert stored_clauses(cases.store) == {}
    report = {"v": 1, "agreements": [{"id": "mathtrek", "clauses": CLAUSES["mathtrek"]}]}
    cases.store.commit(findings={}, cases=[], state={"report": json.dumps(report).encode()}, position=None)
    assert stored_clauses(cases.store) == CLAUSES
