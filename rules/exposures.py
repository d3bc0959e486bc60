"""How far credited contacts reach: by day, school and group, and in sample windows. Devices are counted, not named."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from rules.closed_contacts import is_timeless, noon_ms
from rules.edges import Exposure, SampleWindow
from rules.small_numbers import STEP_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from rules.edges import Audience
    from rules.windows import Row

CITED: Final = 0.8
"""Posterior from which a contact is shown as a sample."""
MOST_WINDOWS: Final = 5
"""Sample windows kept: those with the most devices."""

Credited = tuple["Row", float]
"""A contact and the posterior of the product that it is credited to."""


def exposures_of(credited: Sequence[Credited], *, audience: Callable[[str, str], Audience]) -> tuple[Exposure, ...]:
    """Return the contacts by day, school and group; *audience*: school and group -> who sits there."""
    homes: dict[tuple[date, int], tuple[str, str]] = {}
    for row, _share in credited:
        key, home = (row.day, row.device), (row.school, row.group)
        homes[key] = min(homes.get(key, home), home)
    devices = Counter((day, *home) for (day, _device), home in homes.items())
    parts: defaultdict[tuple[date, str, str], list[Row]] = defaultdict(list)
    for row, _share in credited:
        parts[(row.day, *homes[row.day, row.device])].append(row)
    return tuple(
        Exposure(
            day=day,
            school=school,
            group=group,
            audience=audience(school, group),
            devices=devices[day, school, group],
            flows=sum(row.flows for row in found),
            bytes_up=sum(row.bytes_up for row in found),
            bytes_down=sum(row.bytes_down for row in found),
            first_seen=_moment(min((row.at_ms for row in found if not is_timeless(row)), default=noon_ms(day))),
            last_seen=_moment(max((row.until_ms for row in found if not is_timeless(row)), default=noon_ms(day))),
        )
        for (day, school, group), found in sorted(parts.items())
    )


def windows_of(credited: Sequence[Credited]) -> tuple[SampleWindow, ...]:
    """Return the quarters of an hour with the most devices, in order of time."""
    step = STEP_S * 1000
    devices: defaultdict[int, set[int]] = defaultdict(set)
    for row, share in credited:
        if share >= CITED and not is_timeless(row):
            devices[row.at_ms // step].add(row.device)
    most = sorted(devices, key=lambda place: (-len(devices[place]), place))[:MOST_WINDOWS]
    return tuple(SampleWindow(start=_moment(place * step), devices=len(devices[place])) for place in sorted(most))


def _moment(at_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
