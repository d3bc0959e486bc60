"""Who else may stand behind a contact: each test takes an accusation away where it must, and only there."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from rules.confounders import answers_everywhere, is_behind_hub, pages_in, role_of
from rules.rehearsal import world
from rules.windows import Counts, Row
from tests.rules.made_contacts import BROUGHT, PARTY, PRODUCT, among, edge_of, edges_of, visits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.device_walk import Cause

FRACTIONS = {
    "id": "fractions",
    "vendor.legal_name": "Fractions Inc.",
    "domains": [{"match": "app.fractions.example"}],
}
"""What makes the example agreement that of another product."""


def row(*active: Cause, party: str = PARTY, device: int = 1) -> Row:
    """Return one contact."""
    return Row(
        party=party, active=active, day=date(2026, 10, 13), device=device, school="north-es", group="6-8",
        at_ms=1_000 * device, until_ms=1_000 * device + 500, flows=1, bytes_up=1, bytes_down=1,
    )  # fmt: skip


def answering(shares: Mapping[str, float], *, visits_each: int = 100) -> Counts:
    """Return counts in which the party follows so large a share of the visits of each site."""
    counts = Counts()
    for site, share in shares.items():
        counts.visits[site] = visits_each
        counts.answered[PARTY][site] = round(share * visits_each)
    return counts


def sites(number: int, share: float) -> dict[str, float]:
    """Return so many sites with one share."""
    return {f"site{place}.example": share for place in range(number)}


def test_a_party_after_nearly_every_site_alike_answers_everywhere() -> None:
    assert answers_everywhere(answering(sites(10, 0.3)), party=PARTY)
    assert answers_everywhere(answering(sites(20, 0.06)), party=PARTY)
    # One site in ten that it spares, and one that it follows each time, change nothing.
    assert answers_everywhere(answering(sites(8, 0.3) | {PRODUCT: 1.0, "spared.example": 0.0}), party=PARTY)


@pytest.mark.parametrize(
    "shares",
    [
        sites(9, 0.3),
        sites(10, 0.04),
        sites(7, 0.3) | {f"spared{place}.example": 0.0 for place in range(3)},
        sites(5, 0.9) | {f"spared{place}.example": 0.0 for place in range(5)},
    ],
    ids=["too few sites to tell", "too seldom", "three in ten spared", "an embed of half of the sites"],
)
def test_whatever_spares_some_sites_or_comes_seldom_is_somebodys_embed(shares: dict[str, float]) -> None:
    assert not answers_everywhere(answering(shares), party=PARTY)


def test_sites_of_few_visits_and_the_party_itself_do_not_speak_of_everywhere() -> None:
    assert not answers_everywhere(answering(sites(12, 0.3), visits_each=19), party=PARTY)
    assert not answers_everywhere(answering(sites(9, 0.3) | {PARTY: 0.3}), party=PARTY)
    assert not answers_everywhere(Counts(), party=PARTY)


def test_an_agent_on_every_device_is_no_products_party() -> None:
    # Each device opens three sites a day, so that no single day shows the agent; all of them together do.
    names = [PRODUCT, *(f"site{place}.example" for place in range(11))]
    scene = [
        met
        for first in range(0, len(names), 3)
        for place, name in enumerate(names[first : first + 3])
        for met in visits((0, name), (0.2, PARTY), first_device=10 * first, minute=10 * place)
    ]
    assert edge_of(scene) is None


def test_an_agent_of_one_device_is_left_out_and_the_party_of_the_others_stays() -> None:
    names = [PRODUCT, *(f"site{place}.example" for place in range(7))]
    agent = [
        met for place, name in enumerate(names) for met in visits((0, name), (0.2, PARTY), devices=1, minute=6 * place)
    ]
    elsewhere = visits((0, PRODUCT), first_device=10)
    assert edge_of(among(agent, elsewhere)) is None
    brought = edge_of(among(agent, visits(*BROUGHT, first_device=10)))
    assert brought is not None
    assert brought.standing == "confirmed"
    assert sum(each.devices for each in brought.exposures) == 12


def test_an_extension_of_one_class_makes_no_edge_of_the_product_that_the_class_uses_most() -> None:
    # The class opens the product and two more sites a day; a report follows each. Another class has no extension.
    extended = [
        *visits(*BROUGHT),
        *visits((0, "tales.example"), (0.2, PARTY), hours=1, minute=10),
        *visits((0, "games.example"), (0.2, PARTY), hours=1, minute=20),
    ]
    edge = edge_of(among(extended, visits((0, PRODUCT), first_device=10)))
    assert edge is None or edge.standing == "suspected"
    # The same visits without the reports on other sites are the product's doing.
    honest = [met for met in extended if met.contact.site != PARTY]
    brought = [met for met in visits(*BROUGHT) if met.contact.site == PARTY]
    edge = edge_of(among(honest, brought, visits((0, PRODUCT), first_device=10)))
    assert edge is not None
    assert edge.standing == "confirmed"


def led(*, by: str, visits_of: int, leading: int, of_all: int = 1_000) -> Counts:
    """Return counts of a product that so many times leads elsewhere."""
    counts = Counts()
    counts.visits.update({by: visits_of, "@rest": of_all - visits_of, "news.example": 5_000})
    counts.led[by] = leading
    return counts


LATE = [row((PRODUCT, False), device=number) for number in range(10)]
FRESH = [row((PRODUCT, True), device=number) for number in range(10)]


def test_what_comes_late_after_a_hub_may_be_of_the_tool_that_it_opened() -> None:
    hub = led(by=PRODUCT, visits_of=100, leading=50)
    assert is_behind_hub(LATE, product=PRODUCT, counts=hub)
    assert is_behind_hub([*LATE, *FRESH[:9]], product=PRODUCT, counts=hub)


def test_what_comes_at_once_after_a_hub_is_the_hubs_own() -> None:
    hub = led(by=PRODUCT, visits_of=100, leading=50)
    assert not is_behind_hub(FRESH, product=PRODUCT, counts=hub)
    assert not is_behind_hub([*LATE, *FRESH], product=PRODUCT, counts=hub)
    # A row in which another site is fresh does not make the hub fresh.
    assert is_behind_hub([row((PRODUCT, False), ("@tool", True))], product=PRODUCT, counts=hub)


def test_a_product_that_is_rarely_opened_or_leads_nowhere_is_no_hub() -> None:
    assert not is_behind_hub(LATE, product=PRODUCT, counts=led(by=PRODUCT, visits_of=99, leading=99))
    assert not is_behind_hub(LATE, product=PRODUCT, counts=led(by=PRODUCT, visits_of=100, leading=49))


def test_a_late_party_of_a_hub_is_only_suspected_and_one_of_a_plain_product_confirmed() -> None:
    # Much else is opened as well, so that nothing but the product stands behind what comes late.
    late = [*visits((0, PRODUCT), (3, PARTY)), *visits((0, "tales.example"), devices=40, first_device=40)]
    leads = visits((0, PRODUCT), (4, "@fractions"), devices=8, first_device=20)
    told = edges_of(among(late, leads), district=world({}, FRACTIONS))
    assert told["mathlab", PARTY].standing == "suspected"
    alone = visits((0, PRODUCT), devices=8, first_device=20)
    plain = edges_of(among(late, alone), district=world({}, FRACTIONS))
    assert plain["mathlab", PARTY].standing == "confirmed"


def met(*, contacts: int, alone: int = 0, unprompted: int = 0, domain: str = PARTY) -> Counts:
    """Return counts of contacts with one domain."""
    counts = Counts()
    counts.met[domain], counts.alone[domain], counts.unprompted[domain] = contacts, alone, unprompted
    return counts


def never(_domain: str) -> bool:
    """Return that nothing is a service."""
    return False


def test_a_domain_that_is_often_met_unprompted_is_a_page() -> None:
    assert pages_in(met(contacts=100, alone=18, unprompted=18), is_service=never) == {PARTY}
    assert pages_in(met(contacts=100, alone=36, unprompted=0), is_service=never) == {PARTY}
    assert pages_in(met(contacts=100, alone=17, unprompted=18), is_service=never) == set()


def test_a_domain_that_was_hardly_met_is_taken_for_a_page_as_a_rival_and_named_as_none() -> None:
    counts = met(contacts=9)
    pages = pages_in(counts, is_service=never)
    assert pages == {PARTY}
    assert role_of(PARTY, pages=pages, counts=counts) == "party"


def test_a_business_that_serves_others_is_never_a_page() -> None:
    assert pages_in(met(contacts=100, alone=90, unprompted=90), is_service=lambda domain: domain == PARTY) == set()


def test_a_page_that_half_of_its_visitors_come_to_unprompted_is_a_page_however_fast_others_come() -> None:
    counts = met(contacts=20, alone=10, unprompted=10)
    counts.rows = [row((PRODUCT, True), device=number) for number in range(10)]
    assert role_of(PARTY, pages={PARTY}, counts=counts) == "page"


def test_a_domain_that_comes_at_once_is_a_party_and_one_that_people_look_for_a_page() -> None:
    counts = met(contacts=20, alone=5, unprompted=5)
    counts.rows = [row((PRODUCT, True), device=number) for number in range(8)]
    counts.others[PARTY][("news.example", True),] = 3
    counts.others[PARTY][("news.example", False),] = 4
    assert role_of(PARTY, pages={PARTY}, counts=counts) == "party"
    counts.others[PARTY][("news.example", False),] = 11
    assert role_of(PARTY, pages={PARTY}, counts=counts) == "page"


def test_what_is_in_no_way_opened_by_itself_is_a_party() -> None:
    assert role_of(PARTY, pages=set(), counts=met(contacts=20)) == "party"


def test_an_unlisted_domain_that_people_open_competes_and_one_that_only_products_bring_does_not() -> None:
    # Right before the party stands a domain in no list: a party of the product itself, or the page that explains it.
    chain = visits((0, PRODUCT), (0.1, "unheard.example"), (0.2, PARTY))
    told = edges_of(among(chain))
    assert told["mathlab", PARTY].standing == told["mathlab", "unheard.example"].standing == "confirmed"
    opened = visits((0, "unheard.example"), (0.2, PARTY), first_device=10, devices=8)
    assert ("mathlab", PARTY) not in edges_of(among(chain, opened, visits((0, PRODUCT), first_device=20)))
