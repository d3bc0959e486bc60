"""Every clause has its row, every rule stands under each of its clauses, and every field named exists."""

from __future__ import annotations

import io
import json
import re
from dataclasses import fields, replace
from datetime import date
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from rich.console import Console

from rules.agreements.gaps import FIELDS, clause_states, gap_rows
from rules.agreements.model import Agreement
from rules.agreements.vocabulary import CLAUSES, Clause
from rules.checks.base import Need
from rules.checks.example import ABSENT
from rules.clause_table import UNSEEN, Supplied, clause_table, limits, state_counts, table_as_data
from rules.clause_view import show_clauses
from rules.rehearsal import world

CHECKS = world().checks
TODAY = date(2026, 10, 14)
ALL = Supplied(party_list=True, location_database=True, calendar=True, under_13_group=True)
FOURTEEN = ["R0", "R1", "R2", "R3", "R4", "R5", "R6", "6a", "6b", "6c", "6d", "6e", "6f", "6g"]


def exists(path: str) -> bool:
    """Return whether an agreement file has the field at a dotted path; lists are looked into."""
    model: Any = Agreement
    for step in path.split("."):
        inner = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        if step not in inner:
            return False
        model = model_in(inner[step])
    return True


def model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := model_in(part)) is not None), None)


def text_of(data: dict[str, Any], *, terminal: bool, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    show_clauses(data, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_clause_has_a_row_in_the_order_of_the_brief() -> None:
    rows = clause_table(CHECKS)
    assert [row.clause for row in rows] == FOURTEEN == list(get_args(Clause))
    assert set(UNSEEN) == set(FIELDS) == set(FOURTEEN)
    for row in rows:
        assert row.asks == CLAUSES[row.clause]
        assert row.fields
        assert row.cannot_see.endswith(".")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_rule_stands_under_each_of_its_clauses_and_no_other(check: Any) -> None:
    under = [row.clause for row in clause_table(CHECKS) if check.id in {rule.rule for rule in row.rules}]
    assert under == [clause for clause in FOURTEEN if clause in check.clauses]
    assert under


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_rule_says_what_it_reads_and_what_it_is_blind_to(check: Any) -> None:
    assert check.signal.endswith(".")
    assert check.blind_to.endswith(".")
    assert check.fields
    assert all(exists(field) for field in check.fields), check.fields
    assert set(check.needs) <= set(get_args(Need))


def test_every_clause_has_a_row_in_the_gap_report() -> None:
    assert [row.clause for row in gap_rows(world().agreements[0], on=TODAY)] == FOURTEEN


def test_every_field_behind_a_clause_state_exists_in_the_agreement_file() -> None:
    assert all(exists(field) for named in FIELDS.values() for field in named)
    assert not exists("data.nothing")


@pytest.mark.parametrize("clause", FOURTEEN)
def test_the_gap_report_names_no_field_that_the_table_leaves_out(clause: Clause) -> None:
    sections = ("improvement", "interests", "oversight", "prohibited", "reviews")
    bare = {**dict.fromkeys(sections, ABSENT), "data": {"categories": []}}
    for changes in ({}, bare, {"agreement.kind": "none"}, {"use_gate": {"status": "prohibited"}}):
        state = clause_states(world(changes).agreements[0], on=TODAY)[clause]
        for named in re.findall(r"`([a-z_0-9.]+)`", state.why):
            known = FIELDS[clause]
            assert any(field.startswith(named) or named.startswith(field) for field in known), (named, known)


def test_rules_that_lack_something_are_named_with_what_to_do() -> None:
    assert limits(CHECKS, supplied=ALL) == ()
    lacking = limits(CHECKS, supplied=replace(ALL, location_database=False))
    assert [(limit.rule, limit.silent) for limit in lacking] == [("storage-country", True)]
    assert "--location" in lacking[0].why
    without_list = limits(CHECKS, supplied=replace(ALL, party_list=False))
    assert {"no-agreement", "cname-cloaked-third-party"} <= {limit.rule for limit in without_list}
    assert not any(limit.silent for limit in without_list)
    assert [limit.rule for limit in limits(CHECKS, supplied=replace(ALL, under_13_group=False)) if limit.silent] == [
        "under-13-not-covered"
    ]
    assert {limit.rule for limit in limits(CHECKS, supplied=replace(ALL, calendar=False))} == {"outside-hours"}


def test_what_a_rule_may_need_is_what_can_be_supplied() -> None:
    assert {field.name for field in fields(Supplied)} == set(get_args(Need))


def test_agreements_are_counted_by_clause_and_every_state_is_named() -> None:
    two = world({}, {"id": "abc", "domains": [{"match": "abc.example"}], "use_gate": {"status": "paused"}})
    counts = state_counts(two.agreements, on=TODAY)
    assert list(counts) == FOURTEEN
    assert counts["R0"] == {"met": 1, "not_met": 1, "not_stated": 0, "not_applicable": 0}
    assert all(sum(states.values()) == 2 for states in counts.values())


def test_the_table_is_plain_data() -> None:
    counts = state_counts(world().agreements, on=TODAY)
    lacking = limits(CHECKS, supplied=replace(ALL, location_database=False))
    data = table_as_data(clause_table(CHECKS), counts=counts, lacking=lacking, on=TODAY)
    read = json.loads(json.dumps(data))
    assert read["v"] == 1
    assert read["on"] == "2026-10-14"
    assert [row["clause"] for row in read["clauses"]] == FOURTEEN
    assert read["clauses"][0]["rules"][0]["rule"] == "use-paused"
    assert read["limits"][0]["rule"] == "storage-country"
    general = table_as_data(clause_table(CHECKS), counts=None, lacking=None, on=None)
    assert general["limits"] is None
    assert {row["agreements"] for row in general["clauses"]} == {None}


def test_people_see_every_clause_and_rule_piped_or_on_a_terminal() -> None:
    counts = state_counts(world().agreements, on=TODAY)
    lacking = limits(CHECKS, supplied=replace(ALL, location_database=False))
    data = table_as_data(clause_table(CHECKS), counts=counts, lacking=lacking, on=TODAY)
    piped = text_of(data, terminal=False)
    lines = piped.splitlines()
    for clause in FOURTEEN:
        assert any(line.startswith(f"{clause}: ") for line in lines)
    for check in CHECKS:
        assert piped.count(f"judged by {check.id}") == len(check.clauses)
    assert "│" not in piped
    assert "storage-country is silent" in piped
    assert "1 met" in piped
    on_terminal = text_of(data, terminal=True)
    assert "│" in on_terminal
    for word in (*FOURTEEN, *(check.id for check in CHECKS if len(check.id) < 20)):
        assert word in on_terminal
    assert "│" not in text_of(data, terminal=True, width=80)
    assert "agreements on" not in text_of(
        table_as_data(clause_table(CHECKS), counts=None, lacking=None, on=None), terminal=False
    )


def test_a_clause_without_a_rule_says_that_the_agreement_alone_answers() -> None:
    rows = {row.clause: row for row in clause_table(CHECKS)}
    assert rows["6b"].rules == rows["R1"].rules == ()
    assert "answered from the agreement alone" in text_of(
        table_as_data(clause_table(CHECKS), counts=None, lacking=None, on=None), terminal=False
    )
