"""6c: who follows people, and whether the agreement prohibits it."""

from __future__ import annotations

import pytest

from rules.checks.example import ABSENT
from tests.rules.made_edges import brief, edge, exposure, opened

RULE = "prohibited-tracking"
CHILDREN = (exposure(5, audience="under_13"),)


@pytest.mark.parametrize("party", ["adco.example", "databroker.example"])
def test_advertising_and_data_brokers_are_contradicted_where_tracking_is_prohibited(party: str) -> None:
    assert brief(opened(RULE, edge(party))) == [("mathlab", party, "6c", "contradicted", "warning")]


@pytest.mark.parametrize(
    "party", ["statco.example", "replayco.example", "fastedge.example", "news.example", "unheard.example"]
)
def test_other_businesses_and_unknown_ones_are_no_tracking(party: str) -> None:
    assert opened(RULE, edge(party)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"prohibited": ABSENT},
        {"prohibited__third_party_tracking": ABSENT},
        {"prohibited__third_party_tracking": False},
        {"prohibited": {"targeted_ads": True, "any_ads": True, "sale": True}},
    ],
)
def test_what_is_not_prohibited_in_so_many_words_is_a_gap_and_no_case(changes: dict[str, object]) -> None:
    assert opened(RULE, edge(), **changes) == []


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({"name": "AdCo", "domains": ["eu.adco.example"], "relation": "embedded"}, "conflicting"),
        ({"name": "AdCo Holdings", "relation": "embedded"}, "conflicting"),
        ({"name": "AdCo", "domains": ["adco.example"], "relation": "subprocessor"}, "contradicted"),
        ({"name": "HostCo", "domains": ["hostco.example"], "relation": "embedded"}, "contradicted"),
    ],
)
def test_an_embedded_party_in_the_list_conflicts_with_the_prohibition(row: dict[str, object], verdict: str) -> None:
    assert [case.verdict for case in opened(RULE, edge(), third_parties__list=[row])] == [verdict]


def test_being_in_the_list_does_not_lift_the_prohibition_from_the_severity() -> None:
    row = {"name": "AdCo", "domains": ["adco.example"], "relation": "embedded"}
    assert [case.severity for case in opened(RULE, edge(exposures=CHILDREN), third_parties__list=[row])] == ["critical"]


def test_it_is_critical_only_when_sure_and_widespread_or_among_children() -> None:
    assert [case.severity for case in opened(RULE, edge(exposures=CHILDREN, confidence=0.95))] == ["critical"]
    assert [case.severity for case in opened(RULE, edge(exposures=CHILDREN, confidence=0.94))] == ["warning"]
    assert [case.severity for case in opened(RULE, edge(exposures=(exposure(25, audience="staff"),)))] == ["critical"]
    assert [case.severity for case in opened(RULE, edge(exposures=CHILDREN, confidence=0.5))] == ["info"]


def test_a_suspicion_a_page_and_the_vendors_own_hosts_open_none() -> None:
    assert opened(RULE, edge(standing="suspected")) == []
    assert opened(RULE, edge(role="page")) == []
    domains = [{"match": "app.mathlab.example"}, {"match": "tags.adco.example"}]
    assert opened(RULE, edge(), domains=domains) == []


def test_one_party_that_breaks_three_promises_opens_three_cases_each_by_its_own_terms() -> None:
    interests = {"disclosed": True, "relationships": []}
    row = {"name": "AdCo", "domains": ["adco.example"], "relation": "subprocessor"}
    rules = ("undeclared-third-party", RULE, "undisclosed-interest")
    assert [len(opened(rule, edge(), interests=interests)) for rule in rules] == [1, 1, 1]
    listed = {"interests": interests, "third_parties__list": [row]}
    assert [len(opened(rule, edge(), **listed)) for rule in rules] == [0, 1, 1]


def test_the_words_rest_on_the_section_on_prohibitions() -> None:
    (case,) = opened(RULE, edge(), provenance={"sources": {"prohibited": "section 4.7"}})
    assert (
        case.agreement_says == "The agreement (section 4.7) says: letting other companies follow pupils is prohibited."
    )
    assert "advertising" in case.summary
