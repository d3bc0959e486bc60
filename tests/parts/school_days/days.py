"""Plays the days: lesson after lesson, device after device, and hands out events in the order of their ends."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from rules.agreements.load import agreements_in
from tests.parts.school_days.district import build_world
from tests.parts.school_days.facts import CAUSE_WORDS
from tests.parts.school_days.ledger import Ledger
from tests.parts.school_days.pages import Pages
from tests.parts.school_days.papers import write_papers
from tests.parts.school_days.plan import Planner, Traits
from tests.parts.school_days.timetable import lessons
from tests.parts.school_days.truth import truth_of
from tests.parts.school_days.twists import known
from tests.parts.school_days.wire import Wire
from tests.parts.school_days.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.events import FlowEvent
    from rules.agreements.model import Agreement
    from tests.parts.school_days.facts import World
    from tests.parts.school_days.papers import Papers
    from tests.parts.school_days.timetable import Lesson
    from tests.parts.school_days.truth import Truth
    from tests.parts.school_days.wire import Flow

# Flows wait until no later lesson can end one before them; sorting a little late and much at once is cheaper.
_FLUSH_S = 240.0
# A look-up stands a few hundredths of a second before its lesson.
_SLACK_S = 1.0


def school_days(
    *,
    seed: int,
    devices: int = 250,
    days: int = 5,
    vendors: int = 50,
    sites: int = 120,
    parties: int = 80,
    twists: frozenset[str],
) -> SchoolDays:
    """Return synthetic days: the same arguments give the same ones, to the last octet.

    Raises:
        ValueError: a twist that does not exist, or fewer than 10 devices, 1 day, 8 vendors, 10 parties.
    """
    if devices < 10 or days < 1 or vendors < 8 or parties < 10:
        raise ValueError("at least 10 devices, 1 day, 8 vendors and 10 parties are needed")
    world = build_world(
        seed=seed,
        devices=devices,
        days=days,
        vendors=vendors,
        sites=sites,
        parties=parties,
        twists=known(twists),
    )
    papers = write_papers(world, seed=seed, days=days, twists=twists)
    return SchoolDays(world=world, papers=papers, seed=seed, days=days, twists=twists)


@dataclass(slots=True, kw_only=True)
class SchoolDays:
    """A set of days. It keeps no events: each call of `events` plays them anew."""

    world: World
    """What exists."""
    papers: Papers
    """The files that the product reads."""
    seed: int
    """The seed."""
    days: int
    """How many days."""
    twists: frozenset[str]
    """What makes them hard."""
    _truth: Truth | None = None

    @property
    def agreements(self) -> tuple[Agreement, ...]:
        """The agreements, as the product reads them."""
        return agreements_in({f"{name}.yaml": text for name, text in self.papers.agreements.items()})

    @property
    def truth(self) -> Truth:
        """What is true of the days; plays them once when nobody has yet."""
        if self._truth is None:
            for _ in self._flows():
                pass
        assert self._truth is not None
        return self._truth

    def events(self) -> Iterator[FlowEvent]:
        """Yield all events, by `ended_at`."""
        write = Writer(self.world, seed=self.seed).event
        for flow in self._flows():
            yield write(flow)

    def labelled(self) -> Iterator[tuple[FlowEvent, str | None]]:
        """Yield all events with their causes: agreement id, site domain, `os`, `agent`, `extension` or None."""
        write = Writer(self.world, seed=self.seed).event
        services = self.world.services
        for flow in self._flows():
            cause = flow.cause
            yield write(flow), services[cause].id if cause >= 0 else CAUSE_WORDS.get(cause)

    def causes(self) -> dict[str, str | None]:
        """Return the cause of every event by its id."""
        return {event.id: cause for event, cause in self.labelled()}

    def _flows(self) -> Iterator[Flow]:
        ledger = Ledger(self.world)
        pending: list[Flow] = []
        flushed = 0.0
        for lesson in lessons(self.world, seed=self.seed, days=self.days, twists=self.twists):
            if lesson.start - flushed >= _FLUSH_S:
                flushed = lesson.start
                pending.sort()
                done = _until(pending, flushed - _SLACK_S)
                yield from pending[:done]
                del pending[:done]
            self._play(lesson, ledger=ledger, out=pending)
        pending.sort()
        yield from pending
        self._truth = truth_of(self.world, ledger=ledger, papers=self.papers)

    def _play(self, lesson: Lesson, *, ledger: Ledger, out: list[Flow]) -> None:
        world, twists = self.world, self.twists
        group = world.classes[lesson.group]
        rng = Random(f"{self.seed}/lesson/{lesson.group}/{lesson.day}/{lesson.order}")  # noqa: S311 -- a simulation
        planner = Planner(world, group=group, start=lesson.start, rng=rng)
        pages = Pages(world, group=group, lesson=lesson, rng=rng, twists=twists)
        wire = Wire(world, lesson=lesson, ledger=ledger, rng=rng, twists=twists, out=out)
        absent = Random(f"{self.seed}/absent/{lesson.group}/{lesson.day}")  # noqa: S311 -- a simulation
        for device in group.devices:
            if absent.random() < 0.08 and "absences" in twists:
                continue
            traits = self._traits(device)
            visits = planner.visits(device, traits=traits) if lesson.taught else []
            wire.play(device, asks=pages.asks(device, visits=visits, traits=traits))

    def _traits(self, device: int) -> Traits:
        # Cheap lots from the number: they must be the same in every lesson.
        lot = (device * 2_654_435_761 + self.seed * 40_503) % 1000 / 1000
        refuses = "consent" in self.twists and (device * 7 + self.seed) % 4 == 0
        return Traits(zeal=16 * lot**2, refuses=refuses)


def _until(flows: list[Flow], ended: float) -> int:
    # Place of the first flow that ends at *ended* or later.
    low, high = 0, len(flows)
    while low < high:
        middle = (low + high) // 2
        if flows[middle].ended < ended:
            low = middle + 1
        else:
            high = middle
    return low
