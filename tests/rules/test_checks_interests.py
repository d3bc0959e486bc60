"""6a: which commercial interest stands behind a product, and what disclosing it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.checks.example import ABSENT
from tests.rules.made_edges import brief, edge, exposure, opened

if TYPE_CHECKING:
    from rules.findings import Case

RULE = "undisclosed-interest"
NONE_AT_ALL = {"disclosed": True, "revenue": ["licence"], "relationships": []}


def cases(interests: object = NONE_AT_ALL, party: str = "adco.example", **changes: object) -> list[Case]:
    return opened(RULE, edge(party), interests=interests, **changes)


@pytest.mark.parametrize("party", ["adco.example", "databroker.example"])
def test_advertising_and_data_brokers_that_are_not_disclosed_open_a_case(party: str) -> None:
    assert brief(cases(party=party)) == [("mathlab", party, "6a", "contradicted", "warning")]


@pytest.mark.parametrize("party", ["statco.example", "replayco.example", "fastedge.example", "unheard.example"])
def test_who_works_for_the_vendor_is_no_interest_by_itself(party: str) -> None:
    assert cases(party=party) == []


def test_an_agreement_that_is_silent_on_interests_has_a_gap_and_no_case() -> None:
    assert cases(ABSENT) == []


@pytest.mark.parametrize(
    ("interests", "verdict"),
    [
        ({"disclosed": True, "relationships": []}, "contradicted"),
        ({"disclosed": False, "relationships": []}, "undeclared"),
        ({"disclosed": False}, "undeclared"),
        ({"disclosed": True, "revenue": ["advertising"]}, "undeclared"),
        ({"disclosed": True, "relationships": [{"name": "Trek Holdings"}]}, "undeclared"),
    ],
)
def test_only_a_disclosure_that_there_are_none_is_contradicted(interests: dict[str, object], verdict: str) -> None:
    assert [case.verdict for case in cases(interests)] == [verdict]


@pytest.mark.parametrize(
    "relationship",
    [
        {"name": "AdCo"},
        {"name": "ADCO HOLDINGS LTD."},
        {"name": "Advertising partner", "domains": ["eu.adco.example"]},
        {"name": "Advertising partner", "domains": ["adco-group.example"]},
    ],
)
def test_the_party_its_owner_and_another_domain_of_the_owner_disclose_it(relationship: dict[str, object]) -> None:
    assert cases({"relationships": [relationship]}) == []


def test_a_parent_company_that_the_agreement_names_is_disclosed() -> None:
    assert cases(vendor__parent_company="AdCo Holdings") == []


def test_a_vendor_that_advertises_itself_is_not_its_own_hidden_interest_but_its_owner_is() -> None:
    domains = [{"match": "mathlab.example"}, {"match": "adco.example"}]
    assert cases(domains=domains) == []
    # By the lists the product's host belongs to the advertising company, which the agreement does not say.
    sold = [{"match": "mathlab.example"}, {"match": "learning-adco.example"}]
    assert len(cases(domains=sold)) == 1


def test_a_listed_third_party_is_not_thereby_disclosed() -> None:
    row = {"name": "AdCo", "domains": ["adco.example"], "relation": "subprocessor"}
    assert len(cases(third_parties__list=[row])) == 1


def test_a_suspicion_and_a_page_open_none_and_no_case_is_critical() -> None:
    assert opened(RULE, edge(standing="suspected"), interests=NONE_AT_ALL) == []
    assert opened(RULE, edge(role="page"), interests=NONE_AT_ALL) == []
    children = edge(exposures=(exposure(80, audience="under_13"),))
    assert [case.severity for case in opened(RULE, children, interests=NONE_AT_ALL)] == ["warning"]


@pytest.mark.parametrize(
    ("interests", "words"),
    [
        (NONE_AT_ALL, "no company has a stake in the vendor; income comes from licence fees"),
        ({"disclosed": False}, "the vendor does not disclose its interests"),
        ({"relationships": [{"name": "Trek"}]}, "those with a stake are: Trek"),
        ({"disclosed": True}, "nothing about companies with a stake in the vendor"),
    ],
)
def test_the_words_say_what_is_disclosed_and_where(interests: dict[str, object], words: str) -> None:
    (case,) = cases(interests, provenance={"sources": {"interests": "annex B"}})
    assert case.agreement_says == f"The agreement (annex B) says: {words}."
