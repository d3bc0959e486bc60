"""6d, third parties: the use of a product brings about connections to somebody whom its list does not name.

A suspicion names no vendor: where a tracking or telemetry company is met and the tests do not agree on its cause, the
case says just that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.checks.base import Conclusion, Example, Observation, used
from rules.checks.cause import behind, called, conclusion, confidence_of, counts_in, severity_of, weigh_up
from rules.checks.example import among_others, beside, lessons
from rules.checks.wording import extent, product_of, says, says_of_list
from rules.findings import NO_AGREEMENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.agreements.model import Agreement
    from rules.checks.base import Evidence, Maturity, Need, Scope, Sighting
    from rules.checks.circle import Circles
    from rules.edges import Edge
    from rules.findings import RuleId
    from rules.parties import Kind, Party

SIX_D = "6d"

WORTH_A_SUSPICION: Final[frozenset[Kind]] = frozenset(
    {"advertising", "data_broker", "analytics", "session_replay", "crash_reporting"}
)
"""Kinds of party whose presence is told although its cause is not established."""

METHOD: Final = "Some tests point to a product and others do not, so that none is named."


class UndeclaredThirdParty:
    """A third party attributed to the product is not in its list.

    Args:
        circles: whom each agreement accounts for.
    """

    id: RuleId = "undeclared-third-party"
    clauses = (SIX_D,)
    maturity: Maturity = "stable"
    scope: Scope = "edges"
    signal = (
        "Connections to a company that begin when the product is opened and not otherwise, on several devices and in "
        "several lessons."
    )
    fields = (
        "third_parties.list_is",
        "third_parties.unlisted",
        "third_parties.list",
        "improvement.domains",
        "domains.match",
        "vendor.parent_company",
        "interests.relationships",
    )
    needs: tuple[Need, ...] = ("party_list",)
    blind_to = (
        "What the vendor's servers pass on by themselves; a company that shares a connection with another one, or "
        "whose connection was open already; what was sent."
    )
    examples = (
        Example(
            title="a class opens the product, and an advertising company that is not in its list follows each time",
            events=among_others(lessons("app.mathlab.example", brings=("t.adco.example",))),
            opens=True,
        ),
        Example(
            title="the company that follows is in the list",
            events=among_others(lessons("app.mathlab.example", brings=("eu.hostco.example",))),
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
        Example(
            title="an agent on every device answers to each page, whatever it is",
            events=tuple(
                event
                for number in range(8)
                for event in lessons(
                    "app.mathlab.example" if number == 0 else f"www.site{number}.example",
                    brings=("a.filteragent.example",),
                    from_minute=6 * number,
                )
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
        """Return an observation where the party is a stranger to the agreement; of a suspected edge without a name."""
        if edge.role != "party" or not self._circles.is_stranger(edge.party, agreement=agreement, party=party):
            return ()
        verdict = self._circles.of(agreement).verdict(party=party)
        if edge.standing == "confirmed":
            return (Observation(agreement=agreement.id, clause=SIX_D, subject=edge.subject, verdict=verdict),)
        if party is None or party.kind not in WORTH_A_SUSPICION or verdict == "declared_vaguely":
            return ()
        return (Observation(agreement=NO_AGREEMENT, clause=SIX_D, subject=edge.subject, verdict="unattributed"),)

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case against the product, or one that names none where the cause is not established."""
        if all(finding.agreement == NO_AGREEMENT for finding in evidence.findings):
            return self._suspicion(evidence)
        weighed = weigh_up(self, evidence, party_of=self._circles.party_of)
        agreement = evidence.agreement
        if weighed is None or agreement is None:
            return None
        party = self._circles.party_of(weighed.main.party)
        named = (
            "named in its list of third parties without host names"
            if weighed.verdict == "declared_vaguely"
            else "not in its list of third parties"
        )
        return conclusion(
            self.id,
            evidence,
            weighed=weighed,
            summary=f"{product_of(agreement)} appears to cause connections to "
            f"{called(weighed.edges, party=party)}, which is {named}, {extent(evidence.findings)}",
            agreement_says=says(agreement, "third_parties", text=says_of_list(agreement)),
            cannot_see="What the third party receives, and on which terms it works for the vendor, cannot be seen on "
            "the network.",
        )

    def _suspicion(self, evidence: Evidence) -> Conclusion | None:
        edges = behind(evidence)
        if not edges or not used(evidence.findings):
            return None
        party = self._circles.party_of(edges[0].party)
        confidence = confidence_of(edges)
        return Conclusion(
            verdict="unattributed",
            severity=severity_of(self.id, verdict="unattributed", confidence=confidence, findings=evidence.findings),
            findings=evidence.findings,
            summary=f"Connections to {called(edges, party=party)} appear while products with an agreement are in use, "
            f"{extent(evidence.findings)}; the cause is not established.",
            agreement_says="Which agreement is concerned is not established; none of those in question names this "
            "company.",
            cannot_see="Whether a product, another page or something on the devices makes these connections cannot be "
            "told from what was seen.",
            confidence=confidence,
            evidence={"method": METHOD, **counts_in(edges)},
        )
