"""6c, no more than needed: a device sends more in a day than the agreement expects."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from rules.checks.base import Conclusion, Example, Observation
from rules.checks.example import ABSENT
from rules.checks.wording import NOT_CONTENT, extent, listed, product_of, says
from rules.closed_findings import is_closed
from rules.matching import own_subject
from rules.small_numbers import floor_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from rules.checks.base import Evidence, Maturity, Need, Scope, Sighting
    from rules.findings import Finding, RuleId

SIX_C = "6c"

# CONTRACTS.md section 6: "MB is 10^6 octets".
MEGABYTE = 1_000_000

# Between the limit and the most that one device sent, in findings of days that are over.
MOST = " most "


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
        above = tuple(_above(evidence.findings, limit_mb=agreement.expected.upload_mb_per_device_day))
        if not above:
            return None
        most = max(each.octets for each in above)
        broken = listed(f"{each.limit_mb:g}" for each in above)
        findings = tuple(each.finding for each in above)
        return Conclusion(
            verdict="contradicted",
            severity="warning",
            findings=findings,
            summary=f"More data than declared appears to go to {product_of(agreement)}: up to {_megabytes(most)} MB a "
            f"day from one device, {extent(findings)}.",
            agreement_says=says(agreement, "expected", text=f"a device sends at most {broken} MB a day"),
            cannot_see=f"{NOT_CONTENT}; a large file handed in by hand looks the same.",
        )

    def settle(self, evidence: Evidence, *, others: Sequence[Finding]) -> Iterable[Finding]:
        """Return the findings of the devices that sent more, with the most that one of them sent.

        Only the most of all days is told to a tenth of a megabyte, for the case says it; others go in steps.
        """
        expected = evidence.agreement.expected if evidence.agreement else None
        limit_mb = (expected.upload_mb_per_device_day if expected else None) or 0.0
        above = list(_above(evidence.findings, limit_mb=limit_mb))
        if not above:
            return []
        tenths = max(round(each.octets * 10 / MEGABYTE) for each in above)
        if any(_told(each.detail)[1] * 10 >= tenths for each in others):
            tenths = floor_step(tenths)
        return [replace(each.finding, detail=f"{each.limit_mb!r}{MOST}{tenths / 10}") for each in above]


class _Above(NamedTuple):
    finding: Finding
    octets: float
    limit_mb: float


def _above(findings: Iterable[Finding], *, limit_mb: float) -> Iterable[_Above]:
    """Yield the findings of device-days that sent more than allowed.

    Args:
        findings: of one promise.
        limit_mb: what is allowed where a finding does not say it.
    """
    # One device may show up in two segments on one day; its day is one sum.
    sent: dict[tuple[str, date], float] = defaultdict(float)
    # On a day on which the figure changed the larger one counts.
    limits_mb: dict[tuple[str, date], float] = defaultdict(float)
    for finding in findings:
        device_day = finding.device, finding.day
        limit, most = _told(finding.detail)
        sent[device_day] = most * MEGABYTE if is_closed(finding) else sent[device_day] + finding.bytes_up
        limits_mb[device_day] = max(limits_mb[device_day], limit or limit_mb)
    for finding in findings:
        device_day = finding.device, finding.day
        if is_closed(finding) or _exceeds(sent[device_day], limit_mb=limits_mb[device_day]):
            yield _Above(finding, sent[device_day], limits_mb[device_day])


def _told(detail: str) -> tuple[float, float]:
    """Return the limit, and the most that was sent, in megabytes, that a detail says; 0: it does not say it."""
    limit, _, most = detail.partition(MOST)
    return float(limit or 0), float(most or 0)


def _exceeds(octets: float, *, limit_mb: float) -> bool:
    return octets > limit_mb * MEGABYTE


def _megabytes(octets: float) -> str:
    return f"{octets / MEGABYTE:.1f}"
