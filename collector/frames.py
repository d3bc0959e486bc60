"""A block of captured frames: one buffer and typed columns beside it, so that no frame becomes an object."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_FRAMES = 16_384
"""Most frames in one block: a mebibyte of the smallest Ethernet frames, with their record headers."""

NO_VLAN = 0xFFFF
"""In the column of VLAN ids: the source stripped no tag from this frame (ids end at 4,095)."""


class FrameBlock:
    """Frames that lie in one buffer. A source fills it, a flow table reads it, then the source fills it again.

    Row *i* of the columns speaks of frame *i*: where it starts in `octets`, how many of its octets were captured and
    how many it had on the wire, when it was seen (nanoseconds since the epoch), its link type (LINKTYPE_ registry of
    the pcap format), and a VLAN id that the source took out of the frame (NO_VLAN: none).
    """

    def __init__(self, *, capacity: int = BLOCK_FRAMES) -> None:
        self.capacity = capacity
        self.count = 0
        self.octets = memoryview(b"")
        self.offsets = array("I", bytes(4 * capacity))
        self.captured = array("I", bytes(4 * capacity))
        self.wire = array("I", bytes(4 * capacity))
        self.times = array("Q", bytes(8 * capacity))
        self.links = array("H", bytes(2 * capacity))
        self.vlans = array("H", b"\xff\xff" * capacity)

    def clear(self, octets: memoryview) -> None:
        """Forget the frames; the next ones lie in *octets* (a contiguous view of unsigned octets)."""
        self.octets = octets
        self.count = 0

    def add(self, offset: int, captured: int, wire: int, time_ns: int, link: int, vlan: int = NO_VLAN) -> bool:
        """Note one frame; False: the block is full, and the frame was not taken."""
        row = self.count
        if row >= self.capacity:
            return False
        self.offsets[row] = offset
        self.captured[row] = captured
        self.wire[row] = wire
        self.times[row] = time_ns
        self.links[row] = link
        self.vlans[row] = vlan
        self.count = row + 1
        return True

    def time(self, row: int) -> int:
        """Return when frame *row* was seen, nanoseconds since the epoch."""
        return self.times[row]

    def portion(self, row: int, until_ns: int, most: int) -> FrameBlock:
        """Return the frames from *row* on, seen up to *until_ns*: at least one, at most *most*; octets are shared."""
        last = min(self.count, row + most)
        part = FrameBlock(capacity=last - row)
        part.clear(self.octets)
        while row < last and (part.count == 0 or self.times[row] <= until_ns):
            part.add(
                self.offsets[row], self.captured[row], self.wire[row], self.times[row], self.links[row], self.vlans[row]
            )
            row += 1
        return part

    def rows(self) -> Iterator[tuple[bytes, int, int, int]]:
        """Yield (octets, length on the wire, time in ns, link type) of each frame: for tests and for slow consumers."""
        for row in range(self.count):
            start = self.offsets[row]
            data = bytes(self.octets[start : start + self.captured[row]])
            yield data, self.wire[row], self.times[row], self.links[row]
