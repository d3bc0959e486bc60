"""What edges mean for promises: findings by day, school and group, waived where the agreement says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from rules.attributed import edge_since, grounds_of
from rules.checks.base import device_days
from rules.rehearsal import world
from tests.rules.made_edges import edge, exposure, opened

if TYPE_CHECKING:
    from rules.attributed import Grounds
    from rules.edges import Edge
    from rules.findings import Promise
    from rules.rehearsal import World

TRACKING = "prohibited-tracking"
LIST = "undeclared-third-party"


def grounds(*edges: Edge, district: World | None = None) -> dict[Promise, Grounds]:
    """Return what *edges* mean under the agreements of *district*."""
    place = district or world()
    agreements = {agreement.id: agreement for agreement in place.agreements}
    return grounds_of(
        edges,
        checks=place.checks,
        agreement_at=lambda name, _at: agreements.get(name),
        party_of=place.parties.find,
    )


def of_rule(rule: str, found: dict[Promise, Grounds]) -> Grounds:
    """Return the grounds of the one promise of *rule*."""
    (promise,) = (each for each in found if each.rule == rule)
    return found[promise]


def waived(clause: str, until: str, domain: str | None = None) -> World:
    """Return the example district with one waiver."""
    waiver = {"clause": clause, "reason": "agreed in writing", "until": until, "by": "privacy officer"}
    return world({"provenance": {"waivers": [{**waiver, **({"domain": domain} if domain else {})}]}})


def test_each_promise_that_an_edge_breaks_has_findings_by_day_school_and_group() -> None:
    parts = (exposure(3), exposure(2, audience="under_13"), exposure(4, day=1))
    found = grounds(edge(exposures=parts))
    assert {TRACKING, LIST} <= {promise.rule for promise in found}
    held = of_rule(LIST, found)
    told = {(f.day, f.group, f.detail, f.devices, f.flows, f.bytes_up) for f in held.findings.values()}
    assert told == {(p.day, p.group, p.audience, p.devices, p.flows, p.bytes_up) for p in parts}
    assert device_days(held.findings.values()) == 9
    assert {finding.verdict for finding in held.findings.values()} == {"contradicted"}
    assert held.edges == [edge(exposures=parts)]


def test_a_party_that_is_declared_gives_no_grounds() -> None:
    assert grounds(edge("hostco.example")) == {}


def test_nothing_comes_of_nothing_and_nothing_of_an_agreement_that_did_not_exist() -> None:
    assert grounds() == {}
    assert grounds(edge(agreement="unknown")) == {}
    held = world().cases()
    held.attributed([edge(agreement="unknown")])
    assert held.report() == []


def test_the_agreement_is_asked_for_as_it_was_when_the_party_was_last_seen() -> None:
    place, asked = world(), list[tuple[str, datetime]]()
    parts = (exposure(3), exposure(3, day=2), exposure(3, day=1))
    grounds_of(
        [edge(exposures=parts)],
        checks=place.checks,
        agreement_at=lambda name, at: asked.append((name, at)),
        party_of=place.parties.find,
    )
    assert asked == [("mathlab", datetime(2026, 10, 16, 17, tzinfo=UTC))]


def test_a_suspected_edge_speaks_of_no_vendor() -> None:
    found = grounds(edge(standing="suspected"))
    assert {promise.agreement for promise in found} == {""}


def test_findings_keep_their_ids_when_the_counts_grow_and_differ_by_party_day_and_group() -> None:
    def ids(*edges: Edge) -> set[str]:
        return set(of_rule(LIST, grounds(*edges)).findings)

    few, many = exposure(3), replace(exposure(9), flows=500)
    assert ids(edge(exposures=(few,))) == ids(edge(exposures=(many,)))
    other = ids(edge(exposures=(few, exposure(3, day=1), exposure(3, audience="under_13"))))
    assert len(other) == 3
    assert ids(edge(exposures=(few,))) < other
    assert len(ids(*(edge(name, subject="adco.example") for name in ("a.adco.example", "b.adco.example")))) == 2


def test_no_finding_of_attribution_names_a_device() -> None:
    held = of_rule(LIST, grounds(edge()))
    assert {finding.device for finding in held.findings.values()} == {"north-es/6-8"}


def test_two_hosts_of_one_company_count_their_devices_once_and_their_flows_both() -> None:
    pair = [
        edge("a.adco.example", subject="adco.example", exposures=(exposure(8),)),
        edge("b.adco.example", subject="adco.example", exposures=(exposure(5), exposure(6, day=1))),
    ]
    (case,) = opened(LIST, *pair)
    # The larger of both on the first day, and the second day of one.
    assert case.devices == 8 + 6
    assert case.flows == 16 + 10 + 12


def test_edges_come_in_any_order() -> None:
    one, two = (edge(name, subject="adco.example") for name in ("a.adco.example", "b.adco.example"))
    assert grounds(one, two) == grounds(two, one)
    assert [each.party for each in of_rule(LIST, grounds(two, one)).edges] == ["a.adco.example", "b.adco.example"]


@pytest.mark.parametrize(
    ("district", "hidden"),
    [
        (waived("6d", "2026-10-14"), True),
        (waived("6d", "2026-10-13"), False),
        (waived("6c", "2026-10-14"), False),
        (waived("6d", "2026-10-14", "adco.example"), True),
        (waived("6d", "2026-10-14", "statco.example"), False),
        (waived("6d", "2026-10-14", "t.adco.example"), False),
    ],
    ids=["clause and last day", "a day late", "another clause", "domain", "another domain", "a host beneath it"],
)
def test_a_waiver_covers_its_clause_its_domain_and_its_last_day(district: World, hidden: bool) -> None:
    held = of_rule(LIST, grounds(edge(), district=district))
    assert {finding.waived for finding in held.findings.values()} == {hidden}


def test_a_waiver_of_one_host_covers_that_host_of_the_company_alone() -> None:
    pair = [edge(name, subject="adco.example") for name in ("a.adco.example", "b.adco.example")]
    held = of_rule(LIST, grounds(*pair, district=waived("6d", "2026-10-14", "a.adco.example")))
    assert sorted(finding.waived for finding in held.findings.values()) == [False, True]


def test_days_after_a_waiver_open_the_case_again_with_their_own_counts() -> None:
    district = waived("6d", "2026-10-14")
    held = district.cases()
    held.attributed([edge(exposures=(exposure(20), exposure(7, day=1)))])
    (case,) = (case for case in held.report() if case.rule == LIST)
    assert (case.devices, case.first_seen[:10]) == (7, "2026-10-15")
    (hidden,) = (case for case in held.waived() if case.rule == LIST)
    assert hidden.devices == 20


def test_what_attribution_says_now_takes_the_place_of_what_it_said_before() -> None:
    held = world().cases()
    held.attributed([edge()])
    first = [case.subject for case in held.report() if case.rule == LIST]
    held.attributed([edge("statco.example")])
    second = [case.subject for case in held.report() if case.rule == LIST]
    held.attributed([])
    assert (first, second, held.report()) == (["adco.example"], ["statco.example"], [])


def test_the_day_of_a_finding_is_that_of_the_exposure() -> None:
    held = of_rule(LIST, grounds(edge(exposures=(exposure(3, day=2),))))
    (finding,) = held.findings.values()
    assert finding.day == date(2026, 10, 16)
    assert finding.first_seen < finding.last_seen


def test_what_was_forgotten_in_the_morning_does_not_come_again_with_the_end_of_its_day() -> None:
    """Contacts of a closed day stand at noon UTC where they have no time; those of the day after count."""
    noon = datetime(2026, 10, 14, 12, tzinfo=UTC)
    closed = replace(exposure(), first_seen=noon, last_seen=noon)
    morning, night = noon.replace(hour=8), noon.replace(hour=2)
    assert edge_since(edge(exposures=(closed,)), morning) is None
    assert edge_since(edge(exposures=(closed, exposure(day=1))), morning) == edge(exposures=(exposure(day=1),))
    assert edge_since(edge(exposures=(closed,)), night) == edge(exposures=(closed,))
    timed = replace(closed, last_seen=noon.replace(hour=13))
    assert edge_since(edge(exposures=(timed,)), morning) == edge(exposures=(timed,))
