"""Evidence over time as bars: where each stands and how high it is. Bands only, so a bar tells no number below ten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from rules.evidence import told_days
from rules.small_numbers import OFFICER_K, band, limits, starts

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDTH: Final = 720
HEIGHT: Final = 150
LEFT: Final = 108
TOP: Final = 8
BOTTOM: Final = 24
FEWEST_DAYS: Final = 14
"""A chart shows at least this many days, so that a single one is a bar and not a wall."""
WIDEST_BAR: Final = 26.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One day."""

    day: date
    devices: str
    """Band."""
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line across, with the band that ends there."""

    y: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One date below."""

    x: float
    day: date
    anchor: str
    """How the words stand to the place: `start`, `middle` or `end`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What the page draws."""

    bars: tuple[Bar, ...]
    steps: tuple[Step, ...]
    ticks: tuple[Tick, ...]


def chart_of(evidence: Mapping[str, Any] | None, *, devices: int, k: int = OFFICER_K) -> Chart | None:
    """Return the chart of what a case rests on (`rules.evidence`), None: nothing was kept, or days would tell too much.

    Args:
        evidence: what it rests on.
        devices: device-days of the case.
        k: where bands begin.
    """
    days_told = told_days(evidence, devices=devices) if evidence else []
    if not evidence or not days_told:
        return None
    counts = {date.fromisoformat(day["day"]): int(day["devices"]) for day in days_told}
    first, last = min(counts), max(counts)
    spare = max(0, FEWEST_DAYS - ((last - first).days + 1))
    first -= timedelta(days=spare // 2)
    days = max((last - first).days + 1, FEWEST_DAYS)
    room = (WIDTH - LEFT) / days
    wide = min(WIDEST_BAR, room * 0.8)
    levels = max(2, *(_level(count, k=k) for count in counts.values()))
    high = (HEIGHT - TOP - BOTTOM) / levels
    floor = HEIGHT - BOTTOM
    bars = tuple(
        Bar(
            day=day,
            devices=band(count, k=k),
            x=round(LEFT + room * ((day - first).days + 0.5) - wide / 2, 1),
            y=round(floor - high * _level(count, k=k), 1),
            width=round(wide, 1),
            height=round(high * _level(count, k=k), 1),
        )
        for day, count in sorted(counts.items())
    )
    steps = tuple(
        Step(y=round(floor - high * level, 1), words=band(starts(level - 1, k=k), k=k))
        for level in range(1, levels + 1)
    )
    return Chart(bars=bars, steps=steps, ticks=_ticks(bars))


def _ticks(bars: tuple[Bar, ...]) -> tuple[Tick, ...]:
    first, last = bars[0], bars[-1]
    # Two days written out need this much room side by side.
    if last.x - first.x < 220:
        return (Tick(x=first.x + first.width / 2, day=first.day, anchor="middle"),)
    return (
        Tick(x=max(first.x, LEFT), day=first.day, anchor="start"),
        Tick(x=last.x + last.width, day=last.day, anchor="end"),
    )


def _level(count: int, *, k: int) -> int:
    """Return the place of the band of *count*, from 1."""
    level, start = 1, limits(count, k=k)[0]
    while starts(level - 1, k=k) < start:
        level += 1
    return level
