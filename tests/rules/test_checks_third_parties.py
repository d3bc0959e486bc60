"""6d: which attributed party is a stranger to the agreement, and what a mere suspicion may say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rules.rehearsal import world
from tests.rules.made_edges import brief, edge, exposure, opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.edges import Edge
    from rules.findings import Case

RULE = "undeclared-third-party"


def cases(*edges: Edge, **changes: object) -> list[Case]:
    return opened(RULE, *(edges or (edge(),)), **changes)


def row(name: str = "Somebody", *domains: str, **more: object) -> dict[str, object]:
    return {"name": name, "relation": "subprocessor", **({"domains": list(domains)} if domains else {}), **more}


def test_a_party_that_the_complete_list_leaves_out_is_contradicted() -> None:
    assert brief(cases()) == [("mathlab", "adco.example", "6d", "contradicted", "warning")]


def test_a_party_in_no_party_list_is_never_taken_for_clean() -> None:
    assert brief(cases(edge("unheard.example"))) == [("mathlab", "unheard.example", "6d", "contradicted", "warning")]


def test_a_delivery_network_that_pages_contact_by_its_own_name_is_a_third_party() -> None:
    assert [case.subject for case in cases(edge("fastedge.example"))] == ["fastedge.example"]


@pytest.mark.parametrize(
    ("terms", "verdicts"),
    [
        ({"list_is": "complete", "unlisted": "forbidden"}, ["contradicted"]),
        ({"list_is": "complete", "unlisted": "notify"}, ["undeclared"]),
        ({"list_is": "partial", "unlisted": "forbidden"}, ["undeclared"]),
        ({"list_is": "not_provided", "unlisted": "forbidden"}, ["undeclared"]),
        ({"list_is": "complete", "unlisted": "allowed"}, []),
    ],
)
def test_only_a_complete_list_that_forbids_others_is_contradicted(
    terms: Mapping[str, object], verdicts: list[str]
) -> None:
    assert [case.verdict for case in cases(third_parties=terms)] == verdicts


@pytest.mark.parametrize("name", ["AdCo", "adco", "AdCo Holdings", "AdCo Holdings, Inc."])
def test_a_row_that_names_the_company_and_no_host_declares_vaguely(name: str) -> None:
    assert brief(cases(third_parties__list=[row(name)])) == [
        ("mathlab", "adco.example", "6d", "declared_vaguely", "info")
    ]


@pytest.mark.parametrize("domain", ["adco.example", "*.adco.example", "eu.adco.example", "adco-group.example"])
def test_a_host_beneath_it_and_another_domain_of_the_company_declare_a_party(domain: str) -> None:
    assert cases(third_parties__list=[row("Measurement", domain)]) == []


def test_a_name_that_merely_ends_alike_declares_nobody() -> None:
    assert len(cases(third_parties__list=[row("Short", "co.example")])) == 1


def test_a_recipient_that_the_explanation_of_improvements_names_is_declared() -> None:
    use = {"activity": "usage_analytics", "plain": "Counts which pages are opened.", "domains": ["adco.example"]}
    assert cases(improvement=[use]) == []


def test_a_partner_with_a_stake_is_not_thereby_in_the_list_and_the_owner_of_the_vendor_needs_no_row() -> None:
    stake = {"name": "AdCo Holdings", "domains": ["adco.example"]}
    assert len(cases(interests={"relationships": [{**stake, "kind": "partner"}]})) == 1
    assert cases(interests={"relationships": [{**stake, "kind": "owner"}]}) == []
    assert cases(vendor__parent_company="AdCo Holdings Inc.") == []


@pytest.mark.parametrize("party", ["cdn.mathlab.example", "mathlab-pages.example", "e7.sharededge.example"])
def test_the_vendors_own_hosts_open_none(party: str) -> None:
    domains = [{"match": "app.mathlab.example"}, {"match": "sharededge.example", "shared": True}]
    assert cases(edge(party), domains=domains) == []


def test_a_shared_host_makes_nobody_else_under_its_domain_the_vendors() -> None:
    assert len(cases(edge("other.sharededge.example", subject="sharededge.example"))) == 1


def test_a_tool_with_an_agreement_of_its_own_is_no_stranger() -> None:
    other = {"id": "fractions", "vendor.legal_name": "Fractions Inc.", "domains": [{"match": "app.fractions.example"}]}
    assert len(cases(edge("fractions.example"))) == 1
    held = world({}, other).cases()
    held.attributed([edge("fractions.example")])
    assert held.report() == []


@pytest.mark.parametrize("party", ["signon.example", "updates.example"])
def test_sign_on_and_operating_systems_are_asked_of_no_product(party: str) -> None:
    assert cases(edge(party)) == []


def test_a_page_that_people_open_by_itself_is_a_matter_of_referrals() -> None:
    assert cases(edge(role="page")) == []


def test_many_device_days_or_children_under_13_make_a_sure_contradiction_critical() -> None:
    few, many = exposure(24), exposure(25)
    children = exposure(5, audience="under_13")
    assert [case.severity for case in cases(edge(exposures=(few,)))] == ["warning"]
    assert [case.severity for case in cases(edge(exposures=(many,)))] == ["critical"]
    assert [case.severity for case in cases(edge(exposures=(children,)))] == ["critical"]
    assert [case.severity for case in cases(edge(exposures=(many,), confidence=0.94))] == ["warning"]
    assert [case.severity for case in cases(edge(exposures=(many,), confidence=0.79))] == ["info"]
    partial = {"list_is": "partial", "unlisted": "forbidden"}
    assert [case.severity for case in cases(edge(exposures=(many,)), third_parties=partial)] == ["warning"]


def test_less_than_use_establishes_nothing() -> None:
    assert cases(edge(exposures=(exposure(2),))) == []
    assert len(cases(edge(exposures=(exposure(2), exposure(1, day=1))))) == 1


def test_two_domains_of_one_subject_are_one_case_that_is_as_sure_as_both_together() -> None:
    ads = edge("ads.unheard.example", subject="unheard.example", exposures=(exposure(30),), confidence=0.9)
    tags = edge("tags.unheard.example", subject="unheard.example", exposures=(exposure(10),), confidence=0.7)
    (case,) = cases(ads, tags)
    assert (case.subject, case.confidence, case.devices) == ("unheard.example", 0.85, 30)
    assert "ads.unheard.example and tags.unheard.example" in case.summary


WAIVER = {"clause": "6d", "reason": "Removal is promised.", "by": "privacy office"}


def test_a_waiver_covers_its_domain_until_its_date_included() -> None:
    until = {"provenance": {"waivers": [{**WAIVER, "domain": "adco.example", "until": "2026-10-14"}]}}
    assert cases(**until) == []
    later = edge(exposures=(exposure(), exposure(9, day=1)))
    assert [case.devices for case in cases(later, **until)] == [9]


def test_the_words_name_company_owner_kind_list_extent_and_section() -> None:
    (case,) = cases(provenance={"sources": {"third_parties": "p. 14"}})
    assert "AdCo (adco.example, owned by AdCo Holdings, listed as advertising in" in case.summary
    assert "on 8 devices (counted per day) in 1 school" in case.summary
    assert "high (0.97)" in case.summary
    assert case.agreement_says.startswith("The agreement (p. 14) says: the list of third parties is complete")
    assert "inferred" in case.cannot_see


def suspected(party: str = "adco.example", **changes: Any) -> Edge:
    return edge(party, **{"standing": "suspected", **changes})


def test_a_suspicion_is_told_without_a_vendor_and_as_information() -> None:
    (case,) = cases(suspected(exposures=(exposure(40, audience="under_13"),)))
    assert brief([case]) == [(None, "adco.example", "6d", "unattributed", "info")]
    told = f"{case.summary} {case.agreement_says} {case.cannot_see}"
    assert "not established" in case.summary
    assert "Mathlab" not in told


def test_the_evidence_of_a_suspicion_names_no_candidate() -> None:
    held = world().cases()
    held.attributed([suspected()])
    (case,) = held.report()
    evidence = held.evidence(case)
    assert "candidates" not in evidence["attribution"]
    assert "mathlab" not in str(evidence["attribution"])


def test_suspicions_of_two_agreements_are_one_case() -> None:
    other = {"id": "spelling", "vendor.legal_name": "Spelling Inc.", "domains": [{"match": "spelling.example"}]}
    held = world({}, other).cases()
    held.attributed([suspected(), suspected(agreement="spelling")])
    assert brief(held.report()) == [(None, "adco.example", "6d", "unattributed", "info")]


@pytest.mark.parametrize("party", ["unheard.example", "fastedge.example", "news.example"])
def test_only_tracking_and_telemetry_are_worth_a_suspicion(party: str) -> None:
    assert cases(suspected(party)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"third_parties__list": [row("AdCo", "adco.example")]},
        {"third_parties__list": [row("AdCo")]},
        {"third_parties__unlisted": "allowed"},
    ],
)
def test_where_the_party_is_declared_there_is_nothing_to_suspect(changes: Mapping[str, object]) -> None:
    assert cases(suspected(), **changes) == []
