"""Cases stand in one order, whether a report is made of findings in memory or read from the store."""

from __future__ import annotations

import json
from datetime import date
from itertools import product
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from rules.case_order import place_of
from rules.checks.example import each, event
from rules.findings import RULES
from rules.judgement import Judgement
from rules.metrics import RulesMetrics
from rules.rehearsal import TOKEN_KEY, world
from rules.service import EmbeddedService, stored_report
from rules.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from rules.findings import Severity

TODAY = date(2026, 10, 14)
NO_REVIEW = {"reviews": {"curriculum": {"status": "none"}, "pedagogy": {"status": "none"}}}
# Cases of every severity, one without an agreement, and two that differ in nothing but the clause.
DISTRICT = world(
    {**NO_REVIEW, "use_gate": {"status": "prohibited"}},
    {
        "id": "algebra", "vendor.legal_name": "Algebra Inc.", "agreement.expires": "2026-10-13",
        "domains": [{"match": "algebra.example"}],
    },
    {"id": "zoology", **NO_REVIEW, "vendor.legal_name": "Zoology Inc.", "domains": [{"match": "zoology.example"}]},
)  # fmt: skip
EVENTS = [
    event(changes, number=number)
    for number, changes in enumerate(
        change
        for host in ("app.mathlab.example", "app.algebra.example", "app.zoology.example", "app.fractions.example")
        for change in each(3, server_name=host)
    )
]


def test_the_stored_report_has_the_order_of_the_judged_one(tmp_path: Path) -> None:
    judged = Judgement(DISTRICT.rulebook, token_key=lambda _day: TOKEN_KEY, today=TODAY)
    judged.judge(EVENTS)
    want = json.loads(json.dumps(judged.report()["cases"]))
    assert {case["severity"] for case in want} == {"critical", "warning", "info"}
    assert None in {case["agreement"] for case in want}
    assert len({(case["agreement"], case["rule"], case["subject"]) for case in want}) < len(want)
    store = Store(f"sqlite:///{tmp_path / 'cases.db'}")
    service = EmbeddedService(
        store=store,
        rulebook=DISTRICT.rulebook,
        token_key=lambda _day: TOKEN_KEY,
        today=TODAY,
        metrics=RulesMetrics(CollectorRegistry(), rules=RULES, version="0", compiled=False),
    )
    # In portions, so that cases come into the store in another order.
    for part in (EVENTS[6:], EVENTS[:6]):
        service.judge(part)
        service.commit(None)
    assert stored_report(store)["cases"] == want
    store.close()


def test_the_worst_come_first_then_cases_without_an_agreement_and_each_has_a_place_of_its_own() -> None:
    severities: tuple[Severity, ...] = ("critical", "warning", "info")
    agreements: tuple[str | None, ...] = (None, "algebra", "zoology")
    cases = list(product(severities, agreements, ("no-agreement", "use-paused"), ("a.example", "b.example"), "12"))
    shuffled = cases[1::2] + cases[-2::-2]
    places = {
        case: place_of(case[0], agreement=case[1], rule=case[2], subject=case[3], clause=case[4]) for case in shuffled
    }
    assert sorted(shuffled, key=places.__getitem__) == cases
    assert len(set(places.values())) == len(cases)
