"""Reads captures: pcap and pcapng, plain or gzip, from a file, a pipe or standard input, block by block in one buffer.

What the file says never decides how much memory is used: records beyond a bound end the reading. A capture that breaks
off is read as far as it goes and leaves a warning; what is no capture at all is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from collector.frames import FrameBlock
from collector.sources.octets import CaptureError, OctetSource
from collector.sources.records import PcapngRecords, PcapRecords

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["CaptureError", "CaptureFile"]

READ_OCTETS = 1_048_576
"""Most octets asked for in one read."""
BUFFER_OCTETS = READ_OCTETS + 524_288
"""The one buffer: what a read brings, behind the rest of a record that the read before cut in two."""

PCAP_HEADER_OCTETS = 24

_PCAP_MAGICS = {
    # magic: (big endian, nanoseconds, octets of a record header)
    b"\xa1\xb2\xc3\xd4": (True, False, 16),
    b"\xd4\xc3\xb2\xa1": (False, False, 16),
    b"\xa1\xb2\x3c\x4d": (True, True, 16),
    b"\x4d\x3c\xb2\xa1": (False, True, 16),
    b"\xa1\xb2\xcd\x34": (True, False, 24),  # a modified format of old Linux systems
    b"\x34\xcd\xb2\xa1": (False, False, 24),
}
_PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"


class CaptureFile:
    """The frames of one capture, as blocks. Iterate over it once; asking for the next block overwrites the last.

    Args:
        path: a file, a named pipe, "-" for standard input, or octets already opened.

    Raises:
        CaptureError: the input cannot be opened or read, is no capture, ends inside its own header, or (while
            iterating) its very first record makes no sense.
    """

    def __init__(self, path: str | Path | OctetSource) -> None:
        self.warning = ""
        """Why not all of the capture was read; empty: it was. Final once iteration has ended."""
        self.frames = 0
        """Frames delivered so far."""
        self._source = path if isinstance(path, OctetSource) else OctetSource(path)
        self.name = self._source.name
        self._buffer = memoryview(bytearray(BUFFER_OCTETS))
        self._start = 0
        self._end = 0
        try:
            self._records = self._recognise()
        except CaptureError:
            self.close()
            raise

    @property
    def octets_read(self) -> int:
        """Octets read so far, as stored (compressed if they are)."""
        return self._source.octets_read

    @property
    def total_octets(self) -> int | None:
        """Size of the capture as stored; None: a pipe, which does not tell."""
        return self._source.total_octets

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._source.close()

    def __iter__(self) -> Iterator[FrameBlock]:
        """Yield blocks of frames; `FrameBlock.octets` is a view of a buffer that the next step overwrites."""
        block = FrameBlock()
        going = True
        while going:
            block.clear(self._buffer)
            self._start = self._records.fill(block, self._start, self._end)
            if block.count:
                self.frames += block.count
                yield block
            else:
                going = not self._records.fault and self._more()
        self._conclude()

    def _recognise(self) -> PcapRecords | PcapngRecords:
        """Look at the first octets, and return the walker for what they promise."""
        while self._end < PCAP_HEADER_OCTETS and self._more():
            pass
        head = bytes(self._buffer[: min(self._end, PCAP_HEADER_OCTETS)])
        magic = head[:4]
        if magic not in _PCAP_MAGICS and magic != _PCAPNG_MAGIC:
            what = "is no pcap or pcapng capture" if head else "is empty"
            raise CaptureError(
                f"{self.name}: {self._source.warning or what}; give a file that tcpdump or Wireshark wrote"
            )
        if len(head) < PCAP_HEADER_OCTETS:
            raise CaptureError(f"{self.name}: ends inside its own header; give a whole capture")
        if magic == _PCAPNG_MAGIC:
            return PcapngRecords()
        self._start = PCAP_HEADER_OCTETS
        return _classic(head)

    def _more(self) -> bool:
        """Read on behind what is not walked yet; False: the input has ended."""
        rest = self._end - self._start
        if self._start and rest:
            self._buffer[:rest] = self._buffer[self._start : self._end]
        self._start, self._end = 0, rest
        count = self._source.readinto(self._buffer[rest : rest + READ_OCTETS])
        self._end += count
        return count > 0

    def _conclude(self) -> None:
        """Say what kept the walk from the end of the capture."""
        fault = self._records.fault
        if fault and not self.frames:
            raise CaptureError(f"{self.name}: {fault} before the first frame; give a whole capture")
        after = f"after {self.frames:,} frames"
        if fault:
            self.warning = f"{self.name}: {fault} {after}; the rest was not read"
        elif self._source.warning:
            self.warning = f"{self.name}: {self._source.warning} {after}"
        elif self._records.skip or self._start < self._end:
            self.warning = f"{self.name}: breaks off in the middle of a record {after}"
        elif self._records.odd:
            self.warning = f"{self.name}: {self._records.odd:,} records contradict themselves and were left out"


def _classic(head: bytes) -> PcapRecords:
    """Return the walker for a classic capture with this file header.

    The version is not held against a file: all that were ever written can be read. Of the link type only the low 16
    bits are one; the rest are reserved, or tell of a frame check sequence, which the IP length fields leave out anyway.
    """
    big, nanoseconds, header = _PCAP_MAGICS[head[:4]]
    order: Literal["big", "little"] = "big" if big else "little"
    major = int.from_bytes(head[4:6], order)
    minor = int.from_bytes(head[6:8], order)
    link = int.from_bytes(head[20:24], order) & 0xFFFF
    return PcapRecords(
        big_endian=big, nanoseconds=nanoseconds, link=link, header=header, swapped=(major, minor) < (2, 3)
    )
