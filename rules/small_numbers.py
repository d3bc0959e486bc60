"""Counts and times as people other than the operator see them: banded, so that no pupil can be made out. Pure.

A band never tells a number below k, and two bands of one case at two moments do not give one away by subtraction,
which exact counts would. What adds up to a total is a matter of its own (`rules.breakdown`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final

OFFICER_K: Final = 10
"""Counts below this are not shown to a privacy officer, nor in what leaves the district."""
IT_K: Final = 5
"""Counts below this are not shown to the district's IT, which looks for causes and not for people."""
BANDS: Final = (10, 25, 50, 100)
"""Where the first bands begin; 25 is where a case becomes critical (contract, section 5). Beyond, each doubles."""
STEP_S: Final = 15 * 60
"""Times go in steps of 15 minutes (contract, section 5)."""


def band(count: int, *, k: int = OFFICER_K) -> str:
    """Return the band in which *count* lies, for example `25 to 49`; below *k*: `fewer than 10`."""
    low, high = limits(count, k=k)
    return f"fewer than {k}" if count < k else f"{low:,} to {high:,}"


def limits(count: int, *, k: int = OFFICER_K) -> tuple[int, int]:
    """Return the least and the greatest number of the band in which *count* lies; the lowest begins at 0."""
    if count < k:
        return 0, k - 1
    steps = sorted({k, *BANDS})
    following = (*steps[1:], *(BANDS[-1] << doubled for doubled in range(1, 64)))
    start = k
    for end in following:
        if count < end:
            return start, end - 1
        start = end
    return start, count


def starts(level: int, *, k: int = OFFICER_K) -> int:
    """Return where the band begins that is *level* steps above the one below *k*; 0: that one."""
    start = 0
    for _ in range(level):
        start = limits(start, k=k)[1] + 1
    return start


def bands_to(most: int) -> tuple[int, ...]:
    """Return where the bands from `OFFICER_K` up begin, up to *most*."""
    return tuple(takewhile(lambda start: start <= most, map(starts, range(1, 64))))


def quarter(stamp: str) -> str:
    """Return a time (ISO 8601) as the beginning of its quarter of an hour, UTC, for example `2026-10-14T18:15Z`."""
    seconds = int(datetime.fromisoformat(stamp).timestamp()) // STEP_S * STEP_S
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%MZ}"


def quarter_start(moment: datetime) -> datetime:
    """Return the beginning of the quarter of an hour of *moment* (aware), UTC."""
    at = moment.astimezone(UTC)
    return at - timedelta(minutes=at.minute % (STEP_S // 60), seconds=at.second, microseconds=at.microsecond)


def floor_step(number: int) -> int:
    """Return the largest number of the row 0, 1, 2, 5, 10, 20, ... that is not larger than *number* (not negative)."""
    if number <= 0:
        return 0
    step = int(10 ** (len(str(number)) - 1))
    return next(step * factor for factor in (5, 2, 1) if step * factor <= number)
