"""6f, data on the way: clear-text HTTP that carries client data, or TLS older than 1.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.checks.base import Conclusion, Example, Observation
from rules.checks.example import ABSENT
from rules.checks.wording import extent, listed, product_of, says

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.events import FlowEvent
    from rules.agreements.model import Agreement
    from rules.checks.base import Evidence, Maturity, Need, Scope, Sighting
    from rules.findings import RuleId, Verdict

SIX_F = "6f"

# CONTRACTS.md section 2, `plaintext_data`: where the source cannot tell, this many octets up count as data.
CLEAR_TEXT_DATA_BYTES = 1024

OLD_TLS = frozenset({"1.0", "1.1"})
"""Deprecated by RFC 8996."""


def weakness(event: FlowEvent) -> str | None:
    """Return how this flow exposed data on the way, None: nothing shows that it did.

    A version that was only offered (`tls_version_offered`) says nothing about the server: it may have refused, and a
    promise is broken by what the vendor's server accepted.
    """
    if event.app == "http":
        carries = event.plaintext_data
        if carries is None:
            carries = event.plaintext_bytes_up >= CLEAR_TEXT_DATA_BYTES
        return "clear-text HTTP" if carries else None
    if event.tls_version in OLD_TLS and not event.tls_version_offered:
        return f"TLS {event.tls_version}"
    return None


class PlaintextTransport:
    """Data travels to the product's own hosts without protection, or with one that is broken."""

    id: RuleId = "plaintext-transport"
    clauses = (SIX_F,)
    maturity: Maturity = "stable"
    scope: Scope = "own"
    signal = "Clear-text HTTP that carries client data, and the TLS version that the server agreed to."
    fields = ("data.encrypted_in_transit",)
    needs: tuple[Need, ...] = ()
    blind_to = "Which data was in it; whether data are encrypted where they are kept."
    examples = (
        Example(
            title="a form sent to the product in clear text",
            events=({"app": "http", "tls_version": None, "plaintext_bytes_up": 700, "plaintext_data": True},),
            opens=True,
        ),
        Example(
            title="the product's server agrees to TLS 1.1",
            agreement={"data.encrypted_in_transit": ABSENT},
            events=({"tls_version": "1.1"},),
            opens=True,
        ),
        Example(
            title="a redirect to https: a clear-text request without data, then TLS 1.2",
            events=(
                {"app": "http", "tls_version": None, "plaintext_bytes_up": 180, "plaintext_data": False},
                {"app": "http", "tls_version": None, "plaintext_bytes_up": 180},
                {"tls_version": "1.2"},
            ),
            opens=False,
        ),
        Example(
            title="an old client offered TLS 1.0 and no answer was seen",
            events=({"tls_version": "1.0", "tls_version_offered": True},),
            opens=False,
        ),
    )

    def observe(self, sighting: Sighting) -> Iterable[Observation]:
        """Return one observation per flow that exposed data on the way to the product."""
        agreement = sighting.product
        # A marketing site is open to everybody and takes no part in the product: what travels there in clear text is
        # no pupil's data by the product's own doing.
        if agreement is None:
            return ()
        how = weakness(sighting.event)
        if how is None:
            return ()
        return (
            Observation(
                agreement=agreement.id,
                clause=SIX_F,
                subject=sighting.domain,
                verdict=_verdict(agreement),
                detail=how,
            ),
        )

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case for any such flow: one is enough to expose what it carried."""
        agreement = evidence.agreement
        if agreement is None:
            return None
        promised = agreement.data.encrypted_in_transit
        stated = {
            True: "data are encrypted on the way",
            False: "data are not encrypted on the way",
            None: "nothing on the protection of data on the way",
        }
        return Conclusion(
            verdict=_verdict(agreement),
            severity="warning",
            findings=evidence.findings,
            summary=f"Data appears to travel to {product_of(agreement)} without proper protection "
            f"({listed(finding.detail for finding in evidence.findings)}), {extent(evidence.findings)}.",
            agreement_says=says(agreement, "data", text=stated[promised]),
            cannot_see="Which data was in it is not recorded; others on the way may have been able to read it.",
        )


def _verdict(agreement: Agreement) -> Verdict:
    return "contradicted" if agreement.data.encrypted_in_transit else "undeclared"
