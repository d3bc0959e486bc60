"""What a page asks of the network: its own hosts, its embeds, and what agents and extensions add to every page."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, NamedTuple

from tests.parts.school_days.facts import AGENT, EXTENSION, NOBODY, OS
from tests.parts.school_days.timetable import LESSON_S

if TYPE_CHECKING:
    from random import Random

    from tests.parts.school_days.facts import ClassGroup, Embed, Service, World
    from tests.parts.school_days.plan import Traits, Visit
    from tests.parts.school_days.timetable import Lesson

# What an ask is: a page that opens (its host is the number of the service), a request, a connection without one, a
# second socket that the pool never uses, a socket that stays open, a clear-text check.
PAGE, REQUEST, SPECULATIVE, SECOND, SOCKET, CHECK = range(6)


class Ask(NamedTuple):
    """Something that a device does on the network."""

    at: float
    """When, seconds since 1970."""
    what: int
    """One of the words above."""
    host: int
    """Number of the host; of the service for a page."""
    top: int
    """Partition of the browser's connections: the service of the page, or a cause below zero."""
    cause: int
    """Number of the service that caused it, or a cause below zero."""


class Pages:
    """Turns the visits of the devices of one lesson into asks."""

    def __init__(self, world: World, *, group: ClassGroup, lesson: Lesson, rng: Random, twists: frozenset[str]) -> None:
        self._world = world
        self._group = group
        self._lesson = lesson
        self._end = lesson.start + LESSON_S
        self._rng = rng
        self._second = "preconnect" in twists
        self._bursts = "update-burst" in twists
        self._agent = None if world.agent is None else world.parties[world.agent].hosts[0]
        self._extension = (
            world.parties[world.extension].hosts[0] if world.extension is not None and group.extended else None
        )

    def asks(self, device: int, *, visits: list[Visit], traits: Traits) -> list[Ask]:
        """Return all that *device* asks in the lesson and the break after it, by time."""
        made: list[Ask] = []
        for visit in visits:
            self._page(made, visit, traits=traits)
            self._around(made, visit, device=device)
        self._noise(made, online=bool(visits))
        made.sort()
        return made

    def _page(self, made: list[Ask], visit: Visit, *, traits: Traits) -> None:
        rng = self._rng.random
        at, number, _, stay = visit
        service = self._world.services[number]
        made.append(Ask(at, PAGE, number, number, number))
        if rng() < service.seen:
            made.append(Ask(at + 0.02 * rng(), REQUEST, service.hosts[0], number, number))
            made.extend(
                Ask(at + 0.05 + 0.5 * rng(), REQUEST, host, number, number)
                for host in service.hosts[1:]
                if rng() < 0.35
            )
            if stay > 60 and rng() < 0.5:
                made.append(Ask(at + 30 + rng() * (stay - 30), REQUEST, service.hosts[-1], number, number))
            if self._second and rng() < 0.15:
                made.append(Ask(at + 0.3 * rng(), SECOND, service.hosts[0], number, number))
        if service.socket:
            made.append(Ask(at + 0.6 + rng(), SOCKET, service.hosts[0], number, number))
        self._embeds(made, visit, embeds=service.embeds, traits=traits, top=number)
        if service.widget is not None and rng() < 0.5:
            other = self._world.services[service.widget]
            made.append(Ask(at + 0.1 + 0.4 * rng(), REQUEST, other.hosts[0], number, number))
            self._embeds(made, visit, embeds=other.embeds, traits=traits, top=number)
        made.extend(
            Ask(at + 0.1 * rng(), SPECULATIVE, host, number, number) for host in service.preconnects if rng() < 0.35
        )
        if service.links and rng() < 0.08:
            site = service.links[int(rng() * len(service.links))]
            host = self._world.services[site].hosts[0]
            made.append(Ask(at + 2 + 10 * rng(), SPECULATIVE, host, site, number))

    def _embeds(self, made: list[Ask], visit: Visit, *, embeds: tuple[Embed, ...], traits: Traits, top: int) -> None:
        rng, group, day = self._rng.random, self._group, self._lesson.day
        fired = 0
        slots = 0
        for place, embed in enumerate(embeds):
            if (
                not embed.pages >> visit.page & 1
                or embed.from_day > day
                or (embed.after >= 0 and not fired >> embed.after & 1)
                or (embed.slot >= 0 and slots >> embed.slot & 1)
                or (embed.consent and traits.refuses)
                or (embed.age is not None and (embed.age == "under_13") != group.under_13)
                or rng() >= embed.rate
            ):
                continue
            fired |= 1 << place
            if embed.slot >= 0:
                slots |= 1 << embed.slot
            at = self._moment(visit, embed=embed)
            made.extend(Ask(at + 0.05 * rng(), REQUEST, host, top, top) for host in embed.hosts)
            if embed.worker and rng() < 0.3:
                later = min(at + 60 + 1100 * rng(), self._end)
                made.append(Ask(later, REQUEST, embed.hosts[0], top, top))

    def _moment(self, visit: Visit, *, embed: Embed) -> float:
        rng = self._rng.random
        if embed.when == "load":
            at = visit.at + 0.1 + 0.2 * rng() + (0.15 if embed.after >= 0 else 0.0)
            return at if rng() < 0.7 else at - log(1 - rng()) * 1.5
        if embed.when == "late":
            return min(visit.at + 5 + 55 * rng(), self._end)
        # Left soon after the last own flow, or when the pupil has read the page.
        left = visit.at + 0.5 + 3 + 3 * rng() if rng() < 0.6 else visit.at + visit.stay
        return min(left, self._end)

    def _around(self, made: list[Ask], visit: Visit, *, device: int) -> None:
        rng, world, at = self._rng.random, self._world, visit.at
        if self._agent is not None and rng() < 0.85:
            made.append(Ask(at + 0.05 - log(1 - rng()) * 0.3, REQUEST, self._agent, AGENT, AGENT))
        if self._extension is not None and rng() < 0.6:
            made.append(Ask(at + 0.2 + 0.4 * rng(), REQUEST, self._extension, EXTENSION, EXTENSION))
        if world.toolbar is not None and world.demo == (device, visit.service):
            made.append(Ask(at + 0.3 * rng(), REQUEST, world.parties[world.toolbar].hosts[0], EXTENSION, EXTENSION))
        if world.ocsp and rng() < 0.04:
            made.append(Ask(at + 0.1 * rng(), CHECK, world.ocsp[int(rng() * len(world.ocsp))], NOBODY, NOBODY))

    def _noise(self, made: list[Ask], *, online: bool) -> None:
        rng, world, lesson = self._rng.random, self._world, self._lesson
        span = lesson.until - lesson.start
        if world.portal is not None and online:
            made.append(Ask(lesson.start + 5 * rng(), CHECK, world.portal, NOBODY, NOBODY))
        for place, party in enumerate(world.system):
            mean_s = 4500 if place < 3 else 7000
            at = lesson.start - log(1 - rng()) * mean_s
            while at < lesson.start + span:
                made.append(Ask(at, REQUEST, world.parties[party].hosts[0], OS, OS))
                at -= log(1 - rng()) * mean_s
        if self._bursts and world.system and lesson.order == 1 + lesson.day % 3:
            hosts = world.parties[world.system[3]].hosts
            made.extend(Ask(lesson.start + 180 * rng(), REQUEST, host, OS, OS) for host in hosts)


def own_hosts(service: Service) -> frozenset[int]:
    """Return the hosts that are the service's own, the shared one included."""
    return frozenset(service.hosts)
