"""6f, where data is kept: a server that stands outside the declared countries. A hint, never more than `info`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.agreements.plain import country
from rules.checks.base import Conclusion, Example, Observation
from rules.checks.example import ABSENT
from rules.checks.wording import extent, listed, product_of, says

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rules.checks.base import Evidence, Maturity, Need, Scope, Sighting
    from rules.findings import RuleId

SIX_F = "6f"


class StorageCountry:
    """A server of the product is located outside `data.stored_in`.

    Args:
        country_of: address -> two-letter country, None: not known. Without a location database the check stays silent.
    """

    id: RuleId = "storage-country"
    clauses = (SIX_F,)
    maturity: Maturity = "stable"
    scope: Scope = "own"
    signal = "The server's address, and its country in a location database."
    fields = ("data.stored_in",)
    needs: tuple[Need, ...] = ("location_database",)
    blind_to = (
        "Where data are stored: a delivery network may answer from anywhere, and the country of an address is an "
        "estimate."
    )
    examples = (
        Example(
            title="the product's server is located in another country than declared",
            events=({"dst_ip": "203.0.113.9"},),
            opens=True,
        ),
        Example(
            title="a declared country, an address in no database, and a host that many vendors share",
            events=(
                {},
                {"dst_ip": "192.0.2.250"},
                {"dst_ip": "203.0.113.9", "server_name": "mathlab.sharededge.example"},
            ),
            opens=False,
        ),
        Example(
            title="the agreement does not say where data is stored: a gap, no case",
            agreement={"data.stored_in": ABSENT},
            events=({"dst_ip": "203.0.113.9"},),
            opens=False,
        ),
    )

    def __init__(self, country_of: Callable[[str], str | None] | None) -> None:
        self._country_of = country_of

    def observe(self, sighting: Sighting) -> Iterable[Observation]:
        """Return one observation per flow to a server of the product in a country that is not declared."""
        agreement, address = sighting.product, sighting.event.dst_ip
        if self._country_of is None or agreement is None or address is None:
            return ()
        declared = agreement.data.stored_in
        # An empty list names no country either: it does not say where, so nothing can lie outside of it.
        if not declared:
            return ()
        country = self._country_of(address)
        if country is None or country in declared:
            return ()
        return (
            Observation(
                agreement=agreement.id,
                clause=SIX_F,
                subject=sighting.domain,
                verdict="undeclared",
                detail=country,
            ),
        )

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return an `info` case for any such flow."""
        agreement = evidence.agreement
        if agreement is None:
            return None
        countries = listed(finding.detail for finding in evidence.findings)
        return Conclusion(
            verdict="undeclared",
            severity="info",
            findings=evidence.findings,
            summary=f"A server of {product_of(agreement)} appears to stand in {countries}, outside the declared "
            f"countries; seen {extent(evidence.findings)}.",
            agreement_says=says(
                agreement,
                "data",
                text=f"data are stored in {listed(map(country, agreement.data.stored_in or ('nowhere',)))}",
            ),
            cannot_see="The country of an address is an estimate, and a delivery network may answer from anywhere: "
            "where data is stored cannot be seen.",
        )
