"""6c, no more than needed: a device sends more in a day than the agreement expects."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rules.checks.base import Conclusion, Example, Observation
from rules.checks.example import ABSENT
from rules.checks.wording import NOT_CONTENT, extent, listed, product_of, says
from rules.matching import own_subject

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from rules.checks.base import Evidence, Maturity, Need, Scope, Sighting
    from rules.findings import RuleId

SIX_C = "6c"

# CONTRACTS.md section 6: "MB is 10^6 octets".
MEGABYTE = 1_000_000


class UploadAboveDeclared:
    """A device sends more in a day than `expected.upload_mb_per_device_day`, over all own hosts."""

    id: RuleId = "upload-above-declared"
    clauses = (SIX_C,)
    maturity: Maturity = "stable"
    scope: Scope = "own"
    signal = "Octets that one device sends to all hosts of the product in one local day."
    fields = ("expected.upload_mb_per_device_day",)
    needs: tuple[Need, ...] = ()
    blind_to = "What was sent; a large file handed in by hand looks the same."
    examples = (
        Example(
            title="one device sends 3 MB to each of two hosts of the product, 5 MB are expected",
            events=(
                {"bytes_up": 3_000_000},
                {"bytes_up": 3_000_000, "server_name": "api.mathlab.example"},
            ),
            opens=True,
        ),
        Example(
            title="each device stays at the limit, together they send more",
            events=({"bytes_up": 5_000_000}, {"bytes_up": 5_000_000, "device": "d2"}),
            opens=False,
        ),
        Example(
            title="3 MB a day on two days",
            events=(
                {"bytes_up": 3_000_000},
                {
                    "bytes_up": 3_000_000,
                    "started_at": "2026-10-15T15:00:00.000000Z",
                    "ended_at": "2026-10-15T15:00:02.000000Z",
                },
            ),
            opens=False,
        ),
        Example(
            title="no figure is declared: a gap, no case",
            agreement={"expected": ABSENT},
            events=({"bytes_up": 900_000_000},),
            opens=False,
        ),
    )

    def observe(self, sighting: Sighting) -> Iterable[Observation]:
        """Return one observation per flow to a product with a declared figure; the engine adds up the octets."""
        agreement = sighting.product
        if agreement is None or agreement.expected is None or agreement.expected.upload_mb_per_device_day is None:
            return ()
        return (
            Observation(
                agreement=agreement.id,
                clause=SIX_C,
                subject=own_subject(agreement),
                verdict="contradicted",
                # The figure of the time goes with the sum: a later version of the agreement may name another.
                detail=repr(agreement.expected.upload_mb_per_device_day),
            ),
        )

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case when at least one device sent more on one day."""
        agreement = evidence.agreement
        if agreement is None or agreement.expected is None or agreement.expected.upload_mb_per_device_day is None:
            return None
        limit_mb = agreement.expected.upload_mb_per_device_day
        # One device may show up in two segments on one day; its day is one sum.
        sent: dict[tuple[str, date], int] = defaultdict(int)
        # On a day on which the figure changed the larger one counts.
        limits_mb: dict[tuple[str, date], float] = defaultdict(float)
        for finding in evidence.findings:
            device_day = finding.device, finding.day
            sent[device_day] += finding.bytes_up
            limits_mb[device_day] = max(limits_mb[device_day], float(finding.detail) if finding.detail else limit_mb)
        above = tuple(
            f for f in evidence.findings if _exceeds(sent[f.device, f.day], limit_mb=limits_mb[f.device, f.day])
        )
        if not above:
            return None
        most = max(sent[finding.device, finding.day] for finding in above)
        broken = listed(f"{limits_mb[finding.device, finding.day]:g}" for finding in above)
        return Conclusion(
            verdict="contradicted",
            severity="warning",
            findings=above,
            summary=f"More data than declared appears to go to {product_of(agreement)}: up to {_megabytes(most)} MB a "
            f"day from one device, {extent(above)}.",
            agreement_says=says(agreement, "expected", text=f"a device sends at most {broken} MB a day"),
            cannot_see=f"{NOT_CONTENT}; a large file handed in by hand looks the same.",
        )


def _exceeds(octets: int, *, limit_mb: float) -> bool:
    return octets > limit_mb * MEGABYTE


def _megabytes(octets: int) -> str:
    return f"{octets / MEGABYTE:.1f}"
