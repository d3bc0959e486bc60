"""Where flows live: a fixed number of records in one array, found by a seeded hash, ordered by how long they are quiet.

Knows nothing of what a record means beyond its first words: the two ends, high and low halves of their addresses; one
word of ports and protocol; the table's time of the last packet; the hash.
"""

from __future__ import annotations

from contextlib import suppress
from mmap import MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import TYPE_CHECKING, Literal

from collector import arenas, flow_hash, slices

if TYPE_CHECKING:
    from collector.dissect.frame import Frame

if __file__.endswith(".py"):  # compiled, these names are C variables
    from collector.flow_words import (
        IS_V6,
        LAST,
        LOW,
        PORTS,
        TAG,
        WORDS,
    )

LISTS = 3
"""Orders of quiet: each list holds the flows that share one idle timeout, the quietest first."""


class Slots:
    """The records, their index, and their lists.

    Args:
        capacity: number of records; fixed.
        seed: 64 bits that nobody outside can guess; the order in which flows come out does not depend on it.
    """

    def __init__(self, *, capacity: int, seed: int) -> None:
        if not 1 <= capacity <= 1 << 24:
            message = f"a flow table holds 1 to {1 << 24:,} flows, not {capacity:,}"
            raise ValueError(message)
        self.capacity = capacity
        self.live = 0
        self.records = _zeros(WORDS * capacity, "Q")
        size = 1 << (2 * capacity - 1).bit_length()
        self.swapped = False
        """The packet last looked for came from the end that sorts last."""
        self._first_high = self._first_low = self._last_high = self._last_low = self._ports = self._tag = 0
        self._mask = size - 1
        self._seed = seed & 0xFFFFFFFFFFFFFFFF
        # Open addressing: the hash in the upper half, slot + 1 in the lower, 0 = empty. At most half full.
        self._index = _zeros(size, "Q")
        # Slots given back, the last on top; beside them those from `_unused` on were never taken.
        self._free = _zeros(capacity, "I")
        self._returned = 0
        self._unused = 0
        # Doubly linked: before and after each slot; the heads of the lists stand behind the slots.
        self._before = _zeros(capacity + LISTS, "I")
        self._after = _zeros(capacity + LISTS, "I")
        for head in range(capacity, capacity + LISTS):
            self._before[head] = self._after[head] = head

    def look(self, frame: Frame) -> int:
        """Return the slot of the flow to which the packet in *frame* belongs; -1: there is none yet.

        Both directions have one key: the end that sorts first, the other, the ports in that order. `swapped` then says
        whether the packet came from the end that sorts last.
        """
        self.swapped = frame.source_high > frame.target_high or (
            frame.source_high == frame.target_high
            and (
                frame.source_low > frame.target_low
                or (frame.source_low == frame.target_low and frame.source_port > frame.target_port)
            )
        )
        if self.swapped:
            self._first_high, self._first_low = frame.target_high, frame.target_low
            self._last_high, self._last_low = frame.source_high, frame.source_low
            self._ports = (frame.target_port << 32) | (frame.source_port << 16) | frame.protocol
        else:
            self._first_high, self._first_low = frame.source_high, frame.source_low
            self._last_high, self._last_low = frame.target_high, frame.target_low
            self._ports = (frame.source_port << 32) | (frame.target_port << 16) | frame.protocol
        value = flow_hash.mix(flow_hash.mix(flow_hash.mix(self._seed, self._first_low), self._last_low), self._ports)
        if frame.version == 6:
            value = flow_hash.mix(flow_hash.mix(value, self._first_high), self._last_high)
            self._ports |= IS_V6
        self._tag = (value ^ (value >> 32)) & LOW
        return self._find()

    def _find(self) -> int:
        tag = self._tag
        place = tag & self._mask
        entry = self._index[place]
        while entry:
            if entry >> 32 == tag:
                slot = (entry & LOW) - 1
                record = slices.record(self.records, slot * WORDS, WORDS)
                if (
                    record[PORTS] == self._ports
                    and record[1] == self._first_low
                    and record[3] == self._last_low
                    and record[0] == self._first_high
                    and record[2] == self._last_high
                ):
                    return slot
            place = (place + 1) & self._mask
            entry = self._index[place]
        return -1

    def take(self) -> int:
        """Return a slot for the flow that was last looked for, with its key written; the caller has made room."""
        if self._returned:
            self._returned -= 1
            slot = self._free[self._returned]
        else:
            slot = self._unused
            self._unused += 1
        self.live += 1
        place = self._tag & self._mask
        while self._index[place]:
            place = (place + 1) & self._mask
        self._index[place] = (self._tag << 32) | (slot + 1)
        record = slices.record(self.records, slot * WORDS, WORDS)
        record[0] = self._first_high
        record[1] = self._first_low
        record[2] = self._last_high
        record[3] = self._last_low
        record[PORTS] = self._ports
        for word in range(5, WORDS):
            record[word] = 0
        record[TAG] = self._tag
        return slot

    def release(self, slot: int) -> None:
        """Give a slot back: out of its list, and out of the index without leaving a grave."""
        self._unlink(slot)
        hole = self.records[slot * WORDS + TAG] & self._mask
        while (self._index[hole] & LOW) != slot + 1:
            hole = (hole + 1) & self._mask
        place = hole
        while True:
            place = (place + 1) & self._mask
            entry = self._index[place]
            if entry == 0:
                break
            home = (entry >> 32) & self._mask
            if ((place - home) & self._mask) >= ((place - hole) & self._mask):
                self._index[hole] = entry
                hole = place
        self._index[hole] = 0
        self.live -= 1
        self._free[self._returned] = slot
        self._returned += 1

    def append(self, slot: int, order: int) -> None:
        """Put a slot that is in no list behind the others of list *order*."""
        head = self.capacity + order
        last = self._before[head]
        self._before[slot] = last
        self._after[slot] = head
        self._after[last] = slot
        self._before[head] = slot

    def touch(self, slot: int, order: int) -> None:
        """Move a slot behind the others of list *order*: it has just been heard of."""
        if self._after[slot] != self.capacity + order:
            self._unlink(slot)
            self.append(slot, order)

    def move(self, slot: int, order: int) -> None:
        """Move a slot behind the others of list *order*, from whichever list it is in."""
        self._unlink(slot)
        self.append(slot, order)

    def quietest(self, order: int) -> int:
        """Return the slot of list *order* that has been quiet longest; -1: the list is empty."""
        slot = self._after[self.capacity + order]
        return slot if slot < self.capacity else -1

    def last(self, slot: int) -> int:
        """Return when the flow in a slot was last heard of."""
        return self.records[slot * WORDS + LAST]

    def _unlink(self, slot: int) -> None:
        before = self._before[slot]
        after = self._after[slot]
        self._after[before] = after
        self._before[after] = before


def use_huge_pages() -> None:
    """Let the objects of this process lie in huge pages from now on, as the flows do: they are met at random as well.

    A process that reads a capture takes its memory within a second, and pays for each page of 4 KiB that it touches.
    """
    arenas.use_huge_pages()


def _zeros(count: int, kind: Literal["I", "Q"]) -> memoryview:
    """Return that many numbers of *kind* (as in `array`), all 0; memory is taken only for those that are written."""
    size = {"I": 4, "Q": 8}[kind] * count
    memory = mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)
    # Flows are looked up at random: with pages of 4 KiB most look-ups would miss the cache of page addresses.
    with suppress(OSError):  # a kernel without huge pages
        memory.madvise(MADV_HUGEPAGE)
    octets = memoryview(memory)
    return octets.cast("I") if kind == "I" else octets.cast("Q")
