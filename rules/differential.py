"""The same product seen from pupils under 13, older pupils and staff: which third parties meet only some of them.

A difference is something to ask the vendor about, never a case by itself: it says nothing of what was promised. It is
told only where chance would hardly make it, since a group that hardly used the product was hardly shown its parties.
Counts come in and go out; they add, so those of several days are the sums of theirs.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

from rules.contacts import PRODUCT_MARK
from rules.edges import Audience

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from collector.segments import GroupFacts
    from rules.edges import Edge

AUDIENCES: Final[tuple[Audience, ...]] = get_args(Audience)

FEWEST_MEETINGS: Final = 3
"""Device-days on which a party must have been met, as for use (contract, section 6): less is one visit."""

CHANCE_ALLOWED: Final = 0.01
"""Largest chance, were all audiences shown the same, that another one met the party on none of its days.

Devices of one class move together, so device-days say less than as many independent draws: hence not the usual 0.05."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """How often one audience of one product met one third party; sums over days, schools and groups."""

    agreement: str
    """Agreement id of the product."""
    party: str
    """Registrable domain of the third party, attributed to the product. Untrusted: escape before showing."""
    audience: Audience
    """Who used the product."""
    device_days: int
    """Device-days of this audience on which the product brought the party along."""


def audience_of(facts: GroupFacts) -> Audience | None:
    """Return the audience that a group is part of, None: guests and things, of whom nobody knows the age."""
    if facts.role == "staff":
        return "staff"
    if facts.under_13:
        return "under_13"
    return "older" if facts.role == "students" else None


def by_audience(
    edges: Iterable[Edge],
    *,
    used: Mapping[tuple[str, str, str], int],
    groups: Mapping[tuple[str, str], GroupFacts],
) -> list[dict[str, Any]]:
    """Return `differential` of what attribution says.

    Args:
        edges: what brings which party about; suspected edges and pages that people open by itself are left out.
        used: product (with `PRODUCT_MARK`), school and group -> device-days of use (`rules.windows.Counts.used`).
        groups: school and group -> what the network file says; devices of any other group are of nobody known.
    """
    audiences = {home: audience_of(facts) for home, facts in groups.items()}
    # Two names of one party share the larger count: their devices were counted and cannot be told apart any more.
    met: defaultdict[tuple[str, str, date, str, str], int] = defaultdict(int)
    for edge in edges:
        if edge.standing != "confirmed" or edge.role != "party":
            continue
        for each in edge.exposures:
            place = (edge.agreement, edge.subject, each.day, each.school, each.group)
            met[place] = max(met[place], each.devices)
    meetings = [
        Meeting(agreement=agreement, party=party, audience=audience, device_days=devices)
        for (agreement, party, _day, *home), devices in met.items()
        if (audience := audiences.get((home[0], home[1]))) is not None
    ]
    use: defaultdict[tuple[str, Audience], int] = defaultdict(int)
    for (product, *home), device_days in used.items():
        audience = audiences.get((home[0], home[1]))
        if audience is not None:
            use[product.removeprefix(PRODUCT_MARK), audience] += device_days
    return differential(meetings, use=use)


def differential(meetings: Iterable[Meeting], *, use: Mapping[tuple[str, Audience], int]) -> list[dict[str, Any]]:
    """Return, by agreement and party, how many device-days of each audience met the party, and where only some did.

    Args:
        meetings: the sums; several of one agreement, party and audience are added.
        use: (agreement, audience) -> device-days on which it used the product, with or without the party. It names the
            audiences that met nobody, too.

    Returns:
        Rows ready for JSON. `audiences`: all that used the product. `only`: the audiences that met the party,
        where at least one other surely does not; else empty. `unclear`: those that did not meet it and used the product
        too little to tell.
    """
    met: defaultdict[tuple[str, str], dict[Audience, int]] = defaultdict(lambda: dict.fromkeys(AUDIENCES, 0))
    for meeting in meetings:
        met[meeting.agreement, meeting.party][meeting.audience] += meeting.device_days
    return [
        _row(agreement, party, counts, {each: use.get((agreement, each), 0) for each in AUDIENCES})
        for (agreement, party), counts in sorted(met.items())
        if any(counts.values())
    ]


def _row(agreement: str, party: str, counts: Mapping[Audience, int], used: Mapping[Audience, int]) -> dict[str, Any]:
    # To meet a party that the product brings along is to use the product, whatever the caller counted as use.
    days = {each: max(counts[each], used[each]) for each in AUDIENCES if counts[each] or used[each]}
    seen = [each for each in days if counts[each]]
    hits, draws = sum(counts[each] for each in seen), sum(days[each] for each in seen)
    without = [each for each in days if not counts[each]]
    telling = [each for each in without if hits >= FEWEST_MEETINGS and not _by_chance(hits, draws, spared=days[each])]
    return {
        "agreement": agreement,
        "party": party,
        "audiences": {each: {"devices": counts[each], "product_devices": days[each]} for each in days},
        "only": seen if telling else [],
        "unclear": [each for each in without if each not in telling],
    }


def _by_chance(hits: int, draws: int, *, spared: int) -> bool:
    """Return whether *hits* among *draws* and none among *spared* further draws may well be chance.

    Source: Fisher's exact test, one-sided, for a table with an empty cell: C(draws, hits) / C(draws + spared, hits).
    """
    # Both products are that quotient; the one with fewer factors is taken, and left as soon as it has decided.
    factors, gap = min((hits, spared), (spared, hits))
    chance = 1.0
    for drawn in range(factors):
        chance *= (draws + spared - gap - drawn) / (draws + spared - drawn)
        if chance <= CHANCE_ALLOWED:
            return False
    return True
