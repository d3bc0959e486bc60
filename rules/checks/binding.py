"""R6, a binding agreement: a product is used without one, or with one that is not in force."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from collector.hosts import covers, normal_name, registrable_domain
from rules.agreements.plain import span, written_day
from rules.agreements.standing import status_on
from rules.checks.base import Conclusion, Example, Observation, used
from rules.checks.example import each
from rules.checks.wording import extent, listed, product_of, says
from rules.findings import NO_AGREEMENT
from rules.matching import own_subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.agreements.model import Agreement
    from rules.checks.base import Evidence, Maturity, Need, Scope, Sighting
    from rules.findings import RuleId
    from rules.parties import Party

R6 = "R6"

# CONTRACTS.md section 5: `info` is `agreement-not-in-force` less than 30 days after expiry. A renewal is often late.
LATE_RENEWAL = timedelta(days=30)

LAPSES: Final[Mapping[str, str]] = {
    "draft": "still a draft",
    "terminated": "terminated",
    "not_yet": "before its first day",
    "expired": "expired",
}
"""Standing of an agreement -> how one would say it."""


class NoAgreement:
    """A catalogued education product is used and no agreement covers it."""

    id: RuleId = "no-agreement"
    clauses = (R6,)
    maturity: Maturity = "stable"
    scope: Scope = "all"
    signal = (
        "A server name in the TLS or QUIC hello, in clear-text HTTP or in the device's own DNS answer, which the party "
        "lists call an education product."
    )
    fields = ("domains.match",)
    needs: tuple[Need, ...] = ("party_list",)
    blind_to = (
        "Terms that somebody accepted elsewhere; products that are in no party list; whether the product was used for "
        "teaching."
    )
    examples = (
        Example(
            title="three devices use a catalogued product that no agreement names",
            events=each(3, server_name="app.fractions.example"),
            opens=True,
        ),
        Example(
            title="the agreement names another host of the same product",
            agreement={"domains": [{"match": "mathlab.example"}, {"match": "login.fractions.example"}]},
            events=each(3, server_name="app.fractions.example"),
            opens=False,
        ),
        Example(
            title="only two devices looked at it",
            events=each(2, server_name="app.fractions.example"),
            opens=False,
        ),
    )

    def __init__(self, agreements: Iterable[Agreement]) -> None:
        # A shared row says that several vendors use a host; it is no agreement with the one who runs it.
        self._matches = tuple(row.match for a in agreements for row in a.domains if not row.shared)
        self._covered: dict[Party, bool] = {}

    def observe(self, sighting: Sighting) -> Iterable[Observation]:
        """Return one observation per flow to an education product that no agreement of any date covers."""
        party = sighting.party
        if sighting.claim is not None or party is None or party.kind != "education" or self._covers(party):
            return ()
        return (
            Observation(
                agreement=NO_AGREEMENT, clause=R6, subject=registrable_domain(party.domains[0]), verdict="undeclared"
            ),
        )

    def _covers(self, party: Party) -> bool:
        """Return whether an agreement names any host of *party*: then the product has one, whatever its date."""
        known = self._covered.get(party)
        if known is None:
            known = any(
                covers(match, normal_name(domain)) or covers(domain, normal_name(match))
                for domain in party.domains
                for match in self._matches
            )
            # As many entries as the party lists have, which were all held in memory before.
            self._covered[party] = known
        return known

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case when the product was used."""
        if not used(evidence.findings):
            return None
        party = evidence.party
        name = f"{party.name} ({evidence.subject})" if party else evidence.subject
        return Conclusion(
            verdict="undeclared",
            severity="warning",
            findings=evidence.findings,
            summary=f"{name}, listed as an education product, appears to be in use {extent(evidence.findings)}, "
            "and no agreement covers it.",
            agreement_says="No agreement file names this product or any of its hosts.",
            cannot_see="Whether somebody accepted terms of use elsewhere, and whether the product was used for "
            "teaching, cannot be seen on the network.",
        )


class NotInForce:
    """The product is used before the first day, after the last day, after termination, or on a draft."""

    id: RuleId = "agreement-not-in-force"
    clauses = (R6,)
    maturity: Maturity = "stable"
    scope: Scope = "own"
    signal = "Flows to a host of the product, by server name, and their local date."
    fields = ("agreement.status", "agreement.effective", "agreement.expires", "agreement.terminated_on")
    needs: tuple[Need, ...] = ()
    blind_to = "A newer agreement that was signed and is not among the files."
    examples = (
        Example(
            title="the agreement ended the day before",
            agreement={"agreement.expires": "2026-10-13"},
            events=each(3),
            opens=True,
        ),
        Example(
            title="today is the last day, which still counts",
            agreement={"agreement.expires": "2026-10-14"},
            events=each(3),
            opens=False,
        ),
        Example(
            title="only the marketing site of an expired product was seen",
            agreement={"agreement.expires": "2026-10-13"},
            events=each(3, server_name="www.mathlab.example"),
            opens=False,
        ),
    )

    def observe(self, sighting: Sighting) -> Iterable[Observation]:
        """Return one observation per flow to the product on a date on which its agreement is not in force."""
        agreement = sighting.product
        if agreement is None:
            return ()
        standing = status_on(agreement, sighting.day)
        if standing == "in_force":
            return ()
        return (
            Observation(
                agreement=agreement.id,
                clause=R6,
                subject=own_subject(agreement),
                verdict="contradicted",
                detail=standing,
            ),
        )

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case when the product was used on such dates."""
        agreement = evidence.agreement
        if agreement is None or not used(evidence.findings):
            return None
        terms = agreement.agreement
        reasons = {finding.detail for finding in evidence.findings}
        last_day = max(finding.day for finding in evidence.findings)
        only_late = reasons == {"expired"} and terms.expires is not None and last_day - terms.expires < LATE_RENEWAL
        return Conclusion(
            verdict="contradicted",
            severity="info" if only_late else "warning",
            findings=evidence.findings,
            summary=f"{product_of(agreement)} appears to be in use {extent(evidence.findings)} while its agreement "
            f"is not in force ({listed(LAPSES[reason] for reason in reasons)}).",
            agreement_says=says(agreement, "agreement", text=_terms(agreement)),
            cannot_see="Whether a newer agreement was signed that is not in the files cannot be seen on the network.",
        )


def _terms(agreement: Agreement) -> str:
    terms = agreement.agreement
    words = {"draft": "it is only a draft", "active": "it is signed", "terminated": "it was terminated"}[terms.status]
    if terms.terminated_on is not None:
        words += f" as of {written_day(terms.terminated_on)}"
    period = span(terms.effective, terms.expires)
    return f"{words}, and holds{period.removeprefix(',')}" if period else words
