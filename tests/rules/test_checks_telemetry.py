"""6g: who is told how the product is used, and which explanation covers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rules.checks.example import ABSENT
from tests.rules.made_edges import brief, edge, exposure, opened

if TYPE_CHECKING:
    from rules.findings import Case

RULE = "unexplained-telemetry"


def cases(party: str = "statco.example", **changes: object) -> list[Case]:
    return opened(RULE, edge(party), **changes)


def use(activity: str, *domains: str) -> dict[str, object]:
    return {"activity": activity, "plain": "In plain words.", **({"domains": list(domains)} if domains else {})}


@pytest.mark.parametrize("party", ["statco.example", "replayco.example", "crashco.example"])
def test_analytics_replay_and_crash_hosts_without_any_explanation_open_a_case(party: str) -> None:
    assert brief(cases(party, improvement=ABSENT)) == [("mathlab", party, "6g", "undeclared", "warning")]


@pytest.mark.parametrize("party", ["adco.example", "databroker.example", "fastedge.example", "unheard.example"])
def test_other_businesses_are_no_telemetry(party: str) -> None:
    assert cases(party) == []


@pytest.mark.parametrize("rows", [[], [use("none")]])
def test_an_agreement_that_says_there_is_no_such_use_is_contradicted(rows: list[object]) -> None:
    assert [case.verdict for case in cases(improvement=rows)] == ["contradicted"]


@pytest.mark.parametrize("domain", ["statco.example", "in.statco.example", "statco-cdn.example"])
def test_a_row_covers_its_domains_their_siblings_and_the_other_domains_of_that_service(domain: str) -> None:
    assert cases(improvement=[use("crash_reports", domain)]) == []


def test_a_row_with_domains_covers_no_other_company_and_no_other_service_of_the_owner() -> None:
    assert [case.verdict for case in cases(improvement=[use("usage_analytics", "crashco.example")])] == ["undeclared"]
    assert len(cases("replayco.example", improvement=[use("session_replay", "statco.example")])) == 1


@pytest.mark.parametrize(
    ("activity", "party", "covered"),
    [
        ("usage_analytics", "statco.example", True),
        ("ab_testing", "statco.example", True),
        ("crash_reports", "crashco.example", True),
        ("session_replay", "replayco.example", True),
        ("crash_reports", "statco.example", False),
        ("usage_analytics", "replayco.example", False),
        ("adaptive_content", "statco.example", False),
    ],
)
def test_a_row_without_domains_covers_what_it_explains(activity: str, party: str, *, covered: bool) -> None:
    assert (cases(party, improvement=[use(activity)]) == []) is covered


def test_being_in_the_list_of_third_parties_explains_nothing() -> None:
    row = {"name": "StatCo", "domains": ["statco.example"], "relation": "subprocessor", "purpose": "usage statistics"}
    assert len(cases(third_parties__list=[row])) == 1


def test_a_suspicion_and_a_page_open_none_and_no_case_is_critical() -> None:
    assert opened(RULE, edge("statco.example", standing="suspected")) == []
    assert opened(RULE, edge("statco.example", role="page")) == []
    children = edge("statco.example", exposures=(exposure(80, audience="under_13"),))
    assert [case.severity for case in opened(RULE, children)] == ["warning"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (ABSENT, "nothing about how data are used to improve the product"),
        ([], "data are not used to improve the product"),
        ([use("crash_reports"), use("none")], "data are used for: error reports"),
    ],
)
def test_the_words_say_what_is_explained_and_where(rows: object, words: str) -> None:
    (case,) = cases(improvement=rows, provenance={"sources": {"improvement": "p. 9"}})
    assert case.agreement_says == f"The agreement (p. 9) says: {words}."
