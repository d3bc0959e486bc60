"""What other agreements would have said: opened, gone, changed field by field, and nothing left out."""

from __future__ import annotations

import io
import json
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from rules.checks.example import each, event
from rules.comparison import compare, differing
from rules.comparison_view import show_comparison
from rules.rehearsal import World, world
from rules.report import build_report

CHICAGO = ZoneInfo("America/Chicago")
USE = each(6, group="k-5")


def report_of(district: World, *, events: tuple[Any, ...] = USE) -> dict[str, Any]:
    engine = district.engine()
    for number, fields in enumerate(events):
        engine.judge(event(fields, number=number))
    assert engine.last_day is not None
    made = build_report(
        cases=district.cases(engine.drain()),
        coverage=engine.coverage,
        agreements=district.agreements,
        on=engine.last_day,
    )
    plain: dict[str, Any] = json.loads(json.dumps(made))
    return plain


def shown(told: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=200)
    show_comparison(told, console, zone=CHICAGO)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_same_agreements_change_nothing() -> None:
    report = report_of(world({"use_gate": {"status": "paused"}}))
    told = compare(report, report, against="new")
    assert told == {
        "v": 1, "against": "new", "only_here": [], "only_there": [], "changed": [], "unchanged": 1, "clauses": [],
        "errors": [],
    }  # fmt: skip
    assert "0 opened, 0 gone, 0 changed, 1 unchanged" in shown(told)


def test_a_case_that_the_others_open_and_one_that_they_drop_are_told_apart() -> None:
    paused = report_of(world({"use_gate": {"status": "paused"}}))
    silent = report_of(world({"data.retention_days_after_end": None}))
    told = compare(paused, silent, against="new")
    assert [case["rule"] for case in told["only_here"]] == ["use-paused"]
    assert [case["rule"] for case in told["only_there"]] == ["under-13-not-covered"]
    assert told["changed"] == []
    assert told["unchanged"] == 0
    assert {(row["clause"], row["before"], row["after"]) for row in told["clauses"]} == {
        ("R0", "not_met", "met"),
        ("6f", "met", "not_stated"),
    }
    text = shown(told)
    assert "opened" in text
    assert "gone" in text
    assert "not met" in text


def test_a_changed_case_names_every_field_that_differs_the_wording_among_them() -> None:
    paused = report_of(world({"use_gate": {"status": "paused"}}))
    prohibited = report_of(world({"use_gate": {"status": "prohibited"}}))
    (change,) = compare(paused, prohibited, against="new")["changed"]
    assert change["fields"] == ["severity", "summary", "agreement_says"]
    assert change["before"]["severity"] == "warning"
    assert change["after"]["severity"] == "critical"
    assert change["id"] == change["before"]["id"] == change["after"]["id"]
    assert "warning\n" in shown(compare(paused, prohibited, against="new")).replace("  ", "").replace(" \n", "\n")


def test_counts_that_differ_are_a_change_and_small_ones_are_not_told_to_people() -> None:
    pilot = {"status": "pilot", "allowed_groups": ["staff"]}
    wider = {"status": "pilot", "allowed_groups": ["staff", "6-8"]}
    events = (*each(9, group="6-8"), *each(4, group="k-5"))
    before = report_of(world({"use_gate": pilot}), events=events)
    after = report_of(world({"use_gate": wider}), events=events)
    (change,) = compare(before, after, against="new")["changed"]
    assert {"devices", "groups", "flows"} <= set(change["fields"])
    assert (change["before"]["devices"], change["after"]["devices"]) == (9, 4)
    text = shown(compare(before, after, against="new"))
    assert "fewer than 5 device-days" in text
    assert "4 device-days" not in text


def test_an_agreement_that_only_one_set_has_shows_in_its_clauses() -> None:
    one = report_of(world())
    two = report_of(world({}, {"id": "other", "domains": [{"match": "other.example"}]}))
    told = compare(one, two, against="new")
    assert len(told["clauses"]) == 14
    assert {row["agreement"] for row in told["clauses"]} == {"other"}
    assert {row["before"] for row in told["clauses"]} == {None}
    assert {row["after"] for row in compare(two, one, against="old")["clauses"]} == {None}
    assert "no such agreement" in shown(told)


def test_a_field_that_one_report_lacks_differs() -> None:
    assert differing({"a": 1, "b": None}, {"a": 1}) == ["b"]
    assert differing({"a": 1}, {"a": 1, "c": 2}) == ["c"]
    assert differing({"a": [1]}, {"a": [1]}) == []


def test_a_hostile_name_cannot_steer_the_terminal() -> None:
    report = report_of(world({"use_gate": {"status": "paused"}}))
    evil = {**report["cases"][0], "id": "x", "subject": "\x1b[2Jevil.example", "summary": "[bold]\r\x1b]0;evil"}
    told = compare({**report, "cases": []}, {**report, "cases": [evil]}, against="\x1b[2Jfolder")
    text = shown(told)
    assert "\x1b" not in text
    assert "\r" not in text
    assert "[bold]" in text
