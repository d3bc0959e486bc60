"""6d, third parties behind the vendor's own names: a CNAME chain that leads to somebody whom the agreement omits.

The chain is what the device's own resolver answered, so it proves the path and needs no statistics. Who stands at its
end is judged with restraint: a delivery network is no scandal, and whom a third party rents its servers from is that
party's choice, not this vendor's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from collector.hosts import registrable_domain
from rules.checks.base import Conclusion, Example, Observation
from rules.checks.circle import owners_of
from rules.checks.wording import extent, listed_as, product_of, says, says_of_list
from rules.parties import DELIVERY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rules.agreements.model import Agreement
    from rules.checks.base import Evidence, Maturity, Need, Scope, Sighting
    from rules.checks.circle import Circles
    from rules.findings import RuleId
    from rules.parties import Party

SIX_D = "6d"

Role = Literal["delivery", "third party"]
"""Delivery is never more than `info` (contract, section 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A name in a chain that belongs neither to the vendor nor to anybody whom the agreement names."""

    hop: str
    """The name in the chain."""
    party: Party | None
    """Its owner by the party lists; None: in no list."""
    role: Role
    """Whether it merely delivers."""


class CnameCloakedThirdParty:
    """A vendor's own name resolves by CNAME to a third party that is not declared.

    Args:
        circles: whom each agreement accounts for.
    """

    id: RuleId = "cname-cloaked-third-party"
    clauses = (SIX_D,)
    maturity: Maturity = "stable"
    scope: Scope = "own"
    signal = "The CNAME chain in the DNS answer that a device was given for a host of the product."
    fields = (
        "domains.match",
        "third_parties.list_is",
        "third_parties.unlisted",
        "third_parties.list",
        "improvement.domains",
        "interests.relationships",
        "vendor.parent_company",
    )
    needs: tuple[Need, ...] = ("party_list",)
    blind_to = (
        "Chains of look-ups that are encrypted or were made before the tap began; what the third party receives, and "
        "on which terms."
    )
    examples = (
        Example(
            title="a metrics name of the product leads to an advertising company",
            events=({"server_name": "metrics.mathlab.example", "cnames": ("mathlab.in.adco.example",)},),
            opens=True,
        ),
        Example(
            title="a delivery network that is not declared, as a matter of information",
            events=({"cnames": ("mathlab.map.fastedge.example",)},),
            opens=True,
        ),
        Example(
            title="the vendor's own names, its shared host and a declared party, with the declared party's own host",
            events=(
                {"cnames": ("lb.mathlab.example", "mathlab.sharededge.example")},
                {"cnames": ("mathlab.eu.hostco.example", "e7.rented.example")},
                {"cnames": ("start.mathlab-pages.example",)},
            ),
            opens=False,
        ),
        Example(
            title="unlisted parties are allowed",
            agreement={"third_parties.unlisted": "allowed"},
            events=({"cnames": ("mathlab.in.adco.example",)},),
            opens=False,
        ),
        Example(
            title="somebody else's name leads there",
            events=({"server_name": "stats.news.example", "cnames": ("news.in.adco.example",)},),
            opens=False,
        ),
    )

    def __init__(self, circles: Circles) -> None:
        self._circles = circles

    def observe(self, sighting: Sighting) -> Iterable[Observation]:
        """Return one observation per stranger in the chain of a name of the product."""
        agreement = sighting.product
        # A marketing site belongs to another contract than the product's and says nothing about pupils' data.
        if agreement is None or not sighting.event.cnames or agreement.third_parties.unlisted == "allowed":
            return ()
        return [
            Observation(
                agreement=agreement.id,
                clause=SIX_D,
                subject=registrable_domain(stranger.hop),
                verdict=self._circles.of(agreement).verdict(party=stranger.party),
                detail=f"{stranger.role}, behind {sighting.host}",
                about=stranger.hop,
            )
            for stranger in self._strangers(sighting, agreement)
        ]

    def _strangers(self, sighting: Sighting, agreement: Agreement) -> Iterator[Stranger]:
        """Yield, in order, whom the chain passes and the agreement does not name."""
        circle = self._circles.of(agreement)
        abroad = False
        seen: set[str] = set()
        for hop in sighting.event.cnames:
            party = self._circles.party_of(hop)
            if circle.is_group(hop, party=party) or _same_owner(sighting.party, party):
                continue
            domain = registrable_domain(hop)
            known_other = party is not None and party.business_known and party.kind not in DELIVERY
            # Behind a first stranger, or a declared party, only somebody of a known other business still counts.
            counts = known_other or not abroad
            abroad = True
            if not counts or domain in seen or circle.is_named(hop, party=party):
                continue
            seen.add(domain)
            delivers = party is not None and party.kind in DELIVERY
            yield Stranger(hop=hop, party=party, role="delivery" if delivers else "third party")

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case for any such chain: the answer of a resolver is direct proof of the path."""
        agreement = evidence.agreement
        if agreement is None or agreement.third_parties.unlisted == "allowed":
            return None
        party = evidence.party
        verdict = self._circles.of(agreement).verdict(party=party)
        delivers = party is not None and party.kind in DELIVERY
        who = f"{party.name} ({evidence.subject}, {listed_as(party)})" if party else evidence.subject
        named = "named there without its host names" if verdict == "declared_vaguely" else "not in its list"
        return Conclusion(
            verdict=verdict,
            severity="info" if delivers or verdict == "declared_vaguely" else "warning",
            findings=evidence.findings,
            summary=f"A host name of {product_of(agreement)} appears to lead to {who}, which is {named}; seen "
            f"{extent(evidence.findings)}.",
            agreement_says=says(agreement, "third_parties", text=says_of_list(agreement)),
            cannot_see="What the third party receives, and on which terms it works for the vendor, cannot be seen on "
            "the network.",
        )


def _same_owner(own: Party | None, party: Party | None) -> bool:
    """Return whether both are one company's; whoever merely rents out the server of *own* is not its vendor."""
    if own is None or party is None or own.kind in DELIVERY:
        return False
    return not owners_of(own).isdisjoint(owners_of(party))
