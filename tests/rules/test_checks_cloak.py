"""6d: whom a CNAME chain passes, and whom of them the agreement leaves out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rules.checks.registry import all_checks
from rules.lists.rows import Weight
from rules.parties import Party, PartyTable
from rules.rehearsal import world

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.findings import Case


def opened(*chain: str, host: str = "metrics.mathlab.example", **changes: object) -> list[Case]:
    """Return the cases that one flow with this chain opens."""
    report = world(changes).play([{"server_name": host, "cnames": chain}]).report()
    return [case for case in report if case.rule == "cname-cloaked-third-party"]


def brief(cases: list[Case]) -> list[tuple[str, str, str]]:
    """Return subject, verdict and severity of each case."""
    return [(case.subject, case.verdict, case.severity) for case in cases]


def test_one_chain_to_an_undeclared_party_is_proof_enough() -> None:
    assert brief(opened("mathlab.in.adco.example")) == [("adco.example", "contradicted", "warning")]


def test_a_party_in_no_list_is_never_taken_for_clean() -> None:
    assert brief(opened("mathlab.unheard.example")) == [("unheard.example", "contradicted", "warning")]


@pytest.mark.parametrize(
    ("terms", "verdict"),
    [
        ({"list_is": "partial", "unlisted": "forbidden"}, "undeclared"),
        ({"list_is": "complete", "unlisted": "notify"}, "undeclared"),
        ({"list_is": "not_provided", "unlisted": "forbidden"}, "undeclared"),
        ({"list_is": "complete", "unlisted": "forbidden"}, "contradicted"),
    ],
)
def test_only_a_complete_list_that_forbids_others_is_contradicted(terms: Mapping[str, object], verdict: str) -> None:
    assert [case.verdict for case in opened("x.adco.example", third_parties=terms)] == [verdict]


def test_a_row_that_names_the_owner_but_no_domain_declares_vaguely() -> None:
    row = {"name": "adco holdings", "relation": "embedded"}
    terms = {"list_is": "complete", "unlisted": "forbidden", "list": [row]}
    assert brief(opened("x.adco.example", third_parties=terms)) == [("adco.example", "declared_vaguely", "info")]


@pytest.mark.parametrize(
    "chain",
    [
        ("lb.mathlab.example",),
        ("mathlab.sharededge.example", "e7.sharededge.example"),
        ("mathlab.eu.hostco.example",),
        ("mathlab.eu.hostco.example", "rack9.unheard.example"),
        ("mathlab.eu.hostco.example", "rack9.fastedge.example"),
        ("start.mathlab-pages.example",),
    ],
)
def test_the_vendors_own_names_and_declared_parties_with_their_own_hosting_open_none(chain: tuple[str, ...]) -> None:
    domains = [{"match": "mathlab.example"}, {"match": "mathlab.sharededge.example", "shared": True},
               {"match": "e7.sharededge.example", "shared": True}]  # fmt: skip
    assert opened(*chain, domains=domains) == []


def test_a_sibling_of_a_claimed_host_is_the_vendors_own() -> None:
    domains = [{"match": "app.mathlab.example"}]
    assert opened("lb.mathlab.example", host="app.mathlab.example", domains=domains) == []


ANALYTICS = {"activity": "usage_analytics", "plain": "Counts which pages are opened.", "domains": ["adco.example"]}
PARTNER = {"name": "AdCo", "domains": ["adco.example"]}


OWNER = {**PARTNER, "kind": "owner"}


@pytest.mark.parametrize("named", [{"improvement": [ANALYTICS]}, {"interests": {"relationships": [OWNER]}}])
def test_a_recipient_that_another_part_of_the_agreement_names_and_the_vendors_group_are_declared(
    named: Mapping[str, object],
) -> None:
    report = world(named).play([{"cnames": ("x.adco.example",)}]).report()
    assert report == []


def test_who_is_disclosed_to_have_a_stake_is_not_thereby_in_the_list_of_third_parties() -> None:
    disclosed = {"relationships": [PARTNER]}
    assert brief(opened("x.adco.example", interests=disclosed)) == [("adco.example", "contradicted", "warning")]


def test_another_host_of_a_declared_domain_and_another_domain_of_a_declared_company_are_declared() -> None:
    row = {"name": "Somebody", "domains": ["eu.adco.example"], "relation": "subprocessor"}
    terms = {"list_is": "complete", "unlisted": "forbidden", "list": [row]}
    assert opened("us.adco.example", third_parties=terms) == []
    assert opened("x.adco-group.example", third_parties=terms) == []


def test_who_rents_out_the_servers_of_a_product_is_not_its_vendor() -> None:
    domains = [{"match": "mathlab.fastedge.example"}]
    chain = "m.sharedby.example"
    assert brief(opened(chain, host="mathlab.fastedge.example", domains=domains)) == [
        ("sharedby.example", "contradicted", "warning")
    ]


def test_a_delivery_network_is_information_and_hides_nobody_behind_it() -> None:
    assert brief(opened("m.fastedge.example", "x.adco.example")) == [
        ("adco.example", "contradicted", "warning"),
        ("fastedge.example", "contradicted", "info"),
    ]


def test_whom_a_third_party_rents_from_is_not_this_vendors_doing() -> None:
    assert brief(opened("x.adco.example", "y.unheard.example", "z.fastedge.example")) == [
        ("adco.example", "contradicted", "warning")
    ]


def test_of_whom_only_the_owner_is_known_behind_a_third_party_is_not_this_vendors_doing_either() -> None:
    strangers = [
        Party(name="Rack", owner="Rack", kind="other", domains=("rack.example",), list_name="x", weight=weight)
        for weight in (Weight.OWNER, Weight.OTHER)
    ]
    chain = ("x.adco.example", "y.rack.example")
    seen = []
    for stranger in strangers:
        known = world({})
        parties = PartyTable([*(party for _domain, party in known.parties), stranger])
        checks = all_checks(known.agreements, party_of=parties.find, country_of=None)
        about = replace(known, parties=parties, checks=checks)
        report = about.play([{"server_name": "metrics.mathlab.example", "cnames": chain}]).report()
        seen.append([case.subject for case in report if case.rule == "cname-cloaked-third-party"])
    assert seen == [["adco.example"], ["adco.example", "rack.example"]]


@pytest.mark.parametrize("host", ["mathlab.sharededge.example", "www.mathlab.example", "stats.news.example"])
def test_names_that_are_not_the_products_own_open_none(host: str) -> None:
    assert opened("x.adco.example", host=host) == []


def test_a_chain_that_comes_back_to_one_party_is_one_case() -> None:
    assert len(opened("a.adco.example", "b.adco.example")) == 1
