"""Lists spell one company in several ways: an agreement may use any of them, and none makes a stranger of a friend."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from rules.checks.circle import same_company
from rules.checks.example import COUNTRIES
from rules.checks.registry import all_checks
from rules.checks.wording import listed_as
from rules.evidence import party_in
from rules.lists.rows import Weight
from rules.parties import Party, PartyTable
from rules.rehearsal import world
from tests.rules.made_edges import brief, edge

if TYPE_CHECKING:
    from rules.edges import Edge
    from rules.findings import Case
    from rules.parties import Kind

DAY = date(2026, 7, 1)


def party(
    *domains: str, name: str, owner: str, kind: Kind = "other", weight: Weight = Weight.LISTED, source: str = "one list"
) -> Party:
    return Party(
        name=name, owner=owner, kind=kind, domains=domains, weight=weight, list_name=source, list_date=DAY
    )  # fmt: skip


ERRORTRACE = (
    party("errortrace.example", name="ErrorTrace", owner="FunctionalWorks", kind="crash_reporting"),
    # The other list knows the company by another spelling, and another domain of it by that one alone.
    party(
        "errortrace.example", "ft-pages.example",
        name="Functional Works", owner="Functional Works, Inc.", weight=Weight.OWNER, source="owners",
    ),
    party("ft-stats.example", name="FT Stats", owner="FunctionalWorks", kind="analytics"),
    party("ft-stats.example", name="FT Stats", owner="Functional Works", kind="analytics", weight=Weight.OTHER),
    party("ft-errors.example", name="FT Errors", owner="Functional Works", kind="crash_reporting"),
    party("ft-ads.example", name="FT Ads", owner="FunctionalWorks", kind="advertising"),
    party("ft-ads.example", name="Ads by FT", owner="Functional Works", kind="advertising", weight=Weight.OTHER),
    party("ft-deals.example", name="FT Deals", owner="Functional Works", kind="advertising"),
)  # fmt: skip


def cases(rule: str, *edges: Edge, **changes: object) -> list[Case]:
    base = world({key.replace("__", "."): value for key, value in changes.items()})
    table = PartyTable(ERRORTRACE)
    held = replace(
        base, parties=table, checks=all_checks(base.agreements, party_of=table.find, country_of=COUNTRIES.get)
    )
    found = held.cases()
    found.attributed(edges)
    return [case for case in found.report() if case.rule == rule]


def row(name: str, *domains: str) -> dict[str, Any]:
    return {"name": name, "relation": "subprocessor", **({"domains": list(domains)} if domains else {})}


@pytest.mark.parametrize("name", ["ErrorTrace", "FunctionalWorks", "functional works", "Functional Works Inc."])
def test_a_row_may_use_any_lists_name_for_the_party_or_its_owner(name: str) -> None:
    told = cases("undeclared-third-party", edge("errortrace.example"), third_parties__list=[row(name)])
    assert brief(told) == [("mathlab", "errortrace.example", "6d", "declared_vaguely", "info")]


def test_a_name_of_no_list_declares_nobody() -> None:
    told = cases("undeclared-third-party", edge("errortrace.example"), third_parties__list=[row("Functional")])
    assert [case.verdict for case in told] == ["contradicted"]


def test_naming_one_domain_declares_another_of_the_same_owner_that_only_another_list_spells_alike() -> None:
    listed = {"third_parties__list": [row("Errors", "errortrace.example")]}
    assert cases("undeclared-third-party", edge("ft-errors.example"), **listed) == []
    # What a domain is used for is unknown where the lists know only who owns it: no reason to call it a stranger.
    assert cases("undeclared-third-party", edge("ft-pages.example"), **listed) == []
    # Advertising is another business than reports of errors.
    assert len(cases("undeclared-third-party", edge("ft-ads.example"), **listed)) == 1


def test_the_vendors_own_name_as_another_list_spells_it_is_the_vendor() -> None:
    own = {
        "vendor__legal_name": "Functional Works Inc.",
        "domains": [{"match": "mathlab.example"}, {"match": "errortrace.example"}],
    }
    assert cases("undeclared-third-party", edge("ft-stats.example"), **own) == []
    assert cases("undisclosed-interest", edge("ft-ads.example"), **own) == []


def test_the_owner_of_a_hosted_product_is_not_its_vendor_by_any_spelling() -> None:
    own = {
        "interests": {"disclosed": True, "relationships": []},
        "domains": [{"match": "mathlab.example"}, {"match": "errortrace.example"}],
    }
    assert len(cases("undisclosed-interest", edge("ft-deals.example"), **own)) == 1


@pytest.mark.parametrize(
    "relationship",
    [
        {"name": "Functional Works"},
        {"name": "FunctionalWorks"},
        {"name": "Ads by FT"},
        {"name": "Measurement partner", "domains": ["errortrace.example"]},
        {"name": "Measurement partner", "domains": ["ft-deals.example"]},
    ],
)
def test_an_interest_is_disclosed_under_any_name_and_by_any_domain_of_its_owner(relationship: dict[str, Any]) -> None:
    interests = {"disclosed": True, "relationships": [relationship]}
    assert cases("undisclosed-interest", edge("ft-ads.example"), interests=interests) == []
    assert len(cases("undisclosed-interest", edge("ft-ads.example"), interests={"relationships": []})) == 1


def test_a_row_of_improvement_covers_the_same_service_of_the_owner_however_spelt() -> None:
    def use(domain: str) -> list[dict[str, Any]]:
        return [{"activity": "crash_reports", "plain": "Errors are reported.", "domains": [domain]}]

    assert cases("unexplained-telemetry", edge("ft-errors.example"), improvement=use("errortrace.example")) == []
    assert len(cases("unexplained-telemetry", edge("ft-stats.example"), improvement=use("errortrace.example"))) == 1


def test_a_party_known_by_its_owner_alone_is_of_no_business() -> None:
    known = PartyTable(ERRORTRACE).find("ft-pages.example")
    assert known is not None
    assert listed_as(known) == "of unknown business, listed in owners of 2026-07-01"
    told = party_in(known)
    assert told is not None
    assert (told["owner"], told["kind"]) == ("Functional Works, Inc.", None)
    (case,) = cases("undeclared-third-party", edge("ft-pages.example"))
    assert "of unknown business" in case.summary
    assert "listed as other" not in case.summary


def test_servers_that_are_declared_do_not_declare_other_known_businesses_of_their_owner() -> None:
    servers = party("edge.example", name="Edge", owner="FunctionalWorks", kind="cdn")
    other = party("desk.example", name="Desk", owner="FunctionalWorks", kind="other")
    unknown = party("unknown.example", name="Functional", owner="FunctionalWorks", weight=Weight.OWNER)
    assert not same_company(servers, party=other)
    assert same_company(servers, party=unknown)
