"""Walks the records of a capture that lie in a buffer, and notes each frame in a block. Compiled; reads no file itself.

Two formats, two classes, one interface: `fill` takes what is whole, says where the next record starts, and leaves a
`fault` when nothing sensible can follow. Sources: the pcap and pcapng formats (IETF opsawg drafts of the same names).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector import foresight, slices

if TYPE_CHECKING:
    from collector.frames import FrameBlock

MAX_FRAME = 262_144
"""Octets of the longest frame that is believed (the greatest snap length of the common capture programs)."""
_MAX_FRAME = MAX_FRAME

_MAX_WIRE = 4_194_304  # no card sends a longer segment: a length beyond is garbage, and the captured length is taken

_SECOND = 1_000_000_000
_MAX_SECONDS = 9_000_000_000  # in the year 2255: what lies beyond does not fit into 63 bits of nanoseconds

MAX_INTERFACES = 4_096
"""Interfaces that one section of a pcapng file may describe."""
_MAX_INTERFACES = MAX_INTERFACES

_SECTION = 0x0A0D0D0A
_ADDRESSES_AT = 40  # in the middle of what is read of an Ethernet frame first
_NO_VLAN = 0xFFFF  # as in collector/frames.py


class Records:
    """What both formats share: a buffer, an order of octets, and what went wrong."""

    def __init__(self, *, big_endian: bool) -> None:
        self.fault = ""
        """Why the walk ended before the file did; empty: it did not."""
        self.skip = 0
        """Octets to throw away before the next record: one that holds no frame may be longer than the buffer."""
        self.odd = 0
        """Records left out because they contradict themselves, or name an interface that nobody described."""
        self._big = big_endian
        self._octets = memoryview(b"")

    def _u16(self, at: int) -> int:
        if self._big:
            return (self._octets[at] << 8) | self._octets[at + 1]
        return self._octets[at] | (self._octets[at + 1] << 8)

    def _u32(self, at: int) -> int:
        return slices.any32(self._octets, at, self._big)


class PcapRecords(Records):
    """Records of the classic format.

    Args:
        big_endian: the order of all numbers.
        nanoseconds: times count nanoseconds beside the second, else microseconds.
        link: link type of all frames.
        header: octets of a record header (16; a modified format has 24).
        swapped: versions before 2.3 wrote the two lengths the other way round.
    """

    def __init__(self, *, big_endian: bool, nanoseconds: bool, link: int, header: int, swapped: bool) -> None:
        super().__init__(big_endian=big_endian)
        self._fraction = 1 if nanoseconds else 1000
        self._link = link
        self._header = header
        self._swapped = swapped

    def fill(self, block: FrameBlock, at: int, end: int) -> int:
        """Add to *block* the whole records in octets *at* to *end* of its buffer; return where the rest starts."""
        self._octets = block.octets
        row = block.count
        while row < block.capacity and at + self._header <= end:
            captured = slices.any32(self._octets, at + 8, self._big)
            wire = slices.any32(self._octets, at + 12, self._big)
            if self._swapped:
                captured, wire = wire, captured
            if captured > _MAX_FRAME:
                self.fault = f"a record claims {captured:,} octets"
                break
            start = at + self._header
            if start + captured > end:
                break
            foresight.touch(self._octets, start + _ADDRESSES_AT)
            if wire < captured or wire > _MAX_WIRE:
                wire = captured
            seconds = slices.any32(self._octets, at, self._big)
            # What `block.add` does, without a call for each frame.
            block.offsets[row] = start
            block.captured[row] = captured
            block.wire[row] = wire
            block.times[row] = seconds * _SECOND + slices.any32(self._octets, at + 4, self._big) * self._fraction
            block.links[row] = self._link
            block.vlans[row] = _NO_VLAN
            row += 1
            at = start + captured
        block.count = row
        return at


class PcapngRecords(Records):
    """Blocks of the newer format: several sections, interfaces and orders; blocks of unknown kind are passed over."""

    def __init__(self) -> None:
        super().__init__(big_endian=False)
        self._time = 0  # of the last frame: simple packet blocks have none of their own
        self._links: list[int] = []
        self._snap: list[int] = []
        self._decimal: list[int] = []  # nanoseconds a tick; 0: see _binary
        self._binary: list[int] = []  # ticks a second: 10 to the n above nine, or 2 to the n
        self._shift: list[int] = []  # seconds to add

    def fill(self, block: FrameBlock, at: int, end: int) -> int:
        """Add to *block* the frames in octets *at* to *end* of its buffer; return where the first cut block starts."""
        self._octets = block.octets
        if self.skip:
            passed = min(self.skip, end - at)
            self.skip -= passed
            at += passed
        while at + 12 <= end:
            kind = self._u32(at)
            if kind == _SECTION:
                self._section(at)
            total = self._u32(at + 4)
            if self.fault or total < 12:
                self.fault = self.fault or f"a block claims {total:,} octets"
                return at
            total = (total + 3) & ~3
            if kind not in {1, 2, 3, 6, _SECTION}:
                if at + total > end:
                    self.skip = at + total - end
                    return end
            elif total > _MAX_FRAME + 65_536:
                self.fault = f"a block claims {total:,} octets"
                return at
            elif at + total > end or not self._block(block, kind, at, total):
                return at
            at += total
        return at

    def _block(self, block: FrameBlock, kind: int, at: int, total: int) -> bool:  # noqa: C901 -- four kinds of one thing
        """Take one block; False: there is no room for its frame."""
        if kind == 1:
            self._interface(at, total)
            return True
        if kind == _SECTION:
            return True
        head = 12 if kind == 3 else 28
        if total < head + 4:
            self.odd += 1
            return True
        interface = 0
        if kind == 6:
            interface = self._u32(at + 8)
        elif kind == 2:  # the obsolete packet block: a short interface number and a drop count
            interface = self._u16(at + 8)
        if interface >= len(self._links):
            self.odd += 1
            return True
        wire = self._u32(at + head - 4)
        if kind == 3:
            captured = min(wire, total - 16)
            if self._snap[interface]:
                captured = min(captured, self._snap[interface])
        else:
            captured = self._u32(at + 20)
            self._clock(interface, self._u32(at + 12), self._u32(at + 16))
        if captured > total - head - 4 or captured > _MAX_FRAME:
            self.odd += 1
            return True
        if wire < captured or wire > _MAX_WIRE:
            wire = captured
        return block.add(at + head, captured, wire, self._time, self._links[interface])

    def _clock(self, interface: int, high: int, low: int) -> None:
        """Turn the ticks of an interface into nanoseconds since the epoch; nonsense leaves the time as it was."""
        ticks = (high << 32) | low
        step = self._decimal[interface]
        if step:
            a_second = _SECOND // step
            seconds = ticks // a_second
            rest = (ticks % a_second) * step
        else:
            a_second = self._binary[interface]
            seconds = ticks // a_second
            rest = ticks % a_second
            if a_second % _SECOND == 0:
                rest = rest // (a_second // _SECOND)
            else:
                # Both are cut to 30 bits before they are multiplied, so that the product fits.
                while a_second > 0x3FFFFFFF:
                    a_second >>= 1
                    rest >>= 1
                rest = rest * _SECOND // a_second
        shift = self._shift[interface]
        if seconds < _MAX_SECONDS and -_MAX_SECONDS < shift < _MAX_SECONDS:
            seconds += shift
            if 0 <= seconds < _MAX_SECONDS:
                self._time = seconds * _SECOND + rest

    def _section(self, at: int) -> None:
        """Start a section: its own order of octets, and interfaces counted from 0 again."""
        self._big = True
        magic = self._u32(at + 8)
        if magic not in {0x1A2B3C4D, 0x4D3C2B1A}:
            self.fault = "a section names no order of octets"
            return
        self._big = magic == 0x1A2B3C4D
        for column in (self._links, self._snap, self._decimal, self._binary, self._shift):
            column.clear()

    def _interface(self, at: int, total: int) -> None:
        """Note an interface: link type, snap length, and the options that say how it counts time."""
        if total < 20 or len(self._links) >= _MAX_INTERFACES:
            self.odd += 1
            return
        resolution = 6
        shift = 0
        option = at + 16
        while option + 4 <= at + total - 4:
            code = self._u16(option)
            length = self._u16(option + 2)
            if code == 0 or option + 4 + length > at + total - 4:
                break
            if code == 9 and length >= 1:
                resolution = self._octets[option + 4]
            elif code == 14 and length >= 8:
                raw = bytes(self._octets[option + 4 : option + 12])
                shift = int.from_bytes(raw, "big" if self._big else "little", signed=True)
            option += 4 + ((length + 3) & ~3)
        self._links.append(self._u16(at + 8))
        self._snap.append(self._u32(at + 12))
        self._resolve(resolution)
        self._shift.append(shift)

    def _resolve(self, resolution: int) -> None:
        """Note how long a tick is: a power of ten, or of two where the highest bit says so; nonsense is 1 µs."""
        exponent = resolution & 0x7F
        if resolution & 0x80:
            binary = exponent <= 62
            self._decimal.append(0 if binary else 1000)
            self._binary.append(1 << exponent if binary else 1)
        elif exponent <= 9:
            self._decimal.append(10 ** (9 - exponent))
            self._binary.append(1)
        else:
            self._decimal.append(0 if exponent <= 18 else 1000)
            self._binary.append(10**exponent if exponent <= 18 else 1)
