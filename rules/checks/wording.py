"""Sentences of cases, for a privacy officer: plain words, no blame, never a pupil, never a device.

Counts below five are never spelt out: these sentences travel further than the counts beside them (mail, desk).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.checks.base import device_days

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rules.agreements.model import Agreement
    from rules.findings import Finding

# The default of `privacy.release_after_devices` (CONTRACTS.md section 8): a smaller number may be one child.
FEWEST_SPELT_OUT = 5

NOT_CONTENT = "What was sent or shown cannot be seen, only which server was contacted, when and how much"
"""The limit that every case shares; without a final stop, so that a check can go on."""


def plural(count: int, noun: str) -> str:
    """Return *count* with its noun, for example `1 school`, `4 schools`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def extent(findings: Sequence[Finding]) -> str:
    """Return how far *findings* reach, for example `on 41 devices (counted per day) in 2 schools`."""
    count = device_days(findings)
    devices = f"fewer than {FEWEST_SPELT_OUT} devices" if count < FEWEST_SPELT_OUT else plural(count, "device")
    schools = len({finding.school for finding in findings})
    return f"on {devices} (counted per day) in {plural(schools, 'school')}"


def product_of(agreement: Agreement) -> str:
    """Return vendor and products as one would say them, for example `MathTrek Learning Inc. (MathTrek)`."""
    names = ", ".join(product.name for product in agreement.products)
    vendor = agreement.vendor.legal_name
    return vendor if names == vendor else f"{vendor} ({names})"


def says(agreement: Agreement, section: str, *, text: str) -> str:
    """Return what the agreement says under *section*, with the page that the district noted for it.

    Args:
        agreement: the agreement.
        section: top-level key of the agreement file.
        text: what it says there, without a final stop.
    """
    sources = agreement.provenance.sources if agreement.provenance else None
    place = (sources or {}).get(section)
    return f"The agreement ({place}) says: {text}." if place else f"The agreement says: {text}."


def listed(words: Iterable[str]) -> str:
    """Return *words* sorted and joined as in a sentence, for example `a, b and c`."""
    ordered = sorted(set(words))
    return ordered[0] if len(ordered) == 1 else f"{', '.join(ordered[:-1])} and {ordered[-1]}"
