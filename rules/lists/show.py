"""Shows lists to people and programs: what each holds and leaves out, and who a host belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collector.hosts import covers
from rules.health.lists import LISTS_MAY_BE_DAYS
from rules.lists.rows import Weight
from rules.parties import BUNDLED_LIST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from rules.lists.rows import ListFacts
    from rules.parties import Party, Statements


def facts_as_json(sources: Iterable[ListFacts], *, today: date) -> list[dict[str, Any]]:
    """Return each list as plain data."""
    return [
        {
            "name": facts.name,
            "path": facts.path,
            "format": facts.format,
            "licence": facts.licence,
            "date": facts.date and facts.date.isoformat(),
            "days_old": facts.date and (today - facts.date).days,
            "sha256": facts.sha256,
            "usable": facts.usable,
            "domains": facts.domains,
            "skipped": dict(facts.skipped),
            "unknown_categories": dict(facts.unknown),
            "broken": facts.broken,
        }
        for facts in sources
    ]


def facts_in_words(facts: ListFacts, *, today: date) -> Iterator[str]:
    """Yield what a list is and holds as lines for a person."""
    of = "" if facts.date is None else f" of {facts.date}"
    yield f"{facts.name}{of} ({facts.format}, {facts.licence}): {'used' if facts.usable else 'NOT USED'}"
    if not facts.usable:
        yield "  its hosts are of unknown kind"
        return
    skipped = sum(count for _reason, count in facts.skipped)
    yield f"  {facts.domains:,} domains, {skipped:,} entries skipped, {facts.broken:,} broken; sha256 as entered"
    yield from (f"  {note}" for note in _notes(facts, today=today))


def _notes(facts: ListFacts, *, today: date) -> Iterator[str]:
    """Yield why entries were skipped, which words are unknown, and whether the list is old."""
    for reason, count in facts.skipped:
        yield f"skipped {count:,}: {reason}"
    for word, count in facts.unknown:
        yield f"the category `{word}` is not known here; its {count:,} domains count as `other`"
    days = 0 if facts.date is None else (today - facts.date).days
    if days > LISTS_MAY_BE_DAYS:
        yield f"it is {days} days old; get a newer one"
    elif days < 0:
        yield "it is of a day to come; correct its `date`"


def who(host: str, *, said: Statements) -> dict[str, Any]:
    """Return who owns *host* (lower case), in what business, which list decides, and what every list says of it."""
    decides = said.table().find(host)
    every = [_statement(party, domain) for party in said.parties for domain in party.domains if covers(domain, host)]
    # The longest domain first, and of one domain what counts most; the last of equals decides.
    every.reverse()
    every.sort(key=_first)
    for each in every:
        del each["counts"]
    return {
        "host": host,
        "party": None
        if decides is None
        else {
            "name": decides.name,
            "owner": decides.owner,
            "kind": decides.kind if decides.business_known else None,
            "list": decides.list_name,
            "date": decides.list_date and decides.list_date.isoformat(),
        },
        "said": every,
    }


def _first(statement: dict[str, Any]) -> tuple[int, int, int]:
    """Order statements about one host as `PartyTable.find` does: the first decides."""
    counts, length = statement["counts"], len(statement["domain"])
    return (-counts, -length, 0) if counts <= Weight.REGISTRY else (-Weight.OWN, -length, -counts)


def who_in_words(answer: dict[str, Any]) -> Iterator[str]:
    """Yield the answer of `who` as lines for a person."""
    party = answer["party"]
    if party is None:
        yield f"{answer['host']}: in no list, so of unknown kind (which never means clean)"
        return
    business = (party["kind"] or "business not known").replace("_", " ")
    owner = "" if party["owner"] == party["name"] else f", owned by {party['owner']}"
    yield f"{answer['host']}: {party['name']}{owner}; {business}"
    for number, each in enumerate(answer["said"]):
        of = f" of {each['date']}" if each["date"] else ""
        word = f" (its word: {each['category']})" if each["category"] else ""
        kind = each["kind"].replace("_", " ")
        lead = "decided by" if number == 0 else "also listed in"
        yield f"  {lead} {each['list']}{of}: {each['domain']} is {kind}, {each['name']}{word}"


def _statement(party: Party, domain: str) -> dict[str, Any]:
    return {
        "domain": domain,
        "name": party.name,
        "owner": party.owner,
        "kind": party.kind,
        "category": party.category,
        "list": "the list that comes with Schoolgate" if party.list_name == BUNDLED_LIST else party.list_name,
        "date": party.list_date and party.list_date.isoformat(),
        "counts": int(party.weight),
    }
