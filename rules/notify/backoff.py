"""How long to wait before something that failed is tried again. Pure: chance comes in as an argument."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 900.0
"""However long somebody is away, a quarter of an hour after they are back all is told."""


def pause_s(attempts: int, *, chance: float) -> float:
    """Return how long to wait, in seconds.

    Args:
        attempts: how often it has failed without a success between, from 1.
        chance: evenly spread from 0 to 1, so that those who failed together do not come back together.
    """
    # Beyond this power the bound has long been reached, and the number would grow without end.
    whole = min(LONGEST_S, FIRST_S * 2.0 ** min(attempts - 1, 20))
    return whole * (0.5 + chance / 2)


def waits(retry_at: int, *, now: int) -> bool:
    """Return whether to go on waiting for *retry_at*, both in seconds since 1970.

    A time further ahead than any pause can be was written under a clock that has been set back since.
    """
    return now < retry_at <= now + LONGEST_S
