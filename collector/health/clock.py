"""Whether this host's clock is kept right: days, school hours and pseudonyms hang on it."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Final

from collector.outcomes import not_applicable, warning, well

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.outcomes import Outcome

# linux/timex.h
TIME_ERROR: Final = 5
# Flows belong to minutes and hours: a second more or less moves nothing.
ERROR_MAY_BE_US: Final = 1_000_000


class _Timex(ctypes.Structure):
    """What adjtimex(2) fills in; only the front of it is read."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def clock() -> Iterator[Outcome]:
    """Yield whether the kernel says that somebody keeps its clock right."""
    libc = ctypes.CDLL(None, use_errno=True)
    told = _Timex()
    state = libc.adjtimex(ctypes.byref(told))  # modes is 0: it is only read
    if state < 0:
        yield not_applicable(f"the kernel does not tell of its clock here ({os.strerror(ctypes.get_errno())})")
    else:
        yield kept(state, error_us=told.maxerror)


def kept(state: int, *, error_us: int) -> Outcome:
    """Return what adjtimex says of the clock.

    Args:
        state: what the call returned.
        error_us: `maxerror`, microseconds.

    Source: adjtimex(2).
    """
    if state == TIME_ERROR:
        return warning("nobody keeps this clock right", remedy="set it by NTP; on Debian: apt-get install chrony")
    if error_us > ERROR_MAY_BE_US:
        return warning(
            f"this clock may be wrong by {error_us / 1_000_000:.1f} s", remedy="see why NTP does not reach its servers"
        )
    return well(f"set by NTP, right within {max(error_us, 1_000) / 1_000:.0f} ms")
