"""Follows a log while it grows: through rotation by renaming and by cutting, half lines, and before it exists.

Nothing here waits: whoever follows asks again.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READ_OCTETS = 1 << 18
"""Octets taken at one time."""
MAX_LINE_OCTETS = 1 << 20
"""A longer line is given out in pieces, each of which its reader will refuse."""
HEAD_OCTETS = 64
"""Octets at the start of a file by which it is known again: a file that was cut and written anew begins otherwise."""
HEADER_OCTETS = 1 << 16
"""Octets in which the header of a log stands."""
WARM_OCTETS = 16 << 20
"""Octets before the place of an earlier run that are read once more, for what they say of flows still open then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a file is read: what an earlier run leaves behind. It holds nothing of what the file says."""

    device: int
    """Number of the file system."""
    inode: int
    """Number of the file on it."""
    octets: int
    """Octets that were read, up to the end of a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One whole line."""

    octets: bytes
    """Without its end."""
    at: int
    """Where in its file it begins."""
    number: int
    """Lines since reading of this file began, counted from 1."""
    known: bool
    """An earlier run has read it: it is given again for what it says of flows that were still open then."""


class FollowedFile:
    """One file that grows.

    Args:
        path: where it is, or will be.
        place: how far an earlier run got; None: there was none, and the file is read from its start.
        say: told in one sentence when something is missing.
    """

    def __init__(self, path: Path, *, place: Place | None, say: Callable[[str], None]) -> None:
        self.path = path
        self.name = str(path)
        self.gaps = 0
        """Times that lines were lost: a file was cut, or gone, before its end was read."""
        self._say = say
        self._fd: int | None = None
        self._file = (0, 0)  # device and inode
        self._head = b""
        self._at = 0  # octets read
        self._rest = b""  # the start of a line whose end has not come
        self._number = 0
        self._known_until = 0  # octets that an earlier run has read
        self._headers: list[Line] = []  # that stand before the place where reading goes on
        self._in_a_line = False  # reading goes on somewhere in a line: what is left of it is no line
        self._fault = ""
        if place is not None:
            self._go_on(place)

    @property
    def place(self) -> Place | None:
        """How far the file is read, up to the end of the last whole line; None: it was never there."""
        if self._file == (0, 0):
            return None
        octets = max(self._at - len(self._rest), self._known_until)
        return Place(device=self._file[0], inode=self._file[1], octets=octets)

    def lines(self) -> list[Line]:
        """Return the whole lines that came since, a portion at most; none: there is nothing new."""
        if self._fd is None and not self._open_next():
            return []
        found, self._headers = self._headers, []
        # A long line may take several portions; it is bounded, and so is what is read here.
        while not found and (octets := self._new_octets()):
            found = self._split(octets)
        return found

    def close(self) -> None:
        """Let the file go."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _new_octets(self) -> bytes:
        """Return what was written since; where that is nothing, look whether the writer has gone on in another file."""
        fd = self._fd
        if fd is None:
            return b""
        if self._was_cut(fd):
            self._lose(f"{self.name}: was cut; lines that were not read by then are missing")
            self._begin(fd)
        octets = self._read(fd)
        if octets or not self._has_heir(fd):
            return octets
        # What was written last before the writer let go of the file.
        octets = self._read(fd)
        if octets:
            return octets
        if self._rest:
            self._lose(f"{self.name}: the last line before it was rotated has no end")
        self.close()
        return self._read(self._fd) if self._open_next() and self._fd is not None else b""

    def _read(self, fd: int) -> bytes:
        try:
            octets = os.pread(fd, READ_OCTETS, self._at)
        except OSError as error:
            self._complain(f"{self.name}: cannot be read ({error.strerror}); trying again")
            return b""
        if octets and len(self._head) < HEAD_OCTETS:
            self._head = self._first(fd, HEAD_OCTETS)
        self._at += len(octets)
        return octets

    def _split(self, octets: bytes) -> list[Line]:
        begins = self._at - len(octets) - len(self._rest)
        *whole, self._rest = (self._rest + octets).split(b"\n")
        if len(self._rest) > MAX_LINE_OCTETS:
            whole.append(self._rest)
            self._rest = b""
        found = []
        for line in whole:
            self._number += 1
            if not self._in_a_line:
                found.append(Line(octets=line, at=begins, number=self._number, known=begins < self._known_until))
            self._in_a_line = False
            begins += len(line) + 1
        return found

    def _was_cut(self, fd: int) -> bool:
        return os.fstat(fd).st_size < self._at or self._first(fd, len(self._head)) != self._head

    def _has_heir(self, fd: int) -> bool:
        """Say whether another file has taken the name and is being written to: then this one is finished.

        An empty one may have been laid out by the program that rotates, before the writer has noticed.
        """
        try:
            now = self.path.stat()
        except OSError:
            return False
        status = os.fstat(fd)
        return (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino) and now.st_size > 0

    def _open_next(self) -> bool:
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            self._complain(f"{self.name}: cannot be opened ({error.strerror}); trying again")
            return False
        self._begin(fd)
        return True

    def _begin(self, fd: int) -> None:
        """Read the file behind *fd* from its start."""
        self._fd = fd
        status = os.fstat(fd)
        self._file = (status.st_dev, status.st_ino)
        self._head = self._first(fd, HEAD_OCTETS)
        self._at = self._number = self._known_until = 0
        self._rest = b""
        self._in_a_line = False
        self._fault = ""

    def _first(self, fd: int, octets: int) -> bytes:
        try:
            return os.pread(fd, octets, 0)
        except OSError:
            return b""

    def _go_on(self, place: Place) -> None:
        """Open the file that an earlier run was reading, wherever it lies by now."""
        fd = self._find(place)
        if fd is None:
            self._lose(f"{self.name}: the file that was read last is gone; its end is missing")
            return
        if os.fstat(fd).st_size < place.octets:
            self._lose(f"{self.name}: was cut while nobody read it; lines may be missing")
            self._begin(fd)
            return
        self._begin(fd)
        if (place.device, place.inode) != self._named():
            self._say(f"{self.name}: was rotated while nobody read it; files that were rotated in between are not read")
        self._known_until = place.octets
        if place.octets > WARM_OCTETS:
            self._headers = self._header_lines(fd)
            self._at = place.octets - WARM_OCTETS
            self._in_a_line = True

    def _named(self) -> tuple[int, int] | None:
        try:
            now = self.path.stat()
        except OSError:
            return None
        return now.st_dev, now.st_ino

    def _header_lines(self, fd: int) -> list[Line]:
        """Return the header lines at the start of the file: without them nobody knows what its columns are."""
        found: list[Line] = []
        begins = 0
        for line in self._first(fd, HEADER_OCTETS).split(b"\n"):
            if not line.startswith(b"#"):
                break
            found.append(Line(octets=line, at=begins, number=len(found) + 1, known=True))
            begins += len(line) + 1
        return found

    def _find(self, place: Place) -> int | None:
        """Return the file of an earlier run, opened: under its name, or under another in the same folder."""
        beside: list[Path] = [self.path]
        with suppress(OSError):
            beside += sorted(self.path.parent.iterdir())
        for path in beside:
            with suppress(OSError):
                status = path.stat()
                if (status.st_dev, status.st_ino) == (place.device, place.inode):
                    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        return None

    def _lose(self, words: str) -> None:
        self.gaps += 1
        self._say(words)

    def _complain(self, words: str) -> None:
        if words != self._fault:
            self._fault = words
            self._say(words)
