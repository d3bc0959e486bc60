"""Reads the values that sensors write in their logs: times, addresses, ports, counts. A wrong one is refused."""

from __future__ import annotations

import re
import socket
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING

from collector.dissect.hostname import host_name, is_literal
from collector.sensor_records import RecordError

if TYPE_CHECKING:
    import msgspec

MAX_COUNT = 1 << 48
"""No flow carries more; what says so would break the sums of everybody else."""
LAST_SECOND = 253_370_764_800
"""The end of 9998: the last moment that every time zone can tell."""
MAX_ADDRESSES = 65_536
"""Addresses whose octets are remembered: those of one log come again and again."""
MAX_CHAIN = 16
"""CNAME targets taken from one answer, as many as the collector's own eyes take."""
# What msgspec says: names of fields are those of our structures, and a key of a mapping is never spelt out.
_KINDS = re.compile(r"^Expected `([a-z]+(?: \| [a-z]+)*)`, got `([a-z]+)`")
_AT = re.compile(r" - at `(\$(?:\.[a-z_]+|\[[0-9]+\]|\[\.\.\.\])*)`$")
_MISSING = re.compile(r"^Object missing required field `([a-z_]+)`")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Seconds since the epoch are below this until the year 5138, milliseconds have been above it since 1973.
_LEAST_MILLISECONDS = 100_000_000_000


@lru_cache(maxsize=MAX_ADDRESSES)
def address(text: str) -> bytes:
    """Return the octets of an address, 4 or 16.

    Raises:
        RecordError: it is none.
    """
    try:
        if ":" in text:
            return socket.inet_pton(socket.AF_INET6, text)
        return socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        raise RecordError("an address is none") from None


def count(value: object, *, name: str, most: int = MAX_COUNT) -> int:
    """Return a number that counts something, written as a number or in decimal digits.

    Raises:
        RecordError: it is none, negative, or larger than *most*.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(most)):
        value = int(value)
    # JSON of a log may have been through a program that writes every number as a fraction.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise RecordError(f"`{name}` is no count")


def port(value: object, *, name: str) -> int:
    """Return a port.

    Raises:
        RecordError: it is none.
    """
    return count(value, name=name, most=65_535)


def seconds_ns(value: object, *, name: str) -> int:
    """Return a length of time, given in seconds, as nanoseconds.

    Raises:
        RecordError: it is none, negative, or longer than a hundred years.
    """
    try:
        # By way of decimal digits: a fraction of a second in binary is not what was written.
        told = Decimal(value) if isinstance(value, str) else Decimal(repr(value))
        if told.is_finite() and 0 <= told <= 3_155_760_000:
            return int(told * 1_000_000) * 1_000
    except (InvalidOperation, ValueError, OverflowError):
        pass
    raise RecordError(f"`{name}` is no length of time")


def moment_ns(value: object, *, name: str) -> int:
    """Return a moment as nanoseconds since the epoch, to the microsecond.

    It may be written in seconds or milliseconds since the epoch, or as ISO 8601 with its offset (`Z`, `+0000`).

    Raises:
        RecordError: it is none, has no offset, or lies before 1970 or after 9998.
    """
    written = isinstance(value, str) and value[4:5] == "-"
    at_ns = _written_ns(str(value)) if written else _counted_ns(value)
    if at_ns is None or not 0 <= at_ns < LAST_SECOND * 1_000_000_000:
        raise RecordError(f"`{name}` is no time")
    return at_ns


def _written_ns(text: str) -> int | None:
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if told.tzinfo is None else (told - _EPOCH) // _MICROSECOND * 1_000


def _counted_ns(value: object) -> int | None:
    if isinstance(value, float) and 0 <= value < _LEAST_MILLISECONDS:
        # The nearest double to a time in microseconds is nearer to it than to any other until the year 2242.
        return round(value * 1_000_000) * 1_000
    if not isinstance(value, str | int | float) or isinstance(value, bool) or len(str(value)) > 32:
        return None
    try:
        told = Decimal(str(value))
    except InvalidOperation:
        return None
    if not told.is_finite() or told < 0:
        return None
    if told >= _LEAST_MILLISECONDS:
        told /= 1_000
    return None if told > LAST_SECOND else int(told * 1_000_000) * 1_000


@lru_cache(maxsize=MAX_ADDRESSES)
def name_in(text: str) -> str | None:
    """Return the host name in *text*, lower case; None: it names no host."""
    return host_name(text.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=MAX_ADDRESSES)
def is_refused(text: str) -> bool:
    """Say whether *text* is a name that is no host name; no text at all, or an address, is no name."""
    return bool(text) and name_in(text) is None and not is_literal(text.encode("utf-8", "surrogatepass"))


def is_address(text: str) -> bool:
    """Say whether *text* is an address."""
    try:
        address(text)
    except RecordError:
        return False
    return True


def what_is_wrong(error: msgspec.ValidationError) -> str:
    """Return which field is of which kind, and never a word more: what the library says besides may quote the line."""
    said = str(error)
    kinds, at, missing = _KINDS.search(said), _AT.search(said), _MISSING.search(said)
    if missing:
        return f"`{missing[1]}` is missing"
    what = f"`{kinds[2]}` where `{kinds[1]}` belongs" if kinds else "a value that cannot be"
    return f"{what}, at `{at[1]}`" if at else what
