"""Who else may stand behind a contact: agents, habits of some devices, hubs, and pages that people open by themselves.

Each test only ever takes an accusation away, or says that a domain is a page and no party. Thresholds were set on days
made for the purpose (tests/parts/school_days) and hold on days that nobody has tuned on (docs/decisions/0018).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from rules.contacts import PRODUCT_MARK, WITHHELD_SITE
from rules.habits import NO_HABIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rules.edges import Role
    from rules.windows import Counts, Row

AGENT_LEAST_SITES: Final = 10
AGENT_LEAST_VISITS: Final = 20
AGENT_MEDIAN: Final = 0.05
AGENT_SHARE: Final = 0.8
"""A party that comes at once after nearly every site, about as often after each, belongs to no product."""
AGENT_LEAST_EXPECTED: Final = 3.0
"""A site at which such a party would be expected less often says nothing when it does not come: one in twenty has none
by chance."""

HABIT_LEAST_SITES: Final = 10
HABIT_SHARE: Final = 0.1
HABIT_TIMES: Final = 10.0
"""A party that also follows so many of the other sites on the devices that speak for an edge, and ten times as many as
it follows everywhere, is a habit of those devices: an extension of one class, an agent of one school."""
HABIT_BARELY: Final = 2.0
"""It is one as well where it follows the product hardly more often than those other sites: where a class is half of the
district, nothing comes ten times as often there as everywhere."""
HABIT_LEAST_VISITS: Final = 10
HABIT_LEAST_EXPECTED: Final = 5.0
HABIT_ELSEWHERE: Final = 0.25
"""Where the party follows nothing else that day, the product must bring it a quarter as often as where it does."""
HABIT_SHARE_UNTOLD: Final = 0.1
"""Where no day is without the party elsewhere, nothing can be compared: a smaller share is enough to abstain."""

HUB_VISITS: Final = 0.1
HUB_LEADS: Final = 0.5
HUB_FRESH: Final = 0.5
"""What comes seconds after a site of a tenth of all visits, half of which lead elsewhere, may be of a tool that it
opened unseen."""

INSIDE_SHARE: Final = 0.2
INSIDE_LEAST_QUIET: Final = 10
INSIDE_RATE: Final = 0.4
"""What comes in so many of the windows of another site works inside its pages (a widget). Where that site brings the
party by itself, nearly half as often as the product seems to, the product may only stand for a page that was not seen:
a third to a half of all visits show no flow to the site itself."""

PAGE_SHARE: Final = 0.18
"""A domain that is met unprompted so often is a page that people open; parties are reached through pages."""
PAGE_LEAST_CONTACTS: Final = 10
SURELY_PAGE_SHARE: Final = 0.5
PAGE_FRESH_SHARE: Final = 0.5
"""Whoever looks for a page takes seconds; a party is there at once."""


def pages_in(counts: Counts, *, is_service: Callable[[str], bool]) -> set[str]:
    """Return the domains that people open by themselves; one that was hardly seen is taken for one, as a rival."""
    # Sites whose name was withheld are rivals as well.
    pages = {WITHHELD_SITE} & counts.visits.keys()
    for domain, met in counts.met.items():
        if is_service(domain):
            continue
        share = (counts.alone[domain] + counts.unprompted[domain]) / (2 * met)
        if share >= PAGE_SHARE or met < PAGE_LEAST_CONTACTS:
            pages.add(domain)
    return pages


def answers_everywhere(counts: Counts, *, party: str) -> bool:
    """Return whether *party* comes after nearly every site alike: a filter, an agent, an extension of everybody's."""
    answered = counts.answered[party] if party in counts.answered else Counter[str]()
    shares = sorted(
        (answered[site] / visits, visits)
        for site, visits in counts.visits.items()
        if visits >= AGENT_LEAST_VISITS and site != party
    )
    if len(shares) < AGENT_LEAST_SITES:
        return False
    median = shares[len(shares) // 2][0]
    telling = [share for share, visits in shares if visits * median >= AGENT_LEAST_EXPECTED]
    alike = sum(share >= median / 4 for share in telling)
    return median >= AGENT_MEDIAN and len(telling) >= AGENT_LEAST_SITES and alike >= AGENT_SHARE * len(telling)


def is_habit(rows: Sequence[Row], *, product: str, counts: Counts) -> bool:
    """Return whether the devices that speak for an edge meet its party after whatever they open.

    Args:
        rows: contacts of one party that are credited to the product; not empty.
        product: the product.
        counts: everything.
    """
    habit = counts.habits.get((rows[0].party, product), NO_HABIT)
    share = habit.answered / habit.others if habit.others >= HABIT_LEAST_SITES else 0.0
    elsewhere = counts.answered.get(rows[0].party, Counter[str]())
    if share >= HABIT_SHARE and elsewhere[product] < HABIT_BARELY * share * counts.visits[product]:
        return True
    busy = counts.busy[rows[0].party][product] if rows[0].party in counts.busy else 0
    clear = counts.visits[product] - busy
    if clear < HABIT_LEAST_VISITS:
        return share >= HABIT_SHARE_UNTOLD
    beside = len(rows) * habit.beside / habit.contacts if habit.contacts else 0.0
    expected = clear * beside / busy if busy else 0.0
    if expected >= HABIT_LEAST_EXPECTED and len(rows) - beside < HABIT_ELSEWHERE * expected:
        return True
    everywhere = sum(counts.visits.values()) - counts.visits[product]
    usual = (sum(elsewhere.values()) - elsewhere[product]) / max(everywhere, 1)
    return share >= HABIT_SHARE and share >= HABIT_TIMES * usual


def is_behind_hub(rows: Sequence[Row], *, product: str, counts: Counts) -> bool:
    """Return whether the product is a hub and the party comes late after it, as if behind a tool that it opened.

    Args:
        rows: contacts of one party that are credited to the product; not empty.
        product: the product.
        counts: everything.
    """
    visits = counts.visits[product]
    everything = sum(number for site, number in counts.visits.items() if site.startswith(PRODUCT_MARK))
    if visits < HUB_VISITS * everything or counts.led[product] < HUB_LEADS * visits:
        return False
    fresh = sum((product, True) in row.active for row in rows)
    return fresh < HUB_FRESH * len(rows)


def works_inside(product: str, *, rates: Mapping[str, float], counts: Counts) -> bool:
    """Return whether the product often comes inside the pages of another site that brings the party by itself.

    Args:
        product: the product.
        rates: site -> share of its visits that bring the party, as the model estimates it.
        counts: everything.
    """
    return any(
        rate >= INSIDE_RATE * rates[product]
        and counts.quiet[site] >= INSIDE_LEAST_QUIET
        and counts.bag.get(product, Counter[str]())[site] >= INSIDE_SHARE * counts.quiet[site]
        for site, rate in rates.items()
        if site != product
    )


def role_of(party: str, *, pages: set[str], counts: Counts) -> Role:
    """Return whether *party* is a page that people open by themselves; *pages*: what `pages_in` returned."""
    met = counts.met[party]
    if party not in pages or met < PAGE_LEAST_CONTACTS:
        return "party"
    if (counts.alone[party] + counts.unprompted[party]) / (2 * met) >= SURELY_PAGE_SHARE:
        return "page"
    rows = (row.active for row in counts.rows if row.party == party)
    together = Counter(any(fresh for _site, fresh in active) for active in rows)
    for active, number in counts.others.get(party, {}).items():
        together[any(fresh for _site, fresh in active)] += number
    return "page" if together[True] <= PAGE_FRESH_SHARE * sum(together.values()) else "party"
