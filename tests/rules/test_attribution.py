"""Attribution read as days of a class: who is named, who is only suspected, and who is left alone."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from rules.edges import Edge
from rules.lab_evidence import LabEvidence, evidence_in
from rules.rehearsal import world
from tests.rules.made_contacts import (
    BROUGHT,
    FIRST_DAY,
    OTHER,
    PARTY,
    PRODUCT,
    Scene,
    among,
    at,
    edge_of,
    edges_of,
    visits,
)

FRACTIONS = {
    "id": "fractions",
    "vendor.legal_name": "Fractions Inc.",
    "domains": [{"match": "app.fractions.example"}],
}
"""What makes the example agreement that of another product."""
BUSY = visits((0, OTHER), (3, PRODUCT), (3.2, PARTY))
"""The party comes with the product, which nobody opens on a quiet device."""
RARE = [
    *visits(*BROUGHT, devices=3, hours=1),
    *visits((0, OTHER), (3, PRODUCT), devices=6, hours=4, minute=10),
    *visits((0, PRODUCT), devices=3, hours=3, minute=20),
]
"""A quarter of the quiet windows, and one visit of twelve."""


def lab(*, pages: int, brought: int = 0) -> dict[str, LabEvidence]:
    """Return what a lab recorded of the example product: page loads, and those of them with the party."""
    parties = [{"domain": PARTY, "pages": brought}] if brought else []
    said = {
        "schema": "schoolgate/evidence/1", "agreement": "mathlab", "recorded": "2026-09-01", "har": ["0" * 64],
        "pages": pages, "parties": parties, "referrals": [],
    }  # fmt: skip
    return {"mathlab": evidence_in(json.dumps(said), path="lab.yaml")}


def found(scene: Scene, *, said: dict[str, LabEvidence] | None = None) -> Edge:
    """Return the edge that must be there."""
    edge = edge_of(scene, lab=said)
    assert edge is not None
    return edge


def test_a_party_that_comes_with_the_product_and_not_otherwise_is_confirmed() -> None:
    edge = found(among(visits(*BROUGHT)))
    assert (edge.standing, edge.role, edge.subject) == ("confirmed", "party", PARTY)
    assert (edge.visits, edge.quiet_windows, edge.class_hours) == (36, 36, 9)
    assert (edge.bag, edge.near_share, edge.elsewhere_share) == (1.0, 1.0, 0.0)
    assert edge.rate > 0.9
    assert edge.statistic > 50
    assert edge.confidence == pytest.approx(0.99)


def test_nobody_is_named_where_nothing_was_met() -> None:
    assert edges_of([]) == {}
    assert edges_of(visits((0, PRODUCT))) == {}
    assert edges_of(visits((0, PARTY))) == {}


def test_what_comes_with_one_visit_of_twelve_is_only_suspected_though_quiet_windows_show_it() -> None:
    edge = found(among(RARE))
    assert edge.bag == 0.25
    assert 0.05 < edge.rate < 0.10
    assert edge.standing == "suspected"


def test_what_never_comes_out_of_quiet_is_only_suspected_though_nothing_else_explains_it() -> None:
    edge = found(among(BUSY))
    assert (edge.bag, edge.quiet_windows) == (0.0, 0)
    assert edge.rate > 0.9
    assert edge.standing == "suspected"


def test_what_two_devices_show_is_only_suspected_however_often() -> None:
    edge = found(among(visits(*BROUGHT, devices=2, days=1, hours=8)))
    assert (edge.bag, edge.visits) == (1.0, 16)
    assert edge.standing == "suspected"


def test_replication_alone_suspects_nobody() -> None:
    # Neither the windows nor the model point to the product: it is merely open when the party comes now and then.
    both = visits((0, OTHER), (4, PRODUCT), (4.1, "news.example"), (4.2, PARTY))
    scene = among(both, visits((0, "news.example"), (0.2, PARTY), minute=20), visits((0, PRODUCT), minute=30))
    assert edge_of(scene) is None


def test_another_site_that_brings_the_party_by_itself_explains_it_away() -> None:
    # In every other visit of the product its users open a news page three seconds later.
    scene = among(
        visits((0, PRODUCT), (3, "news.example"), (3.2, PARTY)),
        visits((0, "news.example"), (0.2, PARTY), minute=20),
        visits((0, PRODUCT), minute=30),
    )
    assert edge_of(scene) is None


def test_two_products_that_bring_the_same_party_are_both_confirmed() -> None:
    scene = among(visits(*BROUGHT), visits((0, "@fractions"), (0.2, PARTY), first_device=10))
    told = edges_of(scene, district=world({}, FRACTIONS))
    assert {key: edge.standing for key, edge in told.items()} == {
        ("fractions", PARTY): "confirmed",
        ("mathlab", PARTY): "confirmed",
    }
    assert [edge.elsewhere_share for edge in told.values()] == [0.5, 0.5]


def test_of_two_products_that_are_always_open_together_neither_is_named_until_one_was_seen_alone() -> None:
    district = world({}, FRACTIONS)
    together = visits((0, PRODUCT), (0.1, "@fractions"), (0.2, PARTY))
    told = edges_of(among(together), district=district)
    assert [edge.standing for edge in told.values()].count("confirmed") == 0
    apart = [*visits(*BROUGHT, first_device=10), *visits((0, "@fractions"), first_device=20)]
    told = edges_of(among(together, apart), district=district)
    assert {key for key, edge in told.items() if edge.standing == "confirmed"} == {("mathlab", PARTY)}


def test_the_parties_of_one_product_do_not_excuse_each_other() -> None:
    scene = among(visits((0, PRODUCT), (0.2, PARTY), (0.3, "statco.example"), (0.4, "unheard.example")))
    assert [(key[1], edge.standing) for key, edge in edges_of(scene).items()] == [
        (PARTY, "confirmed"),
        ("statco.example", "confirmed"),
        ("unheard.example", "confirmed"),
    ]


def test_a_product_with_fewer_than_ten_visits_has_no_edges() -> None:
    assert edge_of(among(visits(*BROUGHT, devices=3, days=3, hours=1))) is None
    assert edge_of(among(visits(*BROUGHT, devices=5, days=2, hours=1))) is not None


def test_one_device_on_five_days_is_never_enough() -> None:
    edge = found(among(visits(*BROUGHT, devices=1, days=5, hours=8)))
    assert sum(each.devices for each in edge.exposures) == 5
    assert edge.standing == "suspected"
    assert (
        found(among(visits(*BROUGHT, devices=1, days=5), visits(*BROUGHT, devices=2, days=1, first_device=1))).standing
        == "confirmed"
    )


def test_several_days_need_three_hours_of_a_class() -> None:
    assert found(among(visits(*BROUGHT, devices=6, days=2, hours=1))).standing == "suspected"
    assert found(among(visits(*BROUGHT, devices=6, days=3, hours=1))).standing == "confirmed"


def test_one_day_is_enough_with_five_devices_eight_contacts_and_six_different_minutes() -> None:
    eight = visits(*BROUGHT, devices=5, days=1, hours=2)
    assert found(among(eight)).standing == "confirmed"
    four = visits(*BROUGHT, devices=4, days=1, hours=3)
    assert found(among(four)).standing == "suspected"


def test_on_one_day_six_contacts_are_enough_where_they_are_half_of_the_visits() -> None:
    def brought(contacts: int, empty: int) -> Scene:
        return [
            *visits(*BROUGHT, devices=contacts, days=1, hours=1),
            *visits((0, PRODUCT), devices=empty, days=1, hours=1, minute=20),
        ]

    assert found(among(brought(7, 4))).standing == "confirmed"
    assert found(among(brought(7, 14))).standing == "suspected"
    assert found(among(brought(9, 14))).standing == "confirmed"
    assert found(among(brought(5, 5))).standing == "suspected"


def test_on_one_day_a_class_that_opens_a_page_together_is_one_observation() -> None:
    at_once = [
        at(hour * 3600 + second, site=site, device=f"d{device}")
        for hour in range(3)
        for device in range(8)
        for second, site in BROUGHT
    ]
    edge = found(among(at_once))
    assert edge.near_share == 1.0
    assert edge.standing == "suspected"
    # Three minutes of one class; the same contacts spread over minutes weigh eight times as much.
    spread = found(among(visits(*BROUGHT, devices=8, days=1)))
    assert spread.standing == "confirmed"
    assert spread.statistic > 5 * edge.statistic


def test_on_one_day_a_party_of_one_visit_in_six_is_not_enough() -> None:
    empty = [visits((0, PRODUCT), devices=10, days=1, hours=1, minute=minute) for minute in (10, 20, 30, 40)]
    scene = among(
        visits(*BROUGHT, devices=10, days=1, hours=1), *empty, visits((0, PRODUCT), devices=10, days=1, hours=2)
    )
    edge = found(scene)
    assert 0.10 < edge.rate < 0.2
    assert edge.standing == "suspected"


def test_a_lab_that_saw_the_party_stands_in_for_one_test() -> None:
    says = lab(pages=20, brought=7)
    assert found(among(BUSY), said=says).standing == "confirmed"
    assert found(among(RARE), said=says).standing == "confirmed"
    three = found(among(visits(*BROUGHT, devices=3, days=1, hours=4)), said=says)
    assert (three.standing, three.lab) == ("confirmed", "confirms")


def test_a_lab_makes_no_edge_of_two_devices_or_of_replication_alone() -> None:
    says = lab(pages=20, brought=7)
    assert found(among(visits(*BROUGHT, devices=2, days=1, hours=8)), said=says).standing == "suspected"
    assert edge_of(among(visits((0, PRODUCT))), lab=says) is None


def test_a_lab_that_never_saw_the_party_keeps_the_product_out_whatever_the_days_say() -> None:
    assert edge_of(among(visits(*BROUGHT)), lab=lab(pages=20)) is None


def test_a_lab_with_few_pages_or_of_another_product_says_nothing() -> None:
    for says in (lab(pages=19), {"fractions": lab(pages=20)["mathlab"]}):
        edge = found(among(visits(*BROUGHT)), said=says)
        assert (edge.standing, edge.lab) == ("confirmed", "silent")


def test_the_sites_that_stood_open_are_named_with_the_share_that_they_may_have() -> None:
    with_news = visits((0, "news.example"), (3, PRODUCT), (3.2, PARTY), minute=20)
    edge = found(among(visits(*BROUGHT), with_news, visits((0, "news.example"), minute=30)))
    (candidate,) = edge.candidates
    assert (candidate.site, candidate.share) == ("news.example", 0.5)
    assert candidate.rate < 0.02
    assert candidate.posterior < 0.02
    assert edge.confidence > 0.95


def test_a_product_among_the_candidates_goes_by_its_agreement_and_five_are_enough() -> None:
    sites = [f"site{number}.example" for number in range(6)]
    beside = [
        visits((0, site), (2.5, "@fractions"), (3, PRODUCT), (3.2, PARTY), devices=2, minute=8 * place)
        for place, site in enumerate(sites)
    ]
    alone = [visits((0, site), minute=2 + 8 * place) for place, site in enumerate(sites)]
    again = visits((0, "@fractions"), minute=53)
    told = edges_of(among(visits(*BROUGHT), *beside, *alone, again), district=world({}, FRACTIONS))
    edge = told["mathlab", PARTY]
    assert edge.standing == "confirmed"
    assert len(edge.candidates) == 5
    assert edge.candidates[0].site == "fractions"
    assert [candidate.share for candidate in edge.candidates] == sorted(
        (c.share for c in edge.candidates), reverse=True
    )


def test_contacts_while_the_product_was_closed_speak_against_it() -> None:
    elsewhere = visits((0, "news.example"), (0.2, PARTY), first_device=10)
    edge = found(among(visits(*BROUGHT), elsewhere))
    assert edge.elsewhere_share == pytest.approx(0.5)
    assert edge.near_share == pytest.approx(0.5)
    assert edge.standing == "confirmed"


def test_a_contact_that_another_open_site_explains_is_not_credited() -> None:
    # The news page brings the party each time, the product in half of its visits; here both stand open.
    scene = among(
        visits(*BROUGHT),
        visits((0, PRODUCT), minute=10),
        visits((0, "news.example"), (0.2, PARTY), minute=20),
        visits((0, PRODUCT), (4, "news.example"), (4.2, PARTY), days=1, minute=30),
    )
    edge = found(scene)
    # 36 alone; the 12 beside the news page are the news page's.
    assert sum(each.flows for each in edge.exposures) == 36
    assert edge.near_share == pytest.approx(36 / 84)
    assert edge.elsewhere_share == pytest.approx(36 / 84)


def test_exposures_tell_days_schools_and_groups_and_the_ages_of_the_network_file() -> None:
    scene = among(
        visits(*BROUGHT), visits(*BROUGHT, group="k-5", first_device=10, days=1, hours=1, devices=2, minute=20)
    )
    told = [(each.day, each.group, each.audience, each.devices, each.flows) for each in found(scene).exposures]
    days = [FIRST_DAY + timedelta(days=number) for number in range(3)]
    assert told == [
        (days[0], "6-8", "older", 4, 12),
        (days[0], "k-5", "under_13", 2, 2),
        (days[1], "6-8", "older", 4, 12),
        (days[2], "6-8", "older", 4, 12),
    ]


def test_a_party_is_a_domain_of_the_lists_and_a_case_is_about_its_registrable_domain() -> None:
    scene = among(visits((0, PRODUCT), (0.2, "adco.hosted.example")))
    (edge,) = edges_of(scene).values()
    assert (edge.party, edge.subject) == ("adco.hosted.example", "hosted.example")


def test_a_page_that_a_product_sends_its_users_to_has_the_role_of_a_page() -> None:
    referred = visits((0, PRODUCT), (4, "tales.example"))
    by_itself = visits((0, "tales.example"), minute=20, devices=5)
    told = edges_of(among(referred, by_itself))
    assert told["mathlab", "tales.example"].role == "page"


def test_the_order_of_contacts_the_number_of_parts_and_repeats_do_not_show() -> None:
    scene = among(visits(*BROUGHT), BUSY, RARE, visits((0, "news.example"), (0.2, PARTY), minute=40))
    want = edges_of(scene)
    assert want
    assert edges_of(scene[::-1]) == want
    assert edges_of([*scene[1::2], *scene[::2]]) == want


def test_the_edges_come_by_agreement_and_party() -> None:
    keys = list(edges_of(among(visits((0, PRODUCT), (0.2, "statco.example"), (0.3, PARTY)))))
    assert keys == sorted(keys)
    assert len(keys) == 2


def test_an_edge_names_no_device() -> None:
    scene = among(visits(*BROUGHT))
    edge = found(scene)
    assert all(met.device not in repr(edge) for met in scene)
