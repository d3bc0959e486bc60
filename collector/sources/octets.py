"""The octets of a capture, wherever they lie: a file, a named pipe, standard input; gzip is undone on the way."""

from __future__ import annotations

import os
import stat
import sys
import zlib
from typing import TYPE_CHECKING, cast

from collector.wrong_input import WrongInputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedIOBase, FileIO
    from pathlib import Path

GZIP_MAGIC = b"\x1f\x8b"
GZIP_PIECE = 65_536
"""Compressed octets read at once; what they inflate to is bounded by the buffer they inflate into."""

_WBITS_GZIP = 31  # zlib: the largest window, with a gzip header and trailer


class CaptureError(WrongInputError):
    """The input is no capture that can be read; the message names it and says what to give instead."""


class OctetSource:
    """Octets in order, a buffer at a time, from one input.

    Args:
        path: a file, a named pipe, or "-" for standard input.

    Raises:
        CaptureError: it cannot be opened, or (later) not be read further.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = "standard input" if str(path) == "-" else str(path)
        self.octets_read = 0
        """Octets taken from the input so far, as stored (compressed if they are)."""
        self.total_octets: int | None = None
        """Octets that the input has, as stored; None: a pipe."""
        self.warning = ""
        """Why the octets end too early; empty: they do not."""
        self.close: Callable[[], None] = lambda: None
        self._readinto = self._open(path)
        self._head = b""  # read ahead to see whether it is gzip
        self._tail = b""  # compressed octets not yet inflated
        while len(self._head) < len(GZIP_MAGIC) and (piece := self._raw(len(GZIP_MAGIC))):
            self._head += piece
        self._ahead = b""  # given to `look`, not yet to `readinto`
        self._inflater = zlib.decompressobj(_WBITS_GZIP) if self._head.startswith(GZIP_MAGIC) else None
        if self._inflater:
            self._tail, self._head = self._head, b""

    def readinto(self, buffer: memoryview) -> int:
        """Fill *buffer* from its start with as many octets as one read gives; return how many: 0 is the end."""
        if self._ahead:
            count = min(len(self._ahead), len(buffer))
            buffer[:count] = self._ahead[:count]
            self._ahead = self._ahead[count:]
            return count
        return self._next(buffer)

    def look(self, octets: int) -> bytes:
        """Return the next octets, at least that many unless the input ends before, and leave them to be read."""
        while len(self._ahead) < octets:
            piece = bytearray(octets)
            count = self._next(memoryview(piece))
            if not count:
                break
            self._ahead += piece[:count]
        return self._ahead

    def _next(self, buffer: memoryview) -> int:
        if self._inflater:
            return self._inflate(buffer)
        if self._head:
            count = min(len(self._head), len(buffer))
            buffer[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        return self._read(buffer)

    def _open(self, path: str | Path) -> Callable[[memoryview], int | None]:
        if str(path) == "-":
            # One read of the pipe at a time: a slow writer must not hold back what it has written.
            return cast("BufferedIOBase", sys.stdin.buffer).readinto1
        file: FileIO | None = None
        try:
            file = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115 -- closed by close(); pathlib loads slowly
            status = os.stat(path)  # noqa: PTH116 -- as above
        except IsADirectoryError:
            raise CaptureError(f"{self.name}: is a directory; name the capture files in it") from None
        except OSError as error:
            if file is not None:
                file.close()
            raise CaptureError(f"{self.name}: cannot be opened ({error.strerror}); give a readable capture") from None
        self.close = file.close
        if stat.S_ISREG(status.st_mode):
            self.total_octets = status.st_size
        return file.readinto

    def _read(self, buffer: memoryview) -> int:
        try:
            count = self._readinto(buffer) or 0
        except OSError as error:
            raise CaptureError(f"{self.name}: cannot be read ({error.strerror}); give a readable capture") from None
        self.octets_read += count
        return count

    def _raw(self, octets: int) -> bytes:
        piece = bytearray(octets)
        return bytes(piece[: self._read(memoryview(piece))])

    def _inflate(self, buffer: memoryview) -> int:
        """Inflate until there is something to give: a member may be empty, and members may follow one another."""
        inflater = self._inflater
        while inflater and not self.warning:
            piece = self._tail or self._raw(GZIP_PIECE)
            if inflater.eof:
                piece = piece.lstrip(b"\0")  # tape padding, as gzip itself accepts it
                if not piece:
                    if self._tail:
                        self._tail = b""
                        continue
                    return 0
                inflater = self._inflater = zlib.decompressobj(_WBITS_GZIP)
            before = inflater.copy()
            try:
                inflated = inflater.decompress(piece, len(buffer))
            except zlib.error:
                self.warning = "the gzip data is damaged"
                inflated = _salvage(before, piece, room=len(buffer))
            self._tail = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            if inflated:
                buffer[: len(inflated)] = inflated
                return len(inflated)
            if not piece:
                self.warning = "the gzip data breaks off"
                return 0
        return 0


def _salvage(inflater: zlib._Decompress, piece: bytes, *, room: int) -> bytes:
    """Return what *piece* holds before its damage: zlib gives nothing of a call that fails, so octet by octet."""
    inflated = b""
    for at in range(len(piece)):
        if len(inflated) >= room:
            break
        try:
            inflated += inflater.decompress(piece[at : at + 1], room)
        except zlib.error:
            break
    return inflated[:room]
