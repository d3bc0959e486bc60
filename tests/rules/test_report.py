"""The report as data: the contract's fields, and nothing that JSON cannot say."""

from __future__ import annotations

import json
from typing import Any

from rules.checks.example import each, event
from rules.rehearsal import world
from rules.report import build_report


def reported(*events: dict[str, object], **changes: object) -> dict[str, Any]:
    """Return the report on some events."""
    district = world(changes)
    engine = district.engine()
    for number, fields in enumerate(events):
        engine.judge(event(fields, number=number))
    assert engine.last_day is not None
    return build_report(
        cases=district.cases(engine.drain()),
        coverage=engine.coverage,
        agreements=district.agreements,
        on=engine.last_day,
        duplicates=engine.duplicates,
    )


def test_a_report_holds_the_parts_of_the_contract() -> None:
    report = reported(*(dict(changes) for changes in each(3)), use_gate={"status": "paused"})
    assert report["v"] == 1
    assert [case["rule"] for case in report["cases"]] == ["use-paused"]
    assert report["coverage"]["flows"] == 3
    assert report["coverage"]["shared_devices"] is None
    assert report["errors"] == []
    assert report["duplicates"] == 0
    assert report["waived"] == []
    assert json.loads(json.dumps(report))["cases"][0]["schools"] == ["north-es"]


def test_every_agreement_is_there_with_the_state_of_every_clause_used_or_not() -> None:
    (agreement,) = reported({"server_name": "news.example"})["agreements"]
    assert agreement["id"] == "mathlab"
    assert set(agreement["clauses"]) == {
        "R0", "R1", "R2", "R3", "R4", "R5", "R6", "6a", "6b", "6c", "6d", "6e", "6f", "6g",
    }  # fmt: skip
    assert set(agreement["clauses"].values()) <= {"met", "not_met", "not_stated", "not_applicable"}


def test_waived_cases_are_listed_apart() -> None:
    waiver = {"clause": "R0", "reason": "Exam week.", "until": "2026-12-31", "by": "superintendent"}
    report = reported(
        *(dict(changes) for changes in each(3)), use_gate={"status": "paused"}, provenance={"waivers": [waiver]}
    )
    assert report["cases"] == []
    assert report["waived"] == [
        {
            "agreement": "mathlab",
            "rule": "use-paused",
            "clause": "R0",
            "subject": "mathlab.example",
            "devices": 3,
            "flows": 3,
        }
    ]
