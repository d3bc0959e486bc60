"""Whom an agreement accounts for: the vendor and its group, and everybody whom it names as a recipient of data.

One answer for every rule about third parties, so that no two of them disagree about who is a stranger. In doubt a host
is no stranger: the rules abstain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.hosts import SuffixTable, normal_name, registrable_domain
from rules.agreements.model import listed_third_parties
from rules.company_names import company
from rules.matching import rows_naming, same_vendor_key
from rules.parties import DELIVERY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rules.agreements.model import Agreement, ThirdParty
    from rules.findings import Verdict
    from rules.parties import Kind, Party

TRACKING: Final[frozenset[Kind]] = frozenset({"advertising", "data_broker"})
"""What counts as tracking, and as a commercial interest (contract, section 6)."""

NOBODYS: Final[frozenset[Kind]] = frozenset({"operating_system", "identity"})
"""Kinds of party that no product is asked about: what a device does by itself, and where a person signs on."""

GROUP: Final = frozenset({"owner", "affiliate"})
"""Disclosed relationships that make a company part of the vendor's group; a partner or an investor is none."""

# One entry per agreement and edition; when full the memory begins anew, which costs look-ups and loses nothing.
MOST_CIRCLES = 4_096


class Circle:
    """The vendor of one agreement, its group, and those whom the agreement names.

    Args:
        agreement: the agreement.
        claimed: what agreements claim for their products alone -> key of the vendor, who may have several agreements.
        party_of: host -> its owner by the party lists, None: in no list.
    """

    def __init__(
        self, agreement: Agreement, *, claimed: SuffixTable[str], party_of: Callable[[str], Party | None]
    ) -> None:
        self._agreement = agreement
        self._claimed = claimed
        self._party_of = party_of
        own = [normal_name(row.match) for row in agreement.domains if not row.shared]
        # Whoever merely rents out the servers of a product is not its vendor.
        own_parties = [party for party in self._parties(own) if party.kind not in DELIVERY]
        self._matches = _table(row.match for row in agreement.domains)
        self._siblings = {registrable_domain(name) for name in own}
        relationships = (agreement.interests.relationships if agreement.interests else None) or ()
        group = [relation for relation in relationships if relation.kind in GROUP]
        group_domains = [normal_name(domain) for relation in group for domain in relation.domains or ()]
        self._group_domains = {registrable_domain(name) for name in group_domains}
        vendor, legal_name = agreement.vendor, company(agreement.vendor.legal_name)
        self._vendor_names = {
            legal_name,
            *(name for party in own_parties for name in _service_names(party)),
            # A list may spell the vendor's name otherwise than the agreement, and its other domains so only.
            *(owner for owners in map(owners_of, own_parties) if legal_name in owners for owner in owners),
        }
        self._group_names = {
            *self._vendor_names,
            *(owner for owners in map(owners_of, own_parties) for owner in owners),
            *(company(name) for name in [vendor.parent_company, *(relation.name for relation in group)] if name),
            *(
                owner
                for party in self._parties(group_domains)
                if party.kind not in DELIVERY
                for owner in owners_of(party)
            ),
        }
        named = [normal_name(domain) for row in listed_third_parties(agreement) for domain in row.domains or ()]
        # What such data are used for, and where they go: the agreement tells of these recipients as well. A disclosed
        # relationship says who has a stake in the vendor, and not that data go there.
        named += [normal_name(domain) for activity in agreement.improvement or () for domain in activity.domains or ()]
        self._named = _table(named)
        self._named_domains = {registrable_domain(name) for name in named}
        self._named_parties = self._parties(named)

    def is_vendor(self, host: str, *, party: Party | None) -> bool:
        """Return whether *host* is the vendor's: in its rows or another of its agreements, a sibling, owned by it."""
        if self._matches.covers(host) or registrable_domain(host) in self._siblings:
            return True
        if same_vendor_key(self._agreement) in self._claimed.find(host)[:1]:
            return True
        return party is not None and not names_of(party).isdisjoint(self._vendor_names)

    def is_group(self, host: str, *, party: Party | None) -> bool:
        """Return whether *host* belongs to the vendor, to its owner, or to another company of that owner."""
        if self.is_vendor(host, party=party) or registrable_domain(host) in self._group_domains:
            return True
        return party is not None and not names_of(party).isdisjoint(self._group_names)

    def is_named(self, host: str, *, party: Party | None) -> bool:
        """Return whether the agreement names *host* as a recipient, or another domain of the same company."""
        if self._named.covers(host) or registrable_domain(host) in self._named_domains:
            return True
        return party is not None and any(same_company(named, party=party) for named in self._named_parties)

    def rows(self, host: str, *, party: Party | None) -> tuple[ThirdParty, ...]:
        """Return the rows of the third-party list that mean *host*, by domain or by the bare name of its owner."""
        domain = registrable_domain(host)
        by_domain = tuple(
            row
            for row in listed_third_parties(self._agreement)
            if (names := [normal_name(each) for each in row.domains or ()])
            and (
                _table(names).covers(host)
                or domain in map(registrable_domain, names)
                or (party is not None and any(same_company(each, party=party) for each in self._parties(names)))
            )
        )
        return by_domain + (rows_naming(self._agreement, party.names) if party is not None else ())

    def verdict(self, *, party: Party | None) -> Verdict:
        """Return what the agreement says of a third party that it does not name by a domain (contract, section 6)."""
        if party is not None and rows_naming(self._agreement, party.names):
            return "declared_vaguely"
        terms = self._agreement.third_parties
        return "contradicted" if terms.list_is == "complete" and terms.unlisted == "forbidden" else "undeclared"

    def _parties(self, names: Iterable[str]) -> list[Party]:
        return [party for name in names if (party := self._party_of(name)) is not None]


