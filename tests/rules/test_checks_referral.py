"""6e: to which sites a product hands its users on, and who answers for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.rehearsal import world
from tests.rules.made_edges import brief, edge, exposure, opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.findings import Case

RULE = "undeclared-referral"


def cases(party: str = "films.example", **changes: object) -> list[Case]:
    return opened(RULE, edge(party, role="page"), **changes)


def test_a_site_that_the_agreement_does_not_declare_opens_a_case() -> None:
    assert brief(cases()) == [("mathlab", "films.example", "6e", "contradicted", "warning")]


def test_it_is_never_critical() -> None:
    children = edge("films.example", role="page", exposures=(exposure(60, audience="under_13"),))
    assert [case.severity for case in opened(RULE, children)] == ["warning"]


@pytest.mark.parametrize("relation", ["referral", "embedded"])
def test_a_site_with_a_row_is_declared(relation: str) -> None:
    films = {"name": "Films", "domains": ["www.films.example"], "relation": relation}
    assert cases(third_parties__list=[films]) == []


@pytest.mark.parametrize(
    ("terms", "verdicts"),
    [
        ({"list_is": "partial", "unlisted": "forbidden"}, ["undeclared"]),
        ({"list_is": "complete", "unlisted": "notify"}, ["undeclared"]),
        ({"list_is": "complete", "unlisted": "allowed"}, []),
    ],
)
def test_only_a_complete_list_that_forbids_others_is_contradicted(
    terms: Mapping[str, object], verdicts: list[str]
) -> None:
    assert [case.verdict for case in cases(third_parties=terms)] == verdicts


def test_a_row_with_the_name_of_the_site_alone_declares_vaguely() -> None:
    news = {"name": "News", "relation": "referral"}
    assert brief(cases("news.example", third_parties__list=[news])) == [
        ("mathlab", "news.example", "6e", "declared_vaguely", "info")
    ]


def test_a_hub_that_launches_a_tool_with_an_agreement_of_its_own_refers_nobody() -> None:
    tool = {"id": "fractions", "vendor.legal_name": "Fractions Inc.", "domains": [{"match": "fractions.example"}]}
    launched = edge("fractions.example", role="page")
    held = world({}, tool).cases()
    held.attributed([launched])
    assert held.report() == []
    assert len(opened(RULE, launched)) == 1


@pytest.mark.parametrize("party", ["signon.example", "mathlab-pages.example", "help.mathlab.example"])
def test_a_sign_on_and_the_vendors_own_pages_are_no_referral(party: str) -> None:
    assert cases(party) == []


def test_a_party_that_is_no_page_and_a_suspicion_are_no_referral() -> None:
    assert opened(RULE, edge("films.example")) == []
    assert opened(RULE, edge("films.example", role="page", standing="suspected")) == []


def test_the_words_say_what_was_seen_and_what_is_not_known() -> None:
    (case,) = cases(provenance={"sources": {"third_parties": "p. 14"}})
    assert "appears to hand its users on to films.example (in no party list)" in case.summary
    assert "(p. 14)" in case.agreement_says
    assert "clicked" in case.cannot_see
