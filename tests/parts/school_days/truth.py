"""What is true of a set of days: edges, which of them can be known, and who is innocent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.parts.school_days.facts import World
    from tests.parts.school_days.ledger import Account, Ledger
    from tests.parts.school_days.papers import Papers

# When an edge can be known from the flows at all. The first four are what replication needs; the share is what the
# bag of domains asks for (research says 0.10 of the windows that begin with the product).
MIN_DEVICE_DAYS = 10
MIN_CLEAR = 20
MIN_ALONE = 10
MIN_LESSONS = 3
MIN_SHARE = 0.10
# From so many contacts beside a product on, an innocent pair is a temptation.
MIN_TOGETHER = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A product that really caused contacts with a third party."""

    agreement: str
    """Agreement id."""
    party: str
    """Registrable domain of the party."""
    kind: str | None
    """Kind in the party file; None: in no list."""
    rate: float
    """Chance to fire on a page that carries it, as built; 0.0 where only a widget of another product brings it."""
    visits: int
    """Pages of the product that were opened."""
    contacts: int
    """New flows with a request and a name that it caused."""
    silent: int
    """Requests that no flow of their own shows: reused, coalesced, of a hidden name."""
    clear: int
    """Contacts while nothing else that embeds the party had been opened for a minute."""
    alone: int
    """Contacts while nothing else at all had been opened for a minute, hub and sign-on left aside."""
    share: float
    """Contacts beside a flow of the product, by times that such flows began after a minute without."""
    seen_share: float
    """Share of the contacts beside which, within a minute before, a flow of the product was seen."""
    devices: int
    """Device-days with a contact."""
    lessons: int
    """Lessons of a class with a contact."""
    days: int
    """Days with a contact."""
    via: Literal["page", "widget"]
    """`widget`: only the widget of another product brings it; the wire does not decide whose doing that is."""
    declared: bool
    """The agreement lists the party."""

    @property
    def sufficient(self) -> bool:
        """The flows are enough to know it, for a careful reader."""
        return (
            self.via == "page"
            and self.devices >= MIN_DEVICE_DAYS
            and self.clear >= MIN_CLEAR
            and self.alone >= MIN_ALONE
            and self.lessons >= MIN_LESSONS
            and self.share >= MIN_SHARE
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Innocent:
    """A product beside which a third party was met often, and which did not cause it once."""

    agreement: str
    """Agreement id."""
    party: str
    """Registrable domain of the party."""
    kind: str | None
    """Kind in the party file; None: in no list."""
    together: int
    """Contacts within half a minute after a page of the product."""
    reason: str
    """Who it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    """A product that sends pupils on to a site."""

    agreement: str
    """Agreement id."""
    site: str
    """Registrable domain of the site."""
    devices: int
    """Device-days on which the site was opened soon after the product."""
    declared: bool
    """The agreement lists it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of one set of days."""

    edges: tuple[Edge, ...]
    """Every product and party that belong together."""
    innocents: tuple[Innocent, ...]
    """Tempting pairs that do not."""
    referrals: tuple[Referral, ...]
    """Products that send pupils on."""
    used: dict[str, int]
    """By agreement id: device-days with a page of the product."""
    hinted: frozenset[tuple[str, str]]
    """Products and parties to whom a page opens a connection on which nothing is asked. No edge, and no lie either."""

    def edge(self, agreement: str, party: str) -> Edge | None:
        """Return the edge between the two, or None: innocent."""
        return next((edge for edge in self.edges if (edge.agreement, edge.party) == (agreement, party)), None)


def truth_of(world: World, *, ledger: Ledger, papers: Papers) -> Truth:
    """Return what the books say."""
    kinds = {party.domain: party.kind for party in world.parties}
    edges = [
        _edge(world, number=number, party=domain, account=account, ledger=ledger, papers=papers)
        for (number, domain), account in sorted(ledger.accounts.items())
    ]
    innocents = [
        Innocent(
            agreement=world.services[number].id,
            party=domain,
            kind=kinds.get(domain),
            together=count,
            reason=_reason(world, domain=domain, ledger=ledger, product=number),
        )
        for (number, domain), count in sorted(ledger.together.items())
        if count >= MIN_TOGETHER and (number, domain) not in ledger.accounts
    ]
    referrals = [
        Referral(
            agreement=service.id,
            site=world.services[service.refers].id,
            devices=len(ledger.referred.get((service.number, service.refers), ())),
            declared=world.services[service.refers].id in papers.referrals[service.number],
        )
        for service in world.services[: world.products]
        if service.refers is not None
    ]
    used = {world.services[n].id: len(ledger.visit_device_days[n]) for n in range(world.products)}
    hinted = {
        (service.id, world.hosts[host].domain)
        for service in world.services[: world.products]
        for host in service.preconnects
    }
    return Truth(
        edges=tuple(edges),
        innocents=tuple(innocents),
        referrals=tuple(referrals),
        used=used,
        hinted=frozenset(hinted - {(edge.agreement, edge.party) for edge in edges}),
    )


def _edge(world: World, *, number: int, party: str, account: Account, ledger: Ledger, papers: Papers) -> Edge:
    service = world.services[number]
    own = [embed for embed in service.embeds if world.parties[embed.party].domain == party]
    kinds = {one.domain: one.kind for one in world.parties} if own else {}
    return Edge(
        agreement=service.id,
        party=party,
        kind=kinds.get(party),
        rate=max((embed.rate for embed in own), default=0.0),
        visits=ledger.visits[number],
        contacts=account.contacts,
        silent=account.silent,
        clear=account.clear,
        alone=account.alone,
        share=account.seen / max(1, ledger.openings[number]),
        seen_share=account.seen / max(1, account.contacts),
        devices=len(account.device_days),
        lessons=len(account.lessons),
        days=len(account.days),
        via="page" if own else "widget",
        declared=party in papers.declared[number],
    )


def _reason(world: World, *, domain: str, ledger: Ledger, product: int) -> str:
    for number, words in (
        (world.agent, "an agent on every device answers to each page"),
        (world.extension, "a browser extension of one class follows each page"),
        (world.toolbar, "the toolbar of the one device that demonstrates the product"),
    ):
        if number is not None and world.parties[number].domain == domain:
            return words
    rivals = ledger.rivals.get(domain, frozenset())
    groups, system = world.classes, {world.parties[number].domain for number in world.system}
    # The first that holds: from the one who calls for sure to those who may have.
    told = (
        (bool(rivals & {world.hub, world.sign_on}), "the hub or the sign-on embeds it"),
        (
            any(group.habit and group.habit[0] == product and group.habit[1] in rivals for group in groups),
            "pupils of one class open a site right after the product, and the site embeds it",
        ),
        (
            any(group.pair and product in group.pair and set(group.pair) & rivals for group in groups),
            "its lesson partner embeds it",
        ),
        (world.services[product].refers in rivals, "the site that it refers to embeds it"),
        (domain in system, "the operating system calls it"),
    )
    return next((words for holds, words in told if holds), "another product or site, open at the time, embeds it")