class Circles:
    """The circle of each agreement, made once, and which hosts belong to a product of anybody's.

    Args:
        agreements: every agreement of the district, whatever its dates.
        party_of: host -> its owner by the party lists, None: in no list.
    """

    def __init__(self, agreements: Iterable[Agreement], *, party_of: Callable[[str], Party | None]) -> None:
        self.party_of = party_of
        self._claimed: SuffixTable[str] = SuffixTable()
        self._claimed_domains: set[str] = set()
        for agreement in agreements:
            for row in agreement.domains:
                # A shared row tells of a host that many vendors use, so it makes nothing the vendor's.
                if not row.shared:
                    self._claimed.add(row.match, same_vendor_key(agreement))
                    self._claimed_domains.add(registrable_domain(normal_name(row.match)))
        self._made: dict[int, tuple[Agreement, Circle]] = {}

    def of(self, agreement: Agreement) -> Circle:
        """Return the circle of *agreement*."""
        # By identity: to hash or compare an agreement would cost more than to make the circle. The entry holds the
        # agreement, so that no other can take its place in memory.
        known = self._made.get(id(agreement))
        if known is None:
            if len(self._made) >= MOST_CIRCLES:
                self._made.clear()
            circle = Circle(agreement, claimed=self._claimed, party_of=self.party_of)
            known = self._made[id(agreement)] = (agreement, circle)
        return known[1]

    def is_stranger(self, host: str, *, agreement: Agreement, party: Party | None) -> bool:
        """Return whether neither *agreement* nor any other accounts for *host*, and the list is to name everybody."""
        # What is not listed is allowed there, so nobody is a stranger.
        if agreement.third_parties.unlisted == "allowed" or (party is not None and party.kind in NOBODYS):
            return False
        if self.have_agreement(host):
            return False
        circle = self.of(agreement)
        return not (circle.is_group(host, party=party) or circle.is_named(host, party=party))

    def have_agreement(self, host: str) -> bool:
        """Return whether *host* belongs to a product with an agreement of its own, of whatever date."""
        return self._claimed.covers(host) or registrable_domain(host) in self._claimed_domains


def same_company(named: Party, *, party: Party) -> bool:
    """Return whether naming a domain of *named* declares *party* as well: same owner, and a business of its kind.

    Two lines of business stay apart: who declares a company's servers has not declared its advertising. A domain of
    which the lists know nothing but the owner is in no line of business that could stand apart.
    """
    if owners_of(named).isdisjoint(owners_of(party)):
        return False
    if named.kind == party.kind or not party.business_known:
        return True
    return named.kind not in DELIVERY and party.kind not in TRACKING


def names_of(party: Party) -> set[str]:
    """Return what all lists call the service and its owner, as companies are compared."""
    return set(map(company, party.names))


def owners_of(party: Party) -> set[str]:
    """Return what all lists call the owner, as companies are compared."""
    return set(map(company, party.owners))


def _service_names(party: Party) -> set[str]:
    # A list that knows only owners calls the service by the owner's name, and the owner need not be the vendor.
    return {company(party.name), *(set(map(company, party.other_names)) - owners_of(party))}


def _table(names: Iterable[str]) -> SuffixTable[None]:
    table: SuffixTable[None] = SuffixTable()
    for name in names:
        table.add(name, None)
    return table
