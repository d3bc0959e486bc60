"""The generator of school days with known causes: the same days for the same seed, and a truth that holds."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from collector.hosts import registrable_domain
from collector.segments import parse_network
from rules.parties import parties_in
from tests.parts.school_days import ALL_TWISTS, SchoolDays, orders, school_days, shuffled
from tests.parts.school_days.exam import write_exam
from tests.parts.school_days.facts import Embed
from tests.parts.school_days.score import Accusation, calibration_error, score
from tests.parts.school_days.twists import chosen

if TYPE_CHECKING:
    from pathlib import Path

    from collector.events import FlowEvent


def small(*, seed: int = 7, twists: frozenset[str] = ALL_TWISTS, devices: int = 48, days: int = 4) -> SchoolDays:
    return school_days(seed=seed, devices=devices, days=days, vendors=14, sites=20, parties=24, twists=twists)


@pytest.fixture(scope="module")
def week() -> SchoolDays:
    """A small week with every twist."""
    return small()


@pytest.fixture(scope="module")
def events(week: SchoolDays) -> list[FlowEvent]:
    """What is seen in it."""
    return list(week.events())


def test_the_same_seed_gives_the_same_days_and_another_gives_others(week: SchoolDays, events: list[FlowEvent]) -> None:
    again = small()
    assert list(again.events()) == events
    assert again.papers == week.papers
    assert again.truth == week.truth
    assert list(small(seed=8, devices=20, days=1).events())[:50] != events[:50]


def test_events_come_by_their_ends_with_ids_of_their_own_and_octets_up_that_tell_who_asked(
    events: list[FlowEvent],
) -> None:
    ids: set[str] = set()
    last = ""
    asked = Counter[bool]()
    for event in events:
        assert event.started_at <= event.ended_at
        assert last <= event.ended_at
        last = event.ended_at
        ids.add(event.id)
        if event.app in {"tls", "quic"} and event.part == 0:
            asked[event.bytes_up >= 3000] += 1
    assert len(ids) == len(events)
    assert 0.1 < asked[False] / asked.total() < 0.45


def test_the_truth_counts_what_the_events_show(week: SchoolDays) -> None:
    products = {service.id: set(service.domains) for service in week.world.services[: week.world.products]}
    shared = {week.world.hosts[s.shared_host].domain for s in week.world.services if s.shared_host is not None}
    flows: Counter[tuple[str, str]] = Counter()
    devices: dict[tuple[str, str], set[str]] = {}
    for event, cause in week.labelled():
        if cause in products and event.server_name is not None and event.part == 0 and event.bytes_up >= 3000:
            party = registrable_domain(event.server_name)
            if party not in products[cause] | shared:
                flows[cause, party] += 1
                devices.setdefault((cause, party), set()).add(str(event.device))
    edges = {(edge.agreement, edge.party): edge for edge in week.truth.edges if edge.contacts}
    assert {key for key, count in flows.items() if count} == set(edges)
    for key, edge in edges.items():
        assert flows[key] == edge.contacts, key
        assert len(devices[key]) == edge.devices, key
        assert max(edge.clear, edge.alone, edge.devices) <= edge.contacts


def test_embeds_fire_as_often_as_asked_where_nothing_stands_in_their_way() -> None:
    plain = small(twists=frozenset(), devices=60, days=4)
    visits = {edge.agreement: edge.visits for edge in plain.truth.edges}
    checked = 0
    for service in plain.world.services[: plain.world.products]:
        for embed in service.embeds:
            edge = plain.truth.edge(service.id, plain.world.parties[embed.party].domain)
            if edge is None or visits[service.id] < 400 or not _on_every_page(embed):
                continue
            # Each host of the party is asked once a page; flows and silent requests are those asks.
            rate = (edge.contacts + edge.silent) / len(embed.hosts) / edge.visits
            assert rate == pytest.approx(embed.rate, abs=0.05)
            checked += 1
    assert checked >= 5


def _on_every_page(embed: Embed) -> bool:
    return embed.pages == (1 << 8) - 1


def test_an_innocent_pair_never_has_a_cause_in_common(week: SchoolDays) -> None:
    tempting = {(innocent.agreement, innocent.party) for innocent in week.truth.innocents}
    assert tempting
    for event, cause in week.labelled():
        if cause is not None and event.server_name is not None and event.bytes_up >= 3000 and event.part == 0:
            assert (cause, registrable_domain(event.server_name)) not in tempting


def test_without_embeds_no_product_causes_anything_but_the_days_stay_full_of_temptation() -> None:
    clean = small(twists=(ALL_TWISTS - {"widget"}) | {"clean-products"})
    assert clean.truth.edges == ()
    assert len(clean.truth.innocents) > 10


def test_each_twist_works_alone() -> None:
    for twist in sorted(ALL_TWISTS):
        events = list(small(twists=frozenset({twist, "off-task"}), devices=20, days=1).events())
        assert events, twist


def test_the_files_are_good_for_the_product(week: SchoolDays) -> None:
    assert {agreement.id for agreement in week.agreements} == set(week.papers.agreements)
    groups = set(parse_network(week.papers.network, path="network.yaml").groups)
    assert {(place.school, place.group) for place in week.world.classes} == groups
    kinds = {party.domains[0]: party.kind for party in parties_in(week.papers.parties, path="parties.yaml")}
    assert all(kinds.get(edge.party) == edge.kind for edge in week.truth.edges if edge.via == "page")


def test_shuffling_moves_third_parties_to_other_devices_and_keeps_their_number_and_time_of_day(
    week: SchoolDays, events: list[FlowEvent]
) -> None:
    before = {event.id: event for event in events}
    after = shuffled(week, 3)
    assert {event.id for event in after} == set(before)
    own = {domain for service in week.world.services[: week.world.products] for domain in service.domains}
    moved = 0
    for event in after:
        assert event.started_at[10:] == before[event.id].started_at[10:]
        if event.device != before[event.id].device:
            assert event.server_name is not None
            assert registrable_domain(event.server_name) not in own
            moved += 1
    assert moved > 1000
    assert shuffled(week, 4) != after


def test_other_orders_hold_the_same_events(events: list[FlowEvent]) -> None:
    some = events[:500]
    for name, other in orders(some, 1):
        assert other != some, name
        assert set(other) == set(some), name


def test_a_score_knows_right_from_wrong(week: SchoolDays) -> None:
    truth = week.truth
    sufficient = [edge for edge in truth.edges if edge.sufficient]
    assert sufficient
    said = [Accusation(agreement=e.agreement, party=e.party, confidence=1.0, confirmed=True) for e in sufficient]
    perfect = score(truth, said)
    assert (perfect.precision, perfect.recall, perfect.calibration_error) == (1.0, 1.0, 0.0)
    wrong = truth.innocents[0]
    slander = Accusation(agreement=wrong.agreement, party=wrong.party, confidence=0.9, confirmed=True)
    worse = score(truth, [*said[1:], slander])
    assert worse.wrongful == (slander,)
    assert worse.missed == ((sufficient[0].agreement, sufficient[0].party),)
    assert worse.precision < 1.0
    assert worse.recall < 1.0


def test_calibration_error_is_the_mean_distance_between_saying_and_being_right() -> None:
    assert calibration_error([(0.8, True)] * 8 + [(0.8, False)] * 2) == pytest.approx(0.0)
    assert calibration_error([(0.95, False)] * 4) == pytest.approx(0.95)
    assert calibration_error([]) == 0.0


def test_an_exam_is_written_with_a_truth_that_fits_its_inputs(
    week: SchoolDays, events: list[FlowEvent], tmp_path: Path
) -> None:
    truth = write_exam(week, folder=tmp_path)
    assert json.loads((tmp_path / "truth.json").read_text()) == json.loads(json.dumps(truth))
    must = {(case["agreement"], case["rule"], case["subject"]) for case in truth["must"]}
    must_not = {(case["agreement"], case["rule"], case["subject"]) for case in truth["must_not"]}
    assert must
    assert must_not
    assert not must & must_not
    parts = sum(event.part == 0 for event in events)
    assert truth["coverage"]["flows"] == parts
    assert len(list((tmp_path / "agreements").iterdir())) == week.world.products


def test_an_unknown_twist_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no such twist: sunshine"):
        chosen("hub,sunshine")
