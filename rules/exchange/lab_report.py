"""What a lab recording says about a product: for people, for programs, and as the evidence file that judging reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from collector.problems import on_one_line
from rules.exchange.yaml_text import yaml_text
from rules.lab_evidence import REFUTING_PAGES, SCHEMA
from rules.matching import declared_rows, rows_naming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.agreements.model import Agreement
    from rules.exchange.page_loads import Contacts, LabCounts
    from rules.parties import Party, PartyTable

Declared = Literal["declared", "declared_in_part", "declared_vaguely", "not_declared"]

_WORDS: Final[dict[Declared, str]] = {
    "declared": "in the agreement's list",
    "declared_in_part": "only some of its hosts are in the agreement's list",
    "declared_vaguely": "the list names the company but no domain",
    "not_declared": "not in the agreement's list",
}
_COMMENT: Final = (
    "Made by `schoolgate agreements evidence`: what the product contacted in a lab.\n"
    "Counts only; the recordings themselves stay in the lab."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyRow:
    """A third party that the product contacted in the lab."""

    domain: str
    """Its registrable domain. Untrusted: it comes from a recording."""
    owner: str | None
    """Company that owns it; None: in no party list."""
    kind: str | None
    """In what business it is; None: no party list says."""
    declared: Declared
    """What the agreement says about it."""
    contacts: Contacts
    """What was counted."""


def party_rows(counts: LabCounts, *, agreement: Agreement, parties: PartyTable) -> tuple[PartyRow, ...]:
    """Return the third parties, those in most page loads first."""
    rows = []
    for domain, contacts in counts.parties.items():
        party = parties.find(domain) or next(filter(None, map(parties.find, sorted(contacts.hosts))), None)
        rows.append(
            PartyRow(
                domain=domain,
                owner=party.owner if party else None,
                kind=party.kind if party and party.business_known else None,
                declared=_declared(agreement, hosts=contacts.hosts, party=party),
                contacts=contacts,
            )
        )
    return tuple(sorted(rows, key=lambda row: (-row.contacts.pages, row.domain)))


def as_text(counts: LabCounts, rows: Sequence[PartyRow], *, agreement: Agreement) -> str:
    """Return the report for a person."""
    product = agreement.products[0].name
    lines = [f"{agreement.id}: {counts.pages} page loads of {product}, {counts.other_pages} of other sites"]
    for row in rows:
        seen = row.contacts
        who = f"{row.owner}, {row.kind or 'business unknown'}" if row.owner else "owner unknown"
        lines.append(
            f"  {row.domain} ({who}): {seen.pages} of {counts.pages} page loads, "
            f"first after {seen.first_after_ms} ms; {_kinds(seen)}; {_WORDS[row.declared]}"
        )
    if not rows:
        lines.append("  no third party was contacted")
    lines += [
        f"  redirected to {domain}: {pages} {'time' if pages == 1 else 'times'}"
        for domain, pages in sorted(counts.referrals.items())
    ]
    if counts.unclear or counts.skipped:
        lines.append(
            f"  left out: {counts.unclear} requests of no page load that could be told, "
            f"{counts.skipped} to no named host"
        )
    if counts.pages < REFUTING_PAGES:
        lines.append(
            f"  {counts.pages} page loads confirm what they contacted; they refute nothing: "
            f"for that, record {REFUTING_PAGES} or more"
        )
    return "\n".join(on_one_line(line) for line in lines)


def as_data(counts: LabCounts, rows: Sequence[PartyRow], *, agreement: Agreement, har: Sequence[str]) -> dict[str, Any]:
    """Return the report for a program, version 1; *har* are the SHA-256 of the recordings."""
    return {
        "v": 1,
        "agreement": agreement.id,
        "recorded": counts.recorded.isoformat() if counts.recorded else None,
        "har": list(har),
        "pages": counts.pages,
        "other_pages": counts.other_pages,
        "unclear": counts.unclear,
        "skipped": counts.skipped,
        "parties": [
            {
                "domain": row.domain,
                "owner": row.owner,
                "kind": row.kind,
                "declared": row.declared,
                "pages": row.contacts.pages,
                "first_after_ms": row.contacts.first_after_ms,
                "hosts": sorted(row.contacts.hosts),
                "requests": dict(sorted(row.contacts.kinds.items())),
            }
            for row in rows
        ],
        "referrals": [{"domain": domain, "pages": pages} for domain, pages in sorted(counts.referrals.items())],
    }


def as_evidence(counts: LabCounts, *, agreement: Agreement, har: Sequence[str]) -> str:
    """Return the text of the evidence file; the product must have been opened (`counts.recorded` is given).

    Raises:
        ValueError: no page of the product was loaded, so there is no evidence.
    """
    if counts.recorded is None:
        raise ValueError("no page of the product was loaded")
    values = {
        "schema": SCHEMA,
        "agreement": agreement.id,
        "recorded": counts.recorded.isoformat(),
        "har": list(har),
        "pages": counts.pages,
        "parties": [
            {"domain": domain, "pages": seen.pages, "first_after_ms": seen.first_after_ms}
            for domain, seen in sorted(counts.parties.items())
        ],
        "referrals": [{"domain": domain, "pages": pages} for domain, pages in sorted(counts.referrals.items())],
    }
    return yaml_text(values, comment=_COMMENT)


def _declared(agreement: Agreement, *, hosts: set[str], party: Party | None) -> Declared:
    listed = [bool(declared_rows(agreement, host)) for host in sorted(hosts)]
    if all(listed):
        return "declared"
    if any(listed):
        return "declared_in_part"
    named = party is not None and rows_naming(agreement, party.names)
    return "declared_vaguely" if named else "not_declared"


def _kinds(seen: Contacts) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(seen.kinds.items()))
