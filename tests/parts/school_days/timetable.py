"""When which class has a lesson. Local time matters: the dates are those of a district in the mountains."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from random import Random
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from tests.parts.school_days.facts import World

TIME_ZONE = "America/Denver"
FIRST_DATE = date(2026, 9, 14)  # a Monday
LESSON_S = 45 * 60
_BREAKS_S = (300, 600, 2400, 300, 600)


class Lesson(NamedTuple):
    """One lesson of one class, with the break after it."""

    start: float
    """Begin, seconds since 1970."""
    until: float
    """Begin of what follows; noise goes on until then."""
    group: int
    """Number of the class."""
    day: int
    """Day of the set, from 0."""
    order: int
    """Which lesson of the day, from 0."""
    taught: bool
    """False: holiday, the whole class away, or a lesson without devices."""


def school_dates(days: int) -> tuple[date, ...]:
    """Return *days* weekdays from the first date on."""
    found: list[date] = []
    at = FIRST_DATE
    while len(found) < days:
        if at.weekday() < 5:
            found.append(at)
        at += timedelta(days=1)
    return tuple(found)


def holiday(*, days: int, twists: frozenset[str]) -> int | None:
    """Return the day of the set without school, or None."""
    return days // 2 if "holiday" in twists and days >= 4 else None


def lessons(world: World, *, seed: int, days: int, twists: frozenset[str]) -> list[Lesson]:
    """Return all lessons of the set by begin; each class has its own breaks and free lessons, the same every day."""
    made: list[Lesson] = []
    free_day = holiday(days=days, twists=twists)
    zone = ZoneInfo(TIME_ZONE)
    for day, on in enumerate(school_dates(days)):
        eight = datetime.combine(on, time(8), tzinfo=zone).timestamp()
        for group in world.classes:
            rng = Random(f"{seed}/timetable/{group.number}")  # noqa: S311 -- lots of a simulation
            breaks = [*rng.sample(_BREAKS_S, len(_BREAKS_S)), 600]
            away = "absences" in twists and Random(f"{seed}/trip/{group.number}/{day}").random() < 0.03  # noqa: S311
            start = eight + group.offset_s
            for order, pause in enumerate(breaks):
                used = group.staff or rng.random() < 0.5
                taught = used and not away and day != free_day
                until = start + LESSON_S + pause
                made.append(Lesson(start=start, until=until, group=group.number, day=day, order=order, taught=taught))
                start = until
    made.sort()
    return made
