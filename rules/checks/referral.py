"""6e, referrals: the product hands its users on to another site, and nobody answers for what that site collects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.checks.base import Example, Observation
from rules.checks.cause import called, conclusion, weigh_up
from rules.checks.example import among_others, lessons
from rules.checks.wording import extent, product_of, says, says_of_list

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.agreements.model import Agreement
    from rules.checks.base import Conclusion, Evidence, Maturity, Need, Scope, Sighting
    from rules.checks.circle import Circles
    from rules.edges import Edge
    from rules.findings import RuleId
    from rules.parties import Party

SIX_E = "6e"


class UndeclaredReferral:
    """The product repeatedly hands users on to another site that is not declared as a referral.

    Args:
        circles: whom each agreement accounts for.
    """

    id: RuleId = "undeclared-referral"
    clauses = (SIX_E,)
    maturity: Maturity = "stable"
    scope: Scope = "edges"
    signal = (
        "A site that people open by itself as well, and that comes right after the product more often than chance, on "
        "several devices and in several lessons."
    )
    fields = ("third_parties.list", "third_parties.list_is", "third_parties.unlisted", "domains.match")
    needs: tuple[Need, ...] = ()
    blind_to = (
        "Whether somebody clicked, was sent on, or was told by a teacher to go there; whether the site is built into "
        "the pages of the product; a site that was open already."
    )
    examples = (
        Example(
            title="the product is followed by a site that classes open by itself as well",
            events=among_others(
                lessons("app.mathlab.example", brings=("www.films.example",), after_ms=4000),
                lessons("www.films.example", from_minute=20),
            ),
            opens=True,
        ),
        Example(
            title="the site is declared as a referral",
            agreement={"third_parties.list": [{"name": "Films", "domains": ["films.example"], "relation": "referral"}]},
            events=among_others(
                lessons("app.mathlab.example", brings=("www.films.example",), after_ms=4000),
                lessons("www.films.example", from_minute=20),
            ),
            opens=False,
        ),
        Example(
            title="the site is opened before the product, not after it",
            events=among_others(
                lessons("www.films.example", brings=("app.mathlab.example",), after_ms=4000),
                lessons("www.films.example", from_minute=20),
            ),
            opens=False,
        ),
    )

    def __init__(self, circles: Circles) -> None:
        self._circles = circles

    def observe(self, sighting: Sighting) -> Iterable[Observation]:  # noqa: ARG002 -- part of the protocol
        """Return nothing: a single flow does not tell what brought it about."""
        return ()

    def weigh(self, edge: Edge, *, agreement: Agreement, party: Party | None) -> Iterable[Observation]:
        """Return an observation where the product leads to a site for which no agreement answers."""
        if edge.role != "page" or edge.standing != "confirmed":
            return ()
        # A tool with an agreement of its own, a sign-on and the vendor's other pages are no strangers.
        if not self._circles.is_stranger(edge.party, agreement=agreement, party=party):
            return ()
        verdict = self._circles.of(agreement).verdict(party=party)
        return (Observation(agreement=agreement.id, clause=SIX_E, subject=edge.subject, verdict=verdict),)

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case while the product leads there and the agreement does not say so."""
        weighed = weigh_up(self, evidence, party_of=self._circles.party_of)
        agreement = evidence.agreement
        if weighed is None or agreement is None:
            return None
        party = self._circles.party_of(weighed.main.party)
        named = "named in its list without host names" if weighed.verdict == "declared_vaguely" else "not declared"
        return conclusion(
            self.id,
            evidence,
            weighed=weighed,
            summary=f"{product_of(agreement)} appears to hand its users on to {called(weighed.edges, party=party)}, a "
            f"referral that is {named}, {extent(evidence.findings)}",
            agreement_says=says(agreement, "third_parties", text=says_of_list(agreement)),
            cannot_see="Whether somebody clicked or was sent on, and what that site collects, cannot be seen on the "
            "network.",
        )
