"""AdGuard companiesdb: `dist/trackers.json`, and `dist/companies.json` beside it for the owners.

Source: https://github.com/AdguardTeam/companiesdb (README, "Tracker categories"); the data are CC BY-SA 4.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.lists.json_text import json_group
from rules.lists.rows import ListRow, Weight, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.lists.rows import Piece, Tally
    from rules.parties import Kind

TRACKERS: Final = "trackers.json"
COMPANIES: Final = "companies.json"

KINDS: Final[Mapping[str, Kind]] = {
    "advertising": "advertising",
    "pornvertising": "advertising",
    "site_analytics": "analytics",
    "mobile_analytics": "analytics",
    "telemetry": "analytics",
    "social_media": "social",
    "cdn": "cdn",
    "hosting": "hosting",
    "audio_video_player": "other",
    "comments": "other",
    "consent": "other",
    "customer_interaction": "other",
    "email": "other",
    # Tag managers, but also privacy notices and fonts: too wide a word to call its hosts anything.
    "essential": "other",
    "extensions": "other",
    "misc": "other",
}
"""Category of the list -> our kind."""

NOT_LABELLED: Final = "unknown"
"""The list's own word for a tracker that nobody has looked at."""


def load(pieces: Iterable[Piece], *, tally: Tally) -> None:
    """Read the trackers, and the companies where their file is there.

    Raises:
        DocumentError: the trackers are missing, or a file is not in this format.
    """
    trackers: Piece | None = None
    companies: dict[str, str] = {}
    for piece in pieces:
        if piece.name == COMPANIES:
            companies = _companies(piece, tally=tally)
        else:
            trackers = piece
    if trackers is None:
        raise tally.refusal(f"there is no {TRACKERS} in this folder", f"name the file, or the folder of {TRACKERS}")
    _trackers(trackers, companies=companies, tally=tally)


def _companies(piece: Piece, *, tally: Tally) -> dict[str, str]:
    listed = json_group(piece, tally=tally).get("companies")
    if not isinstance(listed, dict):
        raise tally.refusal("there is no `companies` in this file", "name dist/companies.json", piece=piece)
    found = {}
    for key, company in listed.items():
        name = words(company.get("name")) if isinstance(company, dict) else ""
        if name:
            found[key] = name
        else:
            tally.spoilt("a company without a name", piece=piece, key=key)
    return found


def _trackers(piece: Piece, *, companies: Mapping[str, str], tally: Tally) -> None:
    whole = json_group(piece, tally=tally)
    categories, trackers, owned = (whole.get(key) for key in ("categories", "trackers", "trackerDomains"))
    if not (isinstance(categories, dict) and isinstance(trackers, dict) and isinstance(owned, dict)):
        what = "this file lacks `categories`, `trackers` or `trackerDomains`"
        raise tally.refusal(what, "name dist/trackers.json of companiesdb", piece=piece)
    domains: dict[str, list[str]] = {}
    for name, key in owned.items():
        if not isinstance(key, str) or not isinstance(trackers.get(key), dict):
            tally.spoilt("a domain of a tracker that is not in the list", piece=piece, key=name)
        elif (domain := tally.domain(name, piece=piece)) is not None:
            domains.setdefault(key, []).append(domain)
    for key, names in domains.items():
        tracker = trackers[key]
        category = categories.get(str(tracker.get("categoryId")))
        _add(key, tracker, names, category=category, companies=companies, tally=tally)


def _add(
    key: str,
    tracker: Mapping[str, object],
    names: list[str],
    *,
    category: object,
    companies: Mapping[str, str],
    tally: Tally,
) -> None:
    word = words(category)
    kind = KINDS.get(word)
    if kind is None and word != NOT_LABELLED:
        for _name in names:
            tally.strange(word or "no category")
    company = tracker.get("companyId")
    weight = Weight.OWNER if kind is None else Weight.OTHER if kind == "other" else Weight.LISTED
    tally.add(
        ListRow(
            name=words(tracker.get("name")) or words(key),
            # Without the file of companies their ids still tell which trackers belong together.
            owner=(companies.get(company) or words(company)) if isinstance(company, str) else "",
            kind=kind or "other",
            category=word,
            domains=tuple(names),
            weight=weight,
        )
    )
