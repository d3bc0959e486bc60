"""Counts of contacts on their way from stage one to the estimator: where each record belongs, and how large it may be.

One record holds the counts of one hour of one local day in one input partition, or a part of them where they are too
many. Names come from the network, so what a record holds is bounded here and not by what is likely.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

from rules.counted import packed
from rules.windows import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_OCTETS: Final = 500_000
"""Octets of one record: half of what a broker takes."""

MAX_ENTRIES: Final = 100_000
"""Entries of one record, of some 300 octets each before they are compressed: what a reader unpacks stays bounded."""

HASH_BITS: Final = 32
"""Counts are halved by a hash of their names, and no more often than it has bits."""

NOTHING: Final = packed(Counts())
"""What is told of a place that holds nothing any more."""

_KEY = re.compile(rb"(\d{1,9})/(\d{4}-\d\d-\d\d)/(\d{1,19})/(\d{1,9})/(\d{1,9})")


class Opening(NamedTuple):
    """The contacts of one day in one partition, from its first one until the key of the day is destroyed."""

    partition: int
    """Input partition."""
    day: date
    """Local date."""
    opened: int
    """Offset of the first record with contacts of the day."""

    @property
    def key(self) -> bytes:
        """The key of the record that ends them."""
        return b"%d/%s/%d" % (self.partition, self.day.isoformat().encode(), self.opened)


class Place(NamedTuple):
    """Where counts belong. Sorts by partition and day."""

    partition: int
    """Input partition."""
    day: date
    """Local date."""
    opened: int
    """Offset of the first record with contacts of the day: counts of a day that is opened anew add to the old ones."""
    hour: int
    """Hours since 1970 UTC."""
    number: int
    """Number of the part, from 0."""

    @property
    def opening(self) -> Opening:
        """What the counts are a part of."""
        return Opening(self.partition, self.day, self.opened)

    @property
    def key(self) -> bytes:
        """The key of the record."""
        return b"%d/%s/%d/%d/%d" % (self.partition, self.day.isoformat().encode(), *self[2:])


def place_in(key: bytes | None) -> Place:
    """Return the place that *key* names.

    Raises:
        ValueError: it names none.
    """
    found = _KEY.fullmatch(key or b"")
    if found is None:
        raise ValueError("the key names no place")
    partition, day, opened, hour, number = found.groups()
    return Place(int(partition), date.fromisoformat(day.decode()), int(opened), int(hour), int(number))


def parts_of(counts: Counts, *, pack: Callable[[Counts], bytes] = packed, depth: int = 0) -> list[bytes]:
    """Return *counts*, packed, in as few parts as the bounds allow; together they are the same counts.

    Args:
        counts: any.
        pack: packs them.
        depth: how often they were halved already.
    """
    size = _size(counts)
    whole = pack(counts) if size <= MAX_ENTRIES else b""
    if depth == HASH_BITS or size == 1 or (size <= MAX_ENTRIES and len(whole) <= MAX_OCTETS):
        return [whole or pack(counts)]
    halves = _halves(counts, depth=depth)
    return [octets for half in halves for octets in parts_of(half, pack=pack, depth=depth + 1)]


def _size(counts: Counts) -> int:
    return sum(
        len(held) if isinstance(held, list | Counter) else sum(map(len, held.values()))
        for held in (getattr(counts, each.name) for each in fields(Counts))
    )


def _halves(counts: Counts, *, depth: int) -> tuple[Counts, Counts]:
    """Return two parts; what is counted under one name comes into the same part in every field."""
    halves = Counts(), Counts()
    for name in (each.name for each in fields(Counts)):
        whole, parts = getattr(counts, name), [getattr(half, name) for half in halves]
        if isinstance(whole, list):
            middle, ordered = len(whole) // 2, sorted(whole)
            parts[0] += ordered[:middle]
            parts[1] += ordered[middle:]
        elif isinstance(whole, Counter):
            for key, number in whole.items():
                parts[_bit(key, depth=depth)][key] = number
        else:
            for outer, inner in whole.items():
                for key, number in inner.items():
                    parts[_bit((outer, key), depth=depth)][outer][key] = number
    return halves


def _bit(key: object, *, depth: int) -> int:
    return crc32(repr(key).encode()) >> depth & 1
