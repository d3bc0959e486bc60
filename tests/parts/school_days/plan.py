"""What a device does in a lesson: which pages it opens, when, and for how long."""

from __future__ import annotations

from bisect import bisect
from math import exp, log
from typing import TYPE_CHECKING, NamedTuple

from tests.parts.school_days.timetable import LESSON_S

if TYPE_CHECKING:
    from random import Random

    from tests.parts.school_days.facts import ClassGroup, Service, World


class Visit(NamedTuple):
    """One page."""

    at: float
    """When it is opened, seconds since 1970."""
    service: int
    """Number of the product or site."""
    page: int
    """Which kind of page."""
    stay: float
    """Seconds until the tab shows something else."""


class Traits(NamedTuple):
    """What one pupil always does."""

    zeal: float
    """Pages off the task in a lesson."""
    refuses: bool
    """Refused advertising."""


class Round(NamedTuple):
    """The class is told to open a product."""

    at: float
    """When."""
    tool: int
    """Number of the product."""


def rounds(group: ClassGroup, *, start: float, rng: Random) -> list[Round]:
    """Return what a class is told to open in the lesson that begins at *start*."""
    tools = list(group.tools)
    use = list(group.pair) if group.pair and rng.random() < 0.6 else rng.sample(tools, min(len(tools), 2))
    if rng.random() < 0.3:
        use.append(rng.choice(tools))
    at = start + rng.uniform(20, 240)
    told: list[Round] = []
    while at < start + LESSON_S - 240:
        tool = use[len(told) % len(use)] if rng.random() < 0.7 else rng.choice(use)
        told.append(Round(at, tool))
        # Two products of a pair follow one another closely, or half a lesson apart.
        at += rng.uniform(15, 120) if rng.random() < 0.3 else rng.uniform(400, 1100)
    return told


def page_of(service: Service, *, rng: Random) -> int:
    """Return a kind of page that is opened in *service*."""
    return min(bisect(service.page_weights, rng.random()), len(service.page_weights) - 1)


class Planner:
    """Makes the visits of one device after the other in one lesson of one class."""

    def __init__(self, world: World, *, group: ClassGroup, start: float, rng: Random) -> None:
        self._world = world
        self._group = group
        self._start = start
        self._end = start + LESSON_S
        self._rng = rng
        self._told = [] if group.staff else rounds(group, start=start, rng=rng)

    def visits(self, device: int, *, traits: Traits) -> list[Visit]:
        """Return the visits of *device*, in no order."""
        rng, group, made = self._rng, self._group, list[Visit]()
        if group.staff:
            self._alone(made)
        for number, (at, tool) in enumerate(self._told):
            if rng.random() < 0.15:
                continue
            until = self._told[number + 1].at if number + 1 < len(self._told) else self._end
            # How soon a pupil follows: most within a quarter of a minute, some much later.
            self._work(made, tool=tool, at=at + 12 * exp(rng.gauss(0, 0.8)), until=until)
        if group.favourites:
            self._wander(made, zeal=traits.zeal)
        if self._world.demo is not None and device == self._world.demo[0]:
            for _ in range(12):
                self._open(made, self._world.demo[1], at=rng.uniform(self._start, self._end), stay=30)
        return made

    def _work(self, made: list[Visit], *, tool: int, at: float, until: float) -> None:
        rng = self._rng
        self._launch(made, tool=tool, at=at)
        # Steps within the product; every third pupil goes on until told otherwise, the others stop earlier.
        stop = until if rng.random() < 0.35 else at + rng.uniform(30, max(60.0, until - at))
        while at < stop and at < self._end:
            stay = min(150 * exp(rng.gauss(0, 0.9)), 1200.0)
            self._open(made, tool, at=at, stay=stay)
            at += stay

    def _launch(self, made: list[Visit], *, tool: int, at: float) -> None:
        rng, world = self._rng, self._world
        if world.hub is not None and rng.random() < 0.55:
            self._open(made, world.hub, at=at - rng.uniform(2.5, 8), stay=4)
            if world.sign_on is not None and rng.random() < 0.4 and tool != world.sign_on:
                self._open(made, world.sign_on, at=at - rng.uniform(0.6, 2), stay=1)

    def _open(self, made: list[Visit], number: int, *, at: float, stay: float) -> None:
        if not self._start <= at < self._end:
            return
        rng, service, habit = self._rng, self._world.services[number], self._group.habit
        made.append(Visit(at, number, page_of(service, rng=rng), stay))
        if habit is not None and number == habit[0] and rng.random() < 0.5:
            self._open(made, habit[1], at=at + rng.uniform(4, 18), stay=60)
        if service.refers is not None and rng.random() < 0.25:
            self._open(made, service.refers, at=at + rng.uniform(3, 15), stay=60)

    def _wander(self, made: list[Visit], *, zeal: float) -> None:
        rng, group, world = self._rng, self._group, self._world
        sites = len(world.services) - world.products
        at = self._start - log(1 - rng.random()) * LESSON_S / max(zeal, 0.01) * 2
        while at < self._end:
            if rng.random() < 0.6:
                number = rng.choice(group.favourites)
            else:
                number = world.products + int(rng.random() ** 2.5 * sites)
            for _ in range(rng.randint(1, 3)):
                stay = 25 * exp(rng.gauss(0, 1))
                self._open(made, number, at=at, stay=stay)
                at += min(stay, 300)
            at -= log(1 - rng.random()) * LESSON_S / max(zeal, 0.01) * 2

    def _alone(self, made: list[Visit]) -> None:
        rng = self._rng
        at = self._start + rng.expovariate(1 / 200)
        while at < self._end:
            tool = rng.choice(self._group.tools)
            if self._world.hub is not None and rng.random() < 0.3:
                tool = self._world.hub
            self._work(made, tool=tool, at=at, until=min(at + 400, self._end))
            at += 500 + rng.expovariate(1 / 500)
