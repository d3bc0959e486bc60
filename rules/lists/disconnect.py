"""Disconnect: `services.json`, trackers by category and company.

Source: https://github.com/disconnectme/disconnect-tracking-protection; the data are CC BY-NC-SA 4.0, so the district
gets them itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.lists.json_text import json_group
from rules.lists.rows import ListRow, Weight, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.lists.rows import Piece, Tally
    from rules.parties import Kind

KINDS: Final[Mapping[str, Kind]] = {
    "Advertising": "advertising",
    "Analytics": "analytics",
    "Social": "social",
    # What follows says how a party works or what it shows, not in what business it is.
    "Anti-fraud": "other",
    "ConsentManagers": "other",
    "Content": "other",
    "Cryptomining": "other",
    "Email": "other",
    "EmailAggressive": "other",
    "FingerprintingGeneral": "other",
    "FingerprintingInvasive": "other",
}
"""Category of the list -> our kind."""

SESSION_REPLAY: Final = "session-replay"
"""Mark on a company's entry: its domains record what a visitor does."""

# A domain stands in up to three categories; the list shows no order. Social networks show advertisements too.
FIRST: Final[tuple[Kind, ...]] = ("session_replay", "social", "advertising", "analytics", "other")


def load(pieces: Iterable[Piece], *, tally: Tally) -> None:
    """Read the services.

    Raises:
        DocumentError: the file is not in this format.
    """
    for piece in pieces:
        categories = json_group(piece, tally=tally).get("categories")
        if not isinstance(categories, dict):
            raise tally.refusal("there is no `categories` in this file", "name services.json", piece=piece)
        found: dict[str, ListRow] = {}
        for category, companies in categories.items():
            for row in _rows(companies, category=category, piece=piece, tally=tally):
                held = found.get(row.domains[0])
                if held is None or FIRST.index(row.kind) < FIRST.index(held.kind):
                    found[row.domains[0]] = row
        for row in found.values():
            tally.add(row)


def _rows(companies: object, *, category: str, piece: Piece, tally: Tally) -> Iterable[ListRow]:
    """Yield a row for each domain of a category."""
    if not isinstance(companies, list):
        tally.spoilt("a category that is no list of companies", piece=piece, key=category)
        return
    for entry in companies:
        for company, sites in entry.items() if isinstance(entry, dict) else ():
            if not isinstance(sites, dict):
                tally.spoilt("a company without sites", piece=piece, key=company)
                continue
            replays = sites.get(SESSION_REPLAY) == "true"
            kind = "session_replay" if replays else KINDS.get(category)
            for name in _domains(sites, piece=piece, tally=tally):
                if kind is None:
                    tally.strange(category)
                yield _row(company, name, kind=kind, category=category)


def _domains(sites: Mapping[str, object], *, piece: Piece, tally: Tally) -> Iterable[str]:
    for domains in sites.values():
        # Beside the lists of domains stand marks, such as "dnt": "eff".
        for domain in domains if isinstance(domains, list) else ():
            if isinstance(domain, str) and "/" in domain:
                tally.skip("a rule about addresses")
            elif (name := tally.domain(domain, piece=piece)) is not None:
                yield name


def _row(company: str, domain: str, *, kind: Kind | None, category: str) -> ListRow:
    return ListRow(
        name=words(company),
        owner=words(company),
        kind=kind or "other",
        category=words(category),
        domains=(domain,),
        weight=Weight.OWNER if kind is None else Weight.OTHER if kind == "other" else Weight.LISTED,
    )
