"""Every check tells its own examples right, and says so in words fit for a privacy officer."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from rules.checks.base import Maturity
from rules.checks.example import event
from rules.findings import RULES
from rules.rehearsal import world
from rules.sightings import Sightings

if TYPE_CHECKING:
    from rules.checks.base import Check, Example

CHECKS = world().checks
STORIES = [
    pytest.param(check, example, id=f"{check.id}: {example.title}") for check in CHECKS for example in check.examples
]


@pytest.mark.parametrize(("check", "example"), STORIES)
def test_an_example_opens_a_case_exactly_when_it_says_so(check: Check, example: Example) -> None:
    report = world(example.agreement).play(example.events).report()
    assert (check.id in {case.rule for case in report}) is example.opens


@pytest.mark.parametrize(("check", "example"), STORIES)
def test_no_sentence_of_a_case_names_a_device_or_blames(check: Check, example: Example) -> None:
    for case in world(example.agreement).play(example.events).report():
        for sentence in (case.summary, case.agreement_says, case.cannot_see):
            assert sentence.endswith(".")
            assert "d1" not in sentence.split()
            assert not {"violates", "illegal", "breach", "guilty"} & set(sentence.lower().split())
        assert "appear" in case.summary
        assert check.maturity in get_args(Maturity)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_check_has_a_true_and_a_false_example(check: Check) -> None:
    assert {example.opens for example in check.examples} == {True, False}


def test_every_case_speaks_to_a_clause_of_its_check() -> None:
    clauses = {check.id: check.clauses for check in CHECKS}
    for check in CHECKS:
        for example in check.examples:
            for case in world(example.agreement).play(example.events).report():
                assert case.clause in clauses[case.rule]


def test_each_rule_of_the_contract_is_judged_by_at_most_one_check() -> None:
    ids = [check.id for check in CHECKS]
    assert len(ids) == len(set(ids))
    assert set(ids) <= set(RULES)


def test_the_example_agreement_alone_opens_no_case_for_ordinary_use() -> None:
    use = [{"device": f"d{n}", "group": group} for n in range(9) for group in ("k-5", "6-8", "staff")]
    assert world().play(use).report() == []


def test_no_check_says_anything_of_flows_outside_its_scope() -> None:
    silent = 0
    for example in (example for check in CHECKS for example in check.examples):
        there = world(example.agreement)
        sightings = Sightings(register=there.register, parties=there.parties, network=there.network)
        for number, changes in enumerate(example.events):
            flow = event(changes, number=number)
            started = sightings.started(flow)
            sighting = sightings.sighting(flow, started=started, place=sightings.place(flow, day=started.date()))
            if sighting is None:
                continue
            for check in there.checks:
                if check.scope == "edges" or (check.scope == "own" and sighting.product is None):
                    assert list(check.observe(sighting)) == []
                    silent += 1
    assert silent
