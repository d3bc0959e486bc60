"""Evidence over time as bars: where each stands and how high it is. Bands only, so a bar tells no number below ten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from rules.small_numbers import BANDS, OFFICER_K, band

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
    left_out: int
    """Earlier days that are not kept."""


def chart_of(evidence: Mapping[str, Any] | None) -> Chart | None:
    """Return the chart of what a case rests on (`rules.evidence`), None: nothing was kept."""
    if not evidence or not evidence["days"]:
        return None
    counts = {date.fromisoformat(day["day"]): int(day["devices"]) for day in evidence["days"]}
    first, last = min(counts), max(counts)
    spare = max(0, FEWEST_DAYS - ((last - first).days + 1))
    first -= timedelta(days=spare // 2)
    days = max((last - first).days + 1, FEWEST_DAYS)
    room = (WIDTH - LEFT) / days
    wide = min(WIDEST_BAR, room * 0.8)
    levels = max(2, *(_level(count) for count in counts.values()))
    high = (HEIGHT - TOP - BOTTOM) / levels
    floor = HEIGHT - BOTTOM
    bars = tuple(
        Bar(
            day=day,
            devices=band(count),
            x=round(LEFT + room * ((day - first).days + 0.5) - wide / 2, 1),
            y=round(floor - high * _level(count), 1),
            width=round(wide, 1),
            height=round(high * _level(count), 1),
        )
        for day, count in sorted(counts.items())
    )
    steps = tuple(Step(y=round(floor - high * level, 1), words=_words(level)) for level in range(1, levels + 1))
    return Chart(bars=bars, steps=steps, ticks=_ticks(bars), left_out=int(evidence.get("days_left_out", 0)))


def _ticks(bars: tuple[Bar, ...]) -> tuple[Tick, ...]:
    first, last = bars[0], bars[-1]
    # Two days written out need this much room side by side.
    if last.x - first.x < 220:
        return (Tick(x=first.x + first.width / 2, day=first.day, anchor="middle"),)
    return (
        Tick(x=max(first.x, LEFT), day=first.day, anchor="start"),
        Tick(x=last.x + last.width, day=last.day, anchor="end"),
    )


def _level(count: int) -> int:
    """Return the place of the band of *count*, from 1."""
    if count < OFFICER_K:
        return 1
    level, start = 1, BANDS[0]
    while count >= start:
        level += 1
        start = BANDS[level - 1] if level - 1 < len(BANDS) else start * 2
    return level


def _words(level: int) -> str:
    starts = [0, *BANDS]
    while len(starts) < level:
        starts.append(starts[-1] * 2)
    return band(starts[level - 1])
