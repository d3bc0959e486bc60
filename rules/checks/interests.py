"""6a, financial interests: a company that earns with data or advertising is behind a product and is not disclosed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.hosts import normal_name, registrable_domain
from rules.agreements.plain import REVENUES
from rules.checks.base import Example, Observation
from rules.checks.cause import called, conclusion, weigh_up
from rules.checks.circle import TRACKING, names_of, owners_of
from rules.checks.example import ABSENT, among_others, lessons
from rules.checks.wording import extent, listed, product_of, says
from rules.company_names import company

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rules.agreements.model import Agreement, Interests
    from rules.checks.base import Conclusion, Evidence, Maturity, Need, Scope, Sighting
    from rules.checks.circle import Circles
    from rules.edges import Edge
    from rules.findings import RuleId, Verdict
    from rules.parties import Party

SIX_A = "6a"


class UndisclosedInterest:
    """The owner of an attributed party is a commercial interest that the agreement does not disclose.

    Args:
        circles: whom each agreement accounts for.
    """

    id: RuleId = "undisclosed-interest"
    clauses = (SIX_A,)
    maturity: Maturity = "stable"
    scope: Scope = "edges"
    signal = (
        "Connections to a company whose business is advertising or trading in data, beginning when the product is "
        "opened and not otherwise; its owner by the party lists."
    )
    fields = ("interests.relationships", "interests.disclosed", "interests.revenue", "vendor.parent_company")
    needs: tuple[Need, ...] = ("party_list",)
    blind_to = "Money, contracts and shares; interests that leave no trace in the traffic of the product."
    examples = (
        Example(
            title="the vendor discloses that nobody has a stake, and an advertising company follows each time",
            agreement={"interests": {"disclosed": True, "revenue": ["licence"], "relationships": []}},
            events=among_others(lessons("app.mathlab.example", brings=("t.adco.example",))),
            opens=True,
        ),
        Example(
            title="another domain of its owner is disclosed",
            agreement={
                "interests": {"disclosed": True, "relationships": [{"name": "Ads", "domains": ["adco-group.example"]}]}
            },
            events=among_others(lessons("app.mathlab.example", brings=("t.adco.example",))),
            opens=False,
        ),
        Example(
            title="the agreement says nothing of interests",
            agreement={"interests": ABSENT},
            events=among_others(lessons("app.mathlab.example", brings=("t.adco.example",))),
            opens=False,
        ),
        Example(
            title="what follows counts usage for the vendor",
            agreement={"interests": {"disclosed": True, "relationships": []}},
            events=among_others(lessons("app.mathlab.example", brings=("in.statco.example",))),
            opens=False,
        ),
    )

    def __init__(self, circles: Circles) -> None:
        self._circles = circles

    def observe(self, sighting: Sighting) -> Iterable[Observation]:  # noqa: ARG002 -- part of the protocol
        """Return nothing: a single flow does not tell what brought it about."""
        return ()

    def weigh(self, edge: Edge, *, agreement: Agreement, party: Party | None) -> Iterable[Observation]:
        """Return an observation where the agreement speaks of interests and leaves this one out."""
        if edge.role != "party" or edge.standing != "confirmed" or party is None or party.kind not in TRACKING:
            return ()
        # Absent is a gap.
        if agreement.interests is None or self._is_disclosed(edge, agreement=agreement, party=party):
            return ()
        return (
            Observation(
                agreement=agreement.id,
                clause=SIX_A,
                subject=edge.subject,
                verdict=_verdict(agreement.interests),
            ),
        )

    def _is_disclosed(self, edge: Edge, *, agreement: Agreement, party: Party) -> bool:
        """Return whether the agreement names the party or its owner as one with a stake, or as the vendor itself."""
        relationships = (agreement.interests.relationships if agreement.interests else None) or ()
        names = {company(relation.name) for relation in relationships}
        if agreement.vendor.parent_company:
            names.add(company(agreement.vendor.parent_company))
        if not names.isdisjoint(names_of(party)):
            return True
        domains = [normal_name(domain) for relation in relationships for domain in relation.domains or ()]
        if registrable_domain(edge.party) in map(registrable_domain, domains):
            return True
        owners = owners_of(party)
        disclosed = _parties(domains, party_of=self._circles.party_of)
        if any(not owners.isdisjoint(owners_of(named)) for named in disclosed):
            return True
        return self._circles.of(agreement).is_vendor(edge.party, party=party)

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case while the agreement tells of interests and not of this one."""
        weighed = weigh_up(self, evidence, party_of=self._circles.party_of)
        agreement = evidence.agreement
        if weighed is None or agreement is None or agreement.interests is None:
            return None
        party = self._circles.party_of(weighed.main.party)
        return conclusion(
            self.id,
            evidence,
            weighed=weighed,
            summary=f"{product_of(agreement)} appears to cause connections to "
            f"{called(weighed.edges, party=party)}, which is not among the interests that the vendor discloses, "
            f"{extent(evidence.findings)}",
            agreement_says=says(agreement, "interests", text=_told(agreement.interests)),
            cannot_see="Whether money or contracts bind the two companies cannot be seen on the network.",
        )


def _verdict(interests: Interests) -> Verdict:
    # An empty list says that there are none. Any other list does not say that it is all.
    return "contradicted" if interests.disclosed and interests.relationships == () else "undeclared"


def _told(interests: Interests) -> str:
    if interests.relationships:
        told = f"those with a stake are: {listed(relation.name for relation in interests.relationships)}"
    elif interests.relationships is not None:
        told = "no company has a stake in the vendor"
    elif interests.disclosed is False:
        told = "the vendor does not disclose its interests"
    else:
        told = "nothing about companies with a stake in the vendor"
    if interests.revenue:
        told += f"; income comes from {listed(REVENUES[source] for source in interests.revenue)}"
    return told


def _parties(domains: Iterable[str], *, party_of: Callable[[str], Party | None]) -> list[Party]:
    return [party for domain in domains if (party := party_of(domain)) is not None]
