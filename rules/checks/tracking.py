"""6c, no other use: companies that follow people are met through a product whose agreement prohibits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.agreements.plain import PROHIBITIONS, RELATIONS
from rules.checks.base import Example, Observation
from rules.checks.cause import called, conclusion, weigh_up
from rules.checks.circle import TRACKING
from rules.checks.example import ABSENT, among_others, beside, lessons
from rules.checks.wording import extent, product_of, says

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.agreements.model import Agreement
    from rules.checks.base import Conclusion, Evidence, Maturity, Need, Scope, Sighting
    from rules.checks.circle import Circles
    from rules.edges import Edge
    from rules.findings import RuleId
    from rules.parties import Party

SIX_C = "6c"


class ProhibitedTracking:
    """An advertising, tracking or data-broker party attributed to the product, and the agreement prohibits it.

    Args:
        circles: whom each agreement accounts for.
    """

    id: RuleId = "prohibited-tracking"
    clauses = (SIX_C,)
    maturity: Maturity = "stable"
    scope: Scope = "edges"
    signal = (
        "Connections to a company that a party list calls advertising or a data broker, beginning when the product is "
        "opened and not otherwise."
    )
    fields = ("prohibited.third_party_tracking", "third_parties.list")
    needs: tuple[Need, ...] = ("party_list",)
    blind_to = (
        "What was sent and whether it followed a pupil; trackers that are in no list or reached through the vendor's "
        "own servers."
    )
    examples = (
        Example(
            title="a class opens the product, and an advertising company follows each time",
            events=among_others(lessons("app.mathlab.example", brings=("t.adco.example",))),
            opens=True,
        ),
        Example(
            title="the list has the company as embedded, while tracking is prohibited",
            agreement={"third_parties.list": [{"name": "AdCo", "domains": ["adco.example"], "relation": "embedded"}]},
            events=among_others(lessons("app.mathlab.example", brings=("t.adco.example",))),
            opens=True,
        ),
        Example(
            title="the agreement does not say whether tracking is prohibited",
            agreement={"prohibited.third_party_tracking": ABSENT},
            events=among_others(lessons("app.mathlab.example", brings=("t.adco.example",))),
            opens=False,
        ),
        Example(
            title="what follows counts usage, which is no tracking",
            events=among_others(lessons("app.mathlab.example", brings=("in.statco.example",))),
            opens=False,
        ),
        Example(
            title="another site that the class opens at the same time brings the company, with the product or without",
            events=among_others(
                lessons("www.news.example", brings=("t.adco.example",)),
                lessons("www.news.example", brings=("t.adco.example",), from_minute=30),
                beside(lessons("app.mathlab.example", from_minute=30)),
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
        """Return an observation where the party follows people for a living and the agreement prohibits that."""
        if edge.role != "party" or edge.standing != "confirmed" or party is None or party.kind not in TRACKING:
            return ()
        # Not stated is a gap, and expressly allowed is allowed.
        if agreement.prohibited is None or not agreement.prohibited.third_party_tracking:
            return ()
        circle = self._circles.of(agreement)
        # The prohibition is about other companies than the vendor.
        if circle.is_vendor(edge.party, party=party):
            return ()
        embedded = any(row.relation == "embedded" for row in circle.rows(edge.party, party=party))
        return (
            Observation(
                agreement=agreement.id,
                clause=SIX_C,
                subject=edge.subject,
                verdict="conflicting" if embedded else "contradicted",
            ),
        )

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case while the prohibition stands."""
        weighed = weigh_up(self, evidence, party_of=self._circles.party_of)
        agreement = evidence.agreement
        if weighed is None or agreement is None:
            return None
        party = self._circles.party_of(weighed.main.party)
        text = f"{PROHIBITIONS['third_party_tracking']} is prohibited"
        if weighed.verdict == "conflicting":
            text += f", and its list of third parties has {evidence.subject} as {RELATIONS['embedded']}"
        return conclusion(
            self.id,
            evidence,
            weighed=weighed,
            summary=f"{product_of(agreement)} appears to cause connections to "
            f"{called(weighed.edges, party=party)}, though it promises no tracking, {extent(evidence.findings)}",
            agreement_says=says(agreement, "prohibited", text=text),
            cannot_see="What was sent, and whether it was used to follow a pupil, cannot be seen on the network.",
        )
