"""DuckDuckGo Tracker Radar: its folder (`domains/`, `entities/`), or the file `domain_map.json` that is built from it.

Source: https://github.com/duckduckgo/tracker-radar, docs/DATA_MODEL.md and docs/CATEGORIES.md; the data are
CC BY-NC-SA 4.0, so the district gets them itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic_core import to_json

from collector.problems import DocumentError
from rules.lists.json_text import json_group
from rules.lists.rows import ListRow, Weight, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.lists.rows import Piece, Tally
    from rules.parties import Kind

FOLDERS: Final = ("domains", "entities")
"""What is read of a checkout; of a folder without these, every `.json`."""

KINDS: Final[Mapping[str, Kind]] = {
    "social network": "social",
    "cdn": "cdn",
    "non-tracking": "other",
    "advertising": "advertising",
    "session replay": "session_replay",
    "analytics": "analytics",
    "audience measurement": "analytics",
    "third-party analytics marketing": "analytics",
    "tag manager": "analytics",
    "action pixels": "analytics",
    "ad motivated tracking": "advertising",
    "federated login": "identity",
    "sso": "identity",
    "social - comment": "social",
    "social - share": "social",
    "ad fraud": "other",
    "badge": "other",
    "embedded content": "other",
    "malware": "other",
    "obscure ownership": "other",
    "online payment": "other",
    "unknown high risk behavior": "other",
}
"""Category of the list, lower case -> our kind. A domain has several; the first of this table decides.

The order says the less accusing word where a domain does many things: a delivery network that also carries
advertisements is a delivery network, and a social network is one whatever else it does.
"""
_JOINED: Final = ", "
_PLACE: Final = {category: place for place, category in enumerate(KINDS)}


def load(pieces: Iterable[Piece], *, tally: Tally) -> None:
    """Read domains and entities, in any order.

    Raises:
        DocumentError: a single file that is named as the list is not in this format.
    """
    seen: dict[str, ListRow] = {}
    for piece in pieces:
        group = json_group(piece, tally=tally) if "/" not in piece.name else _one_of_many(piece, tally=tally)
        for row in () if group is None else _rows(group, piece=piece, tally=tally):
            # Regions list the same domain: the first that knows a business wins, else the first that knows an owner.
            held = seen.get(row.domains[0])
            if held is None or held.weight < row.weight:
                seen[row.domains[0]] = row
    for row in seen.values():
        tally.add(row)


def _one_of_many(piece: Piece, *, tally: Tally) -> dict[str, object] | None:
    """Return what one file of thousands holds; that it is broken spoils none of the others."""
    try:
        return json_group(piece, tally=tally)
    except DocumentError as error:
        tally.spoilt(error.problems[0].what, piece=piece)
        return None


def packed(rows: Iterable[ListRow]) -> bytes:
    """Return *rows* as one file in the form of `domain_map.json`, with the categories of each domain.

    A checkout has 100,000 files; the same in one file is read in a fifth of the time.
    """
    group = {
        row.domains[0]: {"displayName": row.owner, "categories": row.category.split(_JOINED) if row.category else []}
        for row in rows
    }
    return to_json(group, indent=1)


def _rows(group: Mapping[str, object], *, piece: Piece, tally: Tally) -> Iterable[ListRow]:
    if "domain" in group:
        owner, listed = _owner(group.get("owner")), group.get("categories")
        if not owner and not listed:
            tally.skip("neither owner nor category")
        elif (name := tally.domain(group["domain"], piece=piece)) is not None:
            yield _row(name, owner=owner, categories=listed, tally=tally)
    elif "properties" in group:
        yield from _entity(group, piece=piece, tally=tally)
    else:
        for domain, about in group.items():
            owner = _owner(about)
            categories = about.get("categories") if isinstance(about, dict) else None
            if not owner and not categories:
                tally.spoilt("a domain without the name of its owner", piece=piece, key=domain)
            elif (name := tally.domain(domain, piece=piece)) is not None:
                yield _row(name, owner=owner, categories=categories, tally=tally)


def _row(domain: str, *, owner: str, categories: object, tally: Tally) -> ListRow:
    given = [words(each) for each in categories] if isinstance(categories, list) else []
    for each in given:
        if each.lower() not in _PLACE:
            tally.strange(each)
    known = sorted((each for each in given if each.lower() in _PLACE), key=lambda each: _PLACE[each.lower()])
    kind = KINDS[known[0].lower()] if known else None
    return ListRow(
        name=owner,
        owner=owner,
        kind=kind or "other",
        category=_JOINED.join(known),
        domains=(domain,),
        weight=_weight(kind, named=bool(owner)),
    )


def _weight(kind: Kind | None, *, named: bool) -> Weight:
    if kind is None:
        return Weight.OWNER
    if kind == "other":
        return Weight.OTHER
    return Weight.LISTED if named else Weight.HOST


def _entity(group: Mapping[str, object], *, piece: Piece, tally: Tally) -> Iterable[ListRow]:
    """Yield the rows of a file in `entities/`."""
    owner = _owner(group)
    domains = group["properties"]
    if not owner or not isinstance(domains, list):
        tally.spoilt("an entity without name or domains", piece=piece)
        return
    for domain in domains:
        if (name := tally.domain(domain, piece=piece)) is not None:
            yield _row(name, owner=owner, categories=None, tally=tally)


def _owner(about: object) -> str:
    """Return the company's name as one says it, empty: not given."""
    if not isinstance(about, dict):
        return ""
    return words(about.get("displayName")) or words(about.get("name")) or words(about.get("entityName"))
