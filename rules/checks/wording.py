"""Sentences of cases, for a privacy officer: plain words, no blame, never a pupil, never a device.

Counts below five are never spelt out: these sentences travel further than the counts beside them (mail, desk).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.checks.base import device_days
from rules.parties import BUNDLED_LIST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rules.agreements.model import Agreement
    from rules.agreements.vocabulary import ListIs, Unlisted
    from rules.findings import Finding
    from rules.parties import Party

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


def groups_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the groups of *findings*, sorted; of closed days those with few devices are not known."""
    return tuple(sorted({finding.group for finding in findings} - {""}))


def groups_in(findings: Iterable[Finding]) -> str:
    """Return the groups of *findings* as in a sentence."""
    groups = groups_of(findings)
    return listed(groups) if groups else "a group of few devices"


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


def listed_as(party: Party) -> str:
    """Return as what a list has *party*, for example `listed as advertising in companiesdb of 2026-07-01`.

    Where lists know no more than the owner: `of unknown business, listed in Tracker Radar of 2026-07-01`.
    """
    if party.list_name == BUNDLED_LIST:
        where = "the list that comes with Schoolgate"
    elif party.list_date is None:
        # A party file is known by its path, which says nothing to whoever reads a case.
        where = "the district's own list"
    else:
        where = f"{party.list_name} of {party.list_date.isoformat()}"
    if not party.business_known:
        return f"of unknown business, listed in {where}"
    return f"listed as {party.kind.replace('_', ' ')} in {where}"


LISTS: Final[Mapping[ListIs, str]] = {"complete": "complete", "partial": "not complete", "not_provided": "not provided"}
UNLISTED: Final[Mapping[Unlisted, str]] = {
    "forbidden": "others are forbidden",
    "notify": "others must be announced",
    "allowed": "others are allowed",
}


def says_of_list(agreement: Agreement) -> str:
    """Return how complete the list of third parties is by its own word, without a final stop."""
    terms = agreement.third_parties
    return f"the list of third parties is {LISTS[terms.list_is]}, and {UNLISTED[terms.unlisted]}"


def listed(words: Iterable[str]) -> str:
    """Return *words* sorted and joined as in a sentence, for example `a, b and c`."""
    ordered = sorted(set(words))
    return ordered[0] if len(ordered) == 1 else f"{', '.join(ordered[:-1])} and {ordered[-1]}"
