"""Turns an event into a sighting: which promise, which product, which owner, which group, which hour it is about."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from collector.hosts import SuffixTable, covers, registrable_domain
from rules.agreements.model import listed_third_parties
from rules.checks.base import Sighting
from rules.contacts import PRODUCT_MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from collector.events import FlowEvent
    from collector.segments import Network
    from rules.agreements.model import Agreement
    from rules.coverage import FlowVerdict
    from rules.matching import Claim, Register
    from rules.parties import Party, PartyTable

# Hosts times days that are remembered; when full the memory begins anew, which costs look-ups and loses nothing.
MAX_REMEMBERED_PLACES = 65_536

MARKETING_SITE = "marketing_site"


class Place(NamedTuple):
    """What is known of a host on a date."""

    domain: str
    """Registrable domain."""
    claim: Claim | None
    """The agreement and row that covers it."""
    product: Agreement | None
    """The agreement, when the host is the product's own."""
    party: Party | None
    """Its owner by the party lists."""
    verdict: FlowVerdict
    """What the agreements say of flows to it."""
    site: str
    """What attribution calls it (`rules.contacts`): the product, else the longest domain that a party list names, else
    the registrable domain; empty: nothing to attribute."""


NOWHERE = Place(domain="", claim=None, product=None, party=None, verdict="unknown", site="")


class Sightings:
    """Makes sightings by the agreements, party lists and network file of one district."""

    def __init__(self, *, register: Register, parties: PartyTable, network: Network) -> None:
        self._register = register
        self._parties = parties
        self._network = network
        self._declared: SuffixTable[None] = SuffixTable()
        for agreement in register.agreements:
            for name in _named(agreement):
                self._declared.add(name, None)
        self._places: dict[tuple[str, date], Place] = {}
        self._hours: dict[date, tuple[datetime, datetime] | None] = {}
        self._under_13 = {key for key, facts in network.groups.items() if facts.under_13 and facts.role != "staff"}

    def started(self, event: FlowEvent) -> datetime:
        """Return when the event began, in the district's time zone."""
        return datetime.fromisoformat(event.started_at).astimezone(self._network.time_zone)

    def place(self, event: FlowEvent, *, day: date) -> Place:
        """Return what is known of the event's server on its local date."""
        host = event.server_name
        if host is None:
            return NOWHERE
        place = self._places.get((host, day))
        if place is None:
            if len(self._places) >= MAX_REMEMBERED_PLACES:
                self._places.clear()
            place = self._places[host, day] = self._look_up(host, day)
        return place

    def sighting(self, event: FlowEvent, *, started: datetime, place: Place) -> Sighting | None:
        """Return the event as a sighting, None: no case can come of it (address in no segment, no device, DNS)."""
        if event.school is None or event.group is None or event.device is None or event.app == "dns":
            return None
        day = started.date()
        return Sighting(
            event=event,
            started=started,
            day=day,
            hours=self._school_day(day),
            host=event.server_name,
            domain=place.domain,
            claim=place.claim,
            product=place.product,
            party=place.party,
            under_13=(event.school, event.group) in self._under_13,
        )

    def _school_day(self, day: date) -> tuple[datetime, datetime] | None:
        try:
            return self._hours[day]
        except KeyError:
            # One entry per date of the input: a school year has fewer than four hundred.
            return self._hours.setdefault(day, self._network.school_day_bounds(day))

    def _look_up(self, host: str, day: date) -> Place:
        claim = self._register.claim(host, on=day)
        party = self._parties.find(host)
        product: Agreement | None = None
        verdict: FlowVerdict = "unknown" if party is None else "unattributed"
        if claim is not None:
            verdict = "declared" if claim.domain.shared else "own"
            if not claim.domain.shared and claim.domain.role != MARKETING_SITE:
                product = claim.agreement
        elif self._declared.covers(host):
            verdict = "declared"
        domain = registrable_domain(host)
        return Place(domain, claim, product, party, verdict, _site(host, domain=domain, product=product, party=party))


def _site(host: str, *, domain: str, product: Agreement | None, party: Party | None) -> str:
    if product is not None:
        return f"{PRODUCT_MARK}{product.id}"
    listed = (name for name in (party.domains if party else ()) if covers(name, host))
    return max((domain, *listed), key=len)


def _named(agreement: Agreement) -> Iterator[str]:
    """Yield the domains of others that *agreement* names."""
    rows: Iterable[tuple[str, ...] | None] = (
        *(row.domains for row in listed_third_parties(agreement)),
        *(activity.domains for activity in agreement.improvement or ()),
    )
    for domains in rows:
        yield from domains or ()
