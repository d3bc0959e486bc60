"""6d, third parties behind the vendor's own names: a CNAME chain that leads to somebody whom the agreement omits.

The chain is what the device's own resolver answered, so it proves the path and needs no statistics. Who stands at its
end is judged with restraint: a delivery network is no scandal, and whom a third party rents its servers from is that
party's choice, not this vendor's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from collector.hosts import covers, normal_name, registrable_domain
from rules.checks.base import Conclusion, Example, Observation
from rules.checks.wording import extent, product_of, says
from rules.matching import rows_naming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rules.agreements.model import Agreement
    from rules.checks.base import Evidence, Maturity, Sighting
    from rules.findings import RuleId, Verdict
    from rules.parties import Party

SIX_D = "6d"

DELIVERY: Final = frozenset({"cdn", "hosting"})
"""Kinds of party that carry other people's content: never more than `info` (contract, section 3)."""

Role = Literal["delivery", "third party"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A name in a chain that belongs neither to the vendor nor to anybody whom the agreement names."""

    hop: str
    """The name in the chain."""
    party: Party | None
    """Its owner by the party lists; None: in no list."""
    role: Role
    """Whether it merely delivers."""


LISTS = {"complete": "complete", "partial": "not complete", "not_provided": "not provided"}
UNLISTED = {"forbidden": "others are forbidden", "notify": "others must be announced", "allowed": "others are allowed"}


class CnameCloakedThirdParty:
    """A vendor's own name resolves by CNAME to a third party that is not declared.

    Args:
        party_of: host -> its owner by the party lists, None: in no list.
    """

    id: RuleId = "cname-cloaked-third-party"
    clauses = (SIX_D,)
    maturity: Maturity = "stable"
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

    def __init__(self, party_of: Callable[[str], Party | None]) -> None:
        self._party_of = party_of

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
                verdict=self._verdict(agreement, stranger.party),
                detail=f"{stranger.role}, behind {sighting.host}",
                about=stranger.hop,
            )
            for stranger in self._strangers(sighting, agreement)
        ]

    def _strangers(self, sighting: Sighting, agreement: Agreement) -> Iterator[Stranger]:
        """Yield, in order, whom the chain passes and the agreement does not name."""
        abroad = False
        seen: set[str] = set()
        for hop in sighting.event.cnames:
            party = self._party_of(hop)
            if self._is_vendors(hop, agreement=agreement, party=party, own=sighting.party):
                continue
            domain = registrable_domain(hop)
            known_other = party is not None and party.kind not in DELIVERY
            # Behind a first stranger, or a declared party, only somebody of a known other business still counts.
            counts = known_other or not abroad
            abroad = True
            if not counts or domain in seen or self._is_named(hop, agreement=agreement, party=party):
                continue
            seen.add(domain)
            delivers = party is not None and party.kind in DELIVERY
            yield Stranger(hop=hop, party=party, role="delivery" if delivers else "third party")

    def _is_vendors(self, hop: str, *, agreement: Agreement, party: Party | None, own: Party | None) -> bool:
        """Return whether *hop* is the vendor's: covered by its rows, a sibling of an own name, or owned by it."""
        if any(covers(row.match, hop) for row in agreement.domains):
            return True
        domain = registrable_domain(hop)
        if any(registrable_domain(normal_name(row.match)) == domain for row in agreement.domains if not row.shared):
            return True
        if party is None:
            return False
        owners = {party.owner, party.name}
        return agreement.vendor.legal_name in owners or (own is not None and own.owner == party.owner)

    def _is_named(self, hop: str, *, agreement: Agreement, party: Party | None) -> bool:
        """Return whether the agreement names *hop*, or another domain of the same party."""
        for match in _named_domains(agreement):
            if covers(match, hop):
                return True
            if party is not None and any(covers(domain, normal_name(match)) for domain in party.domains):
                return True
        return False

    def _verdict(self, agreement: Agreement, party: Party | None) -> Verdict:
        if party is not None and rows_naming(agreement, (party.name, party.owner)):
            return "declared_vaguely"
        terms = agreement.third_parties
        return "contradicted" if terms.list_is == "complete" and terms.unlisted == "forbidden" else "undeclared"

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case for any such chain: the answer of a resolver is direct proof of the path."""
        agreement = evidence.agreement
        if agreement is None or agreement.third_parties.unlisted == "allowed":
            return None
        party = evidence.party
        verdict = self._verdict(agreement, party)
        delivers = party is not None and party.kind in DELIVERY
        who = (
            f"{party.name} ({evidence.subject}, listed as {party.kind.replace('_', ' ')})"
            if party
            else evidence.subject
        )
        terms = agreement.third_parties
        words = f"the list of third parties is {LISTS[terms.list_is]}, and {UNLISTED[terms.unlisted]}"
        named = "named there without its host names" if verdict == "declared_vaguely" else "not in its list"
        return Conclusion(
            verdict=verdict,
            severity="info" if delivers or verdict == "declared_vaguely" else "warning",
            findings=evidence.findings,
            summary=f"A host name of {product_of(agreement)} appears to lead to {who}, which is {named}; seen "
            f"{extent(evidence.findings)}.",
            agreement_says=says(agreement, "third_parties", text=words),
            cannot_see="What the third party receives, and on which terms it works for the vendor, cannot be seen on "
            "the network.",
        )


def _named_domains(agreement: Agreement) -> Iterator[str]:
    """Yield every domain that the agreement names as somebody else's: third parties, improvement, interests."""
    for row in agreement.third_parties.list or ():
        yield from row.domains or ()
    for activity in agreement.improvement or ():
        yield from activity.domains or ()
    if agreement.interests is not None:
        for relation in agreement.interests.relationships or ():
            yield from relation.domains or ()
