"""Which agreement speaks for a host on a day, and what it says about that host. Pure; dates come in as arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.hosts import SuffixTable, covers, normal_name, registrable_domain
from rules.agreements.model import listed_third_parties
from rules.agreements.standing import period, status_on
from rules.company_names import company

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from rules.agreements.model import Agreement, Domain, ThirdParty

# Hosts and days of one run; when full the memory begins anew, which costs look-ups and loses nothing.
_REMEMBERED_CLAIMS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An agreement that covers a host, and the row of `domains` by which it does."""

    agreement: Agreement
    """The agreement."""
    domain: Domain
    """Its longest match that covers the host."""


class Register:
    """All agreements of a district, found by host name."""

    def __init__(self, agreements: Iterable[Agreement]) -> None:
        self.agreements = tuple(agreements)
        self._table: SuffixTable[Claim] = SuffixTable()
        for agreement in self.agreements:
            for domain in agreement.domains:
                self._table.add(domain.match, Claim(agreement=agreement, domain=domain))
        self._claims: dict[tuple[str, date], Claim | None] = {}

    def claim(self, host: str, *, on: date) -> Claim | None:
        """Return the claim on *host* (lower case, no final dot) that counts on the local date *on*, or None.

        The longest match wins; of equal ones that of an agreement in force, then a host of its own over a shared one,
        then the agreement nearest in time, a draft last. Where the winner is not in force, an agreement for the same
        product that is, a renewal with other matches, stands in for it.
        """
        key = (host, on)
        try:
            return self._claims[key]
        except KeyError:
            pass
        if len(self._claims) >= _REMEMBERED_CLAIMS:
            self._claims.clear()
        found = _winner(self._table.find(host), on=on)
        self._claims[key] = found
        return found

    def covers(self, host: str) -> bool:
        """Tell whether any agreement covers *host*, on whatever date."""
        return self._table.covers(host)


def _winner(claims: Iterable[Claim], *, on: date) -> Claim | None:
    ranked = sorted(claims, key=lambda claim: _rank(claim, on=on))
    if not ranked:
        return None
    first = ranked[0]
    if status_on(first.agreement, on) == "in_force":
        return first
    in_force = (claim for claim in ranked[1:] if status_on(claim.agreement, on) == "in_force")
    return next((claim for claim in in_force if _same_product(claim.agreement, first.agreement)), first)


def _rank(claim: Claim, *, on: date) -> tuple[int, bool, bool, bool, int, str]:
    standing = status_on(claim.agreement, on)
    first, last = period(claim.agreement)
    away = (first - on).days if on < first else (on - last).days if on > last else 0
    return (
        -len(normal_name(claim.domain.match)),
        standing != "in_force",
        bool(claim.domain.shared),
        # A draft says what may hold one day; an agreement that held once says more about a product in use now.
        standing == "draft",
        away,
        claim.agreement.id,
    )


def _same_product(one: Agreement, other: Agreement) -> bool:
    """Return whether both are agreements with one vendor about one product, so that one may renew the other.

    A vendor's second product under a name beneath the first one's keeps its own agreement, in force or not.
    """
    if same_vendor_key(one) != same_vendor_key(other):
        return False
    if {_plain(product.name) for product in one.products} & {_plain(product.name) for product in other.products}:
        return True
    # A renewal may come with a new name of the product; then nothing but the dates tell it from a second product.
    (one_first, one_last), (other_first, other_last) = period(one), period(other)
    return one_last < other_first or other_last < one_first


def _plain(name: str) -> str:
    """Return *name* without case, spaces and punctuation: `MathTrek Learning, Inc.` is `MathTrek Learning Inc`."""
    return "".join(char for char in name.casefold() if char.isalnum())


def same_vendor_key(agreement: Agreement) -> str:
    """Return what two agreements with one vendor have in common: its legal name without case and punctuation."""
    return _plain(agreement.vendor.legal_name)


def own_subject(agreement: Agreement) -> str:
    """Return what a case about the vendor itself is about: the registrable domain of its first own, unshared match.

    Where every match is shared, the first one serves (contract, section 5).
    """
    own = next((domain for domain in agreement.domains if not domain.shared), agreement.domains[0])
    return registrable_domain(normal_name(own.match))


def declared_rows(agreement: Agreement, host: str) -> tuple[ThirdParty, ...]:
    """Return the rows of the third-party list with a domain that covers *host*."""
    return tuple(
        row for row in listed_third_parties(agreement) if any(covers(domain, host) for domain in row.domains or ())
    )


def rows_naming(agreement: Agreement, names: Iterable[str]) -> tuple[ThirdParty, ...]:
    """Return the rows without any domain whose name is one of *names* (a party and its owner), however spelt."""
    wanted = {company(name) for name in names}
    return tuple(row for row in listed_third_parties(agreement) if not row.domains and company(row.name) in wanted)
