"""Agreements that are alike, that overlap or that contradict each other: a clear error or one defined answer."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pytest

from collector.problems import DocumentError
from rules.agreements.load import agreements_in, parse_agreement
from rules.checks.example import agreement_document, each
from rules.matching import Register
from rules.rehearsal import world

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.agreements.model import Agreement

TODAY = date(2026, 10, 14)


def written(**changes: object) -> str:
    """Return an agreement file: the example with changes, `__` for a dot in a path."""
    return json.dumps(agreement_document({path.replace("__", "."): value for path, value in changes.items()}), indent=1)


def loaded(**changes: object) -> Agreement:
    return parse_agreement(written(**changes), path="a.yaml")


def complaint(text: str) -> str:
    with pytest.raises(DocumentError) as told:
        parse_agreement(text, path="a.yaml")
    return str(told.value)


def claimant(*agreements: Agreement, host: str = "tests.mathlab.example", on: date = TODAY) -> str | None:
    """Return whose agreement claims *host*, the same in whatever order the files come."""
    found = {
        None if claim is None else claim.agreement.id
        for order in (agreements, agreements[::-1])
        for claim in (Register(order).claim(host, on=on),)
    }
    assert len(found) == 1
    return found.pop()


WIDE = loaded(id="wide")
EXPIRED = {"kind": "ndpa_v2", "status": "active", "effective": "2025-08-01", "expires": "2026-09-30"}
SECOND = {"id": "second", "domains": [{"match": "tests.mathlab.example"}], "products": [{"name": "Mathlab Tests"}]}


def test_two_products_of_one_vendor_in_two_files_are_judged_each_by_its_own() -> None:
    place = world({}, {**SECOND, "use_gate": {"status": "paused"}})
    cases = place.play([*each(9), *each(4, server_name="tests.mathlab.example")]).report()
    assert [(case.agreement, case.rule, case.devices) for case in cases] == [("second", "use-paused", 4)]


def test_a_second_product_without_an_agreement_in_force_is_not_covered_by_the_first_ones_wider_match() -> None:
    # Else its pupils' data would be judged, and the vendor accused or cleared, by promises about another product.
    place = world({}, {**SECOND, "agreement": EXPIRED | {"effective": "2026-08-01"}})
    cases = place.play(each(4, server_name="tests.mathlab.example")).report()
    assert [(case.agreement, case.rule) for case in cases] == [("second", "agreement-not-in-force")]


@pytest.mark.parametrize(
    ("changes", "wins"),
    [
        ({"agreement": EXPIRED}, "wide"),  # the same product: the wide file renews it under another match
        ({"agreement": EXPIRED | {"expires": "2026-07-31"}, "products": [{"name": "Mathlab Classic"}]}, "wide"),
        ({"agreement": EXPIRED, "products": [{"name": "Mathlab Tests"}]}, "narrow"),  # both held for two months
        ({"agreement": EXPIRED, "vendor": {"legal_name": "MATHLAB, Inc"}}, "wide"),
        ({"agreement": EXPIRED, "vendor": {"legal_name": "Testers Ltd."}}, "narrow"),
        ({"agreement": {"kind": "ndpa_v2", "status": "draft"}}, "wide"),
        ({"agreement": {"kind": "ndpa_v2", "status": "terminated"}, "products": [{"name": "Mathlab Tests"}]}, "narrow"),
        ({}, "narrow"),
    ],
)
def test_a_longer_match_wins_unless_a_renewal_of_the_same_product_stands_in(
    changes: Mapping[str, object], wins: str
) -> None:
    narrow = loaded(id="narrow", domains=[{"match": "tests.mathlab.example"}], **changes)
    assert claimant(WIDE, narrow) == wins
    assert claimant(WIDE, narrow, host="app.mathlab.example") == "wide"


def test_a_name_that_leads_to_another_product_of_the_same_vendor_leads_to_no_third_party() -> None:
    other = {"id": "other", "domains": [{"match": "mathlab-tests.example"}], "products": [{"name": "Mathlab Tests"}]}
    chain = [{"cnames": ("lb.mathlab-tests.example",)}]
    assert world({}, other).play(chain).report() == []
    stranger = {**other, "vendor": {"legal_name": "Testers Ltd."}}
    assert [case.subject for case in world({}, stranger).play(chain).report()] == ["mathlab-tests.example"]
    shared = {**other, "domains": [{"match": "o.example"}, {"match": "mathlab-tests.example", "shared": True}]}
    assert [case.subject for case in world({}, shared).play(chain).report()] == ["mathlab-tests.example"]


def test_two_agreements_that_claim_one_name_for_one_day_are_refused_with_both_places() -> None:
    one = written(id="one", agreement__effective="2026-01-01", agreement__expires="2026-10-14")
    two = written(id="two", agreement__effective="2026-10-14", agreement__expires="2027-10-13")
    with pytest.raises(DocumentError) as told:
        agreements_in({"one.yaml": one, "two.yaml": two})
    problems = [str(problem) for problem in told.value.problems]
    assert len(problems) == 2
    assert all("two.yaml:" in each_ and "is also claimed in one.yaml:" in each_ for each_ in problems)
    assert all("let the periods (`effective`, `expires`) not overlap" in each_ for each_ in problems)
    later = written(id="two", agreement__effective="2026-10-15", agreement__expires="2027-10-13")
    assert len(agreements_in({"one.yaml": one, "two.yaml": later})) == 2


def test_a_renewal_has_no_field_that_could_name_itself() -> None:
    assert "`renews` is not a key here" in complaint(written(renews="mathlab"))
    assert "`renews` is not a key here" in complaint(written(agreement__renews="mathlab"))


@pytest.mark.parametrize("loop", ['&p {"waivers": [*p]}', '{"waivers": &w [*w]}', '{"waivers": [&x {"clause": *x}]}'])
def test_a_waiver_that_contains_itself_is_refused_with_its_line(loop: str) -> None:
    text = written().removesuffix("\n}") + f',\n "provenance": {loop}\n' + "}"
    told = complaint(text)
    assert told.startswith("a.yaml:")
    assert "names nothing above it" in told
    assert "\n" not in told


def test_waivers_that_contradict_each_other_hold_as_long_as_the_longest() -> None:
    rows = [
        {"clause": "R0", "reason": "Exams.", "until": until, "by": "office"} for until in ("2026-10-13", "2026-10-14")
    ]
    for order in (rows, rows[::-1]):
        cases = world({"use_gate": {"status": "paused"}, "provenance": {"waivers": order}}).play(each(3))
        assert cases.report() == []
        assert [waived.clause for waived in cases.waived()] == ["R0"]


def test_a_host_that_is_both_the_products_own_and_a_listed_third_party_is_its_own() -> None:
    row = {"name": "Itself", "domains": ["mathlab.example"], "relation": "subprocessor"}
    place = world({"third_parties.list": [row], "use_gate": {"status": "paused"}})
    assert [case.rule for case in place.play(each(3)).report()] == ["use-paused"]


def test_tracking_prohibited_beside_an_embedded_advertiser_is_read_and_left_to_the_rules() -> None:
    row = {"name": "AdCo", "domains": ["adco.example"], "relation": "embedded"}
    contradictory = loaded(third_parties__list=[row])
    assert contradictory.prohibited is not None
    assert contradictory.prohibited.third_party_tracking
    # What the list names is declared, so the chain alone opens nothing; the prohibition is another rule's matter.
    chain = [{"cnames": ("mathlab.in.adco.example",)}]
    cases = world({"third_parties.list": [row]}).play(chain).report()
    assert [case.rule for case in cases if case.rule == "cname-cloaked-third-party"] == []
