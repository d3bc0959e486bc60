"""Counts and times as people other than the operator see them: banded, so that no pupil can be made out. Pure.

A band never tells a number below k, and two bands of one case at two moments do not give one away by subtraction,
which exact counts would.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

OFFICER_K: Final = 10
"""Counts below this are not shown to a privacy officer, nor in what leaves the district."""
BANDS: Final = (10, 25, 50, 100)
"""Where the first bands begin; 25 is where a case becomes critical (contract, section 5). Beyond, each doubles."""
STEP_S: Final = 15 * 60
"""Times go in steps of 15 minutes (contract, section 5)."""


def band(count: int) -> str:
    """Return the band in which *count* lies, for example `25 to 49`; below k: `fewer than 10`."""
    if count < OFFICER_K:
        return f"fewer than {OFFICER_K}"
    start, end = BANDS[0], BANDS[1]
    for following in (*BANDS[2:], *(BANDS[-1] << doubled for doubled in range(1, 64))):
        if count < end:
            break
        start, end = end, following
    return f"{start:,} to {end - 1:,}"


def quarter(stamp: str) -> str:
    """Return a time (ISO 8601) as the beginning of its quarter of an hour, UTC, for example `2026-10-14T18:15Z`."""
    seconds = int(datetime.fromisoformat(stamp).timestamp()) // STEP_S * STEP_S
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%MZ}"
