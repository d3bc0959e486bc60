"""Which agreement speaks for a host on a day, and what it says about that host. Pure; dates come in as arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.hosts import SuffixTable, covers, normal_name, registrable_domain
from rules.agreements.model import listed_third_parties
from rules.agreements.standing import period, status_on

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

        An agreement in force wins over one that is not; then the longest match; then a host of its own over a shared
        one; then (renewals) the agreement nearest in time, a draft last.
        """
        key = (host, on)
        try:
            return self._claims[key]
        except KeyError:
            pass
        if len(self._claims) >= _REMEMBERED_CLAIMS:
            self._claims.clear()
        found = min(self._table.find(host), key=lambda claim: _rank(claim, on=on), default=None)
        self._claims[key] = found
        return found

    def covers(self, host: str) -> bool:
        """Tell whether any agreement covers *host*, on whatever date."""
        return self._table.covers(host)


def _rank(claim: Claim, *, on: date) -> tuple[bool, int, bool, bool, int, str]:
    standing = status_on(claim.agreement, on)
    first, last = period(claim.agreement)
    away = (first - on).days if on < first else (on - last).days if on > last else 0
    return (
        standing != "in_force",
        -len(normal_name(claim.domain.match)),
        bool(claim.domain.shared),
        # A draft says what may hold one day; an agreement that held once says more about a product in use now.
        standing == "draft",
        away,
        claim.agreement.id,
    )


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
    """Return the rows without any domain whose name is one of *names* (a party and its owner), whatever the case."""
    wanted = {name.casefold().strip() for name in names}
    return tuple(
        row for row in listed_third_parties(agreement) if not row.domains and row.name.casefold().strip() in wanted
    )
