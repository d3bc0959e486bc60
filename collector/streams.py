"""Puts the octets of one direction back in order, from segments that come in any order, overlap, repeat or lack.

Compiled; the C types stand in streams.pxd.
"""

from __future__ import annotations

from enum import IntEnum

from collector.holdings import OBJECT_OCTETS

MAX_OCTETS = 131_072
"""Octets that one direction may hold, in order and waiting together. A request head may take half of it."""
MAX_WAITING = 512
"""Segments that may wait behind a gap."""
_MAX_OCTETS = MAX_OCTETS
_MAX_WAITING = MAX_WAITING
_OBJECT_OCTETS = OBJECT_OCTETS


class Gain(IntEnum):
    """What one segment brought."""

    NOTHING = 0
    """No new octets in order: a repeat, or a segment behind a gap."""
    MORE = 1
    """Octets were appended."""
    EARLIER = 2
    """Octets were put before those that were there: the capture began in the middle, out of order."""
    FULL = 3
    """The segment was dropped, since a bound bit."""


# The same for compiled code, where these are C variables: comparing members of an enumeration costs more than the rest.
NOTHING, MORE, EARLIER, FULL = 0, 1, 2, 3


class Stream:
    """One direction of a TCP connection, or the CRYPTO octets of a QUIC one. Where segments overlap the first wins."""

    __slots__ = ("_held", "_taken", "_waiting", "octets", "segments", "start")

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.octets = bytearray()
        """Octets in order that have not been taken yet."""
        self.start = 0
        """Offset of the first of them."""
        self.segments = 0
        """Segments seen."""
        # Made with the first segment that waits: nearly all streams have none.
        self._waiting: dict[int, bytes] | None = None
        self._held = 0
        self._taken = False

    @property
    def waiting(self) -> int:
        """Return how many segments wait behind a gap."""
        return len(self._waiting) if self._waiting else 0

    def weight(self) -> int:
        """Return how many octets of memory wait here, about; 0: none."""
        return len(self.octets) + self._held + _OBJECT_OCTETS * self.waiting

    def add(self, offset: int, data: bytes) -> int:
        """Put *data*, whose first octet lies at *offset*, in its place; return what it brought (`Gain`)."""
        self.segments += 1
        octets = self.octets
        held = len(octets)
        size = len(data)
        end = self.start + held
        if held + self._held + size > _MAX_OCTETS:
            return FULL
        if offset == end:
            octets += data
            gain = MORE
        elif offset > end:
            return self._wait(offset, data)
        elif offset < self.start and not self._taken:
            if offset + size < self.start:
                return self._wait(offset, data)
            self._prepend(offset, data)
            gain = EARLIER
        elif offset + size > end:
            octets += data[end - offset :]
            gain = MORE
        else:
            return NOTHING
        return self._join(gain) if self._waiting else gain

    def take(self, octets: int) -> None:
        """Let go of the first *octets* octets: they have been read."""
        del self.octets[:octets]
        self.start += octets
        self._taken = True

    def skip_gap(self) -> bool:
        """Go on behind the first gap, letting go of all before it; False: nothing waits there."""
        end = self.start + len(self.octets)
        behind = [offset for offset in self._waiting or () if offset > end]
        if not behind:
            return False
        self.octets.clear()
        self.start = min(behind)
        self._taken = True
        self._join(MORE)
        return True

    def _wait(self, offset: int, data: bytes) -> int:
        if self._waiting is None:
            self._waiting = {}
        known = self._waiting.get(offset)
        if known is not None:
            if len(known) >= len(data):
                return NOTHING
            self._held -= len(known)
        elif len(self._waiting) >= _MAX_WAITING:
            return FULL
        self._waiting[offset] = data
        self._held += len(data)
        return NOTHING

    def _prepend(self, offset: int, data: bytes) -> None:
        end = self.start + len(self.octets)
        self.octets[0:0] = data[: self.start - offset]
        self.start = offset
        if offset + len(data) > end:
            self.octets += data[end - offset :]

    def _join(self, gain: int) -> int:
        """Take up the waiting segments that touch what is there."""
        waiting = self._waiting
        while waiting:
            end = self.start + len(self.octets)
            offset = end
            data = waiting.pop(end, None)
            # Mostly the next segment starts just where the octets end; only overlaps need the search.
            if data is None:
                touching = self._touching(end)
                if touching is None:
                    break
                offset = touching
                data = waiting.pop(offset)
            self._held -= len(data)
            if offset < self.start and not self._taken:
                self._prepend(offset, data)
                gain = EARLIER
            elif offset + len(data) > end:
                self.octets += data[end - offset :]
        return gain

    def _touching(self, end: int) -> int | None:
        waiting = self._waiting
        if waiting is None:
            return None
        for offset, data in waiting.items():
            if offset <= end and (offset + len(data) >= self.start or self._taken):
                return offset
        return None


def stream() -> Stream:
    """Return an empty stream. Every flow has one or two, and calling the class costs more than all its fields."""
    made: Stream = Stream.__new__(Stream)
    made._begin()  # noqa: SLF001 -- its constructor
    return made
