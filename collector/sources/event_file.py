"""Reads the lines of a file of flow events, plain or gzip, a pipe or standard input; what they say is not looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.sources.octets import OctetSource

READ_OCTETS = 1_048_576
MAX_LINE_OCTETS = 1_048_576
"""A longer line is cut into lines of this length, each of which its reader will refuse."""


class EventFile:
    """The lines of one file of events.

    Args:
        source: its octets.
    """

    def __init__(self, source: OctetSource) -> None:
        self.name = source.name
        self._source = source

    @property
    def warning(self) -> str:
        """Why not all of the file was read; empty: it was."""
        return f"{self.name}: {self._source.warning}" if self._source.warning else ""

    @property
    def octets_read(self) -> int:
        """Octets read so far, as stored."""
        return self._source.octets_read

    @property
    def total_octets(self) -> int | None:
        """Size of the file as stored; None: a pipe."""
        return self._source.total_octets

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines without their ends."""
        buffer = memoryview(bytearray(READ_OCTETS))
        rest = b""
        while count := self._source.readinto(buffer):
            *lines, rest = (rest + bytes(buffer[:count])).split(b"\n")
            yield from lines
            while len(rest) > MAX_LINE_OCTETS:
                yield rest[:MAX_LINE_OCTETS]
                rest = rest[MAX_LINE_OCTETS:]
        self._source.close()
        # A file whose compressed octets break off ends in half a line: what is whole has been given out.
        if rest and not self._source.warning:
            yield rest
