"""Days of contacts made by hand: a class that opens things, in the example district, one fact changed at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from rules.contacts import Contact, ContactLog, Met
from rules.estimator import Estimator
from rules.rehearsal import TOKEN_KEY, world
from rules.windows import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.edges import Edge
    from rules.lab_evidence import LabEvidence
    from rules.rehearsal import World

FIRST_DAY = date(2026, 10, 13)
PRODUCT = "@mathlab"
PARTY = "adco.example"
OTHER = "weather.example"
"""A site without an agreement: a cause needs something to be compared with."""
FIRST_HOUR = 14
"""UTC: a morning hour of the example district, and the same date there."""

Scene = list[Met]


def at(second: float, *, site: str, device: str, day: int = 0, group: str = "6-8", octets: int = 100) -> Met:
    """Return one flow, so many seconds after the first lesson of a day began."""
    opened = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, FIRST_HOUR, tzinfo=UTC)
    at_ms = int(opened.timestamp() * 1000) + day * 86_400_000 + round(second * 1000)
    contact = Contact(
        at_ms=at_ms, site=site, until_ms=at_ms + 500, bytes_up=octets, bytes_down=9 * octets, school="north-es",
        group=group,
    )  # fmt: skip
    # Pseudonyms change every night.
    return Met(day=FIRST_DAY + timedelta(days=day), device=f"{device}/{day}", contact=contact)


def visits(
    *flows: tuple[float, str],
    devices: int = 4,
    days: int = 3,
    hours: int = 3,
    minute: int = 0,
    first_device: int = 0,
    group: str = "6-8",
) -> Scene:
    """Return visits of a class: each device once an hour, one device a minute.

    Args:
        flows: seconds after the visit began, and the site.
        devices: devices of the class.
        days: days from the first on.
        hours: lessons a day.
        minute: minute of the hour at which the first device begins.
        first_device: number of the first device.
        group: group of the class.
    """
    return [
        at(hour * 3600 + (minute + place) * 60 + second, site=site, device=f"d{device}", day=day, group=group)
        for day in range(days)
        for hour in range(hours)
        for place, device in enumerate(range(first_device, first_device + devices))
        for second, site in flows
    ]


BROUGHT: tuple[tuple[float, str], ...] = ((0.0, PRODUCT), (0.2, PARTY))
"""The product, and the party right after it."""


def among(*scenes: Scene) -> Scene:
    """Return *scenes* together with visits of another site that brings nobody."""
    return [met for scene in (*scenes, visits((0.0, OTHER), minute=50)) for met in scene]


def log_of(mets: Iterable[Met]) -> ContactLog:
    """Return a log of contacts."""
    log = ContactLog()
    for met in mets:
        log.note(met)
    return log


def counts_of(mets: Iterable[Met], *, district: World | None = None) -> Counts:
    """Return what is counted of contacts in the example district."""
    log, counts = log_of(mets), Counts()
    estimator = Estimator((district or world()).rulebook)
    for day in log.days():
        for part in estimator.hours(log, day=day, key=TOKEN_KEY).values():
            counts.add(part)
    return counts


def edges_of(
    mets: Iterable[Met], *, district: World | None = None, lab: Mapping[str, LabEvidence] | None = None
) -> dict[tuple[str, str], Edge]:
    """Return what attribution says of contacts in the example district, by agreement and party."""
    place = district or world()
    estimator = Estimator(replace(place.rulebook, lab=lab or {}))
    return {(edge.agreement, edge.party): edge for edge in estimator.edges(counts_of(mets, district=place))}


def edge_of(mets: Iterable[Met], *, lab: Mapping[str, LabEvidence] | None = None) -> Edge | None:
    """Return the edge between the example product and the party, None: there is none."""
    return edges_of(mets, lab=lab).get(("mathlab", PARTY))
