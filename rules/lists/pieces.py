"""The files of a list, read once, and the hash by which the list is known again."""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from io import FileIO
from typing import TYPE_CHECKING, Final

from collector.problems import DocumentError, Problem
from rules.lists.rows import Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rules.lists.formats import Format

# The largest single files are the maps of Tracker Radar: 16 MB.
MAX_FILE_OCTETS: Final = 32 << 20
# A checkout of Tracker Radar has some 100,000 files with a few hundred MB.
MAX_FILES: Final = 400_000
MAX_OCTETS: Final = 1 << 30
# domains/US/name.json is two folders deep.
MAX_FOLDERS_DEEP: Final = 4
_STEP: Final = 256


class Pieces:
    """The files of one list in the order of their names.

    Args:
        place: file or folder.
        path: the list, as a person would name it.
        how: which files count.
        show: told now and then how many files and octets were read; None: nobody watches.
    """

    def __init__(self, place: Path, *, path: str, how: Format, show: Callable[[int, int], None] | None = None) -> None:
        self._place = place
        self._path = path
        self._how = how
        self._show = show
        self._hash = sha256()
        self._octets = 0
        self._refused: DocumentError | None = None
        self._pieces = self._read()

    def __iter__(self) -> Iterator[Piece]:
        """Yield the files, each once.

        Raises:
            DocumentError: a file cannot be read, or there is too much.
        """
        return self._pieces

    def sha256(self) -> str:
        """Return the hash of the whole list, reading what nobody has asked for yet.

        Of a file: the SHA-256 of its octets, as `sha256sum` gives it. Of a folder: over name, number of octets and
        octets of each file that counts.

        Raises:
            DocumentError: as iterating.
        """
        for _piece in self._pieces:
            pass
        if self._refused is not None:
            raise self._refused
        return self._hash.hexdigest()

    def _read(self) -> Iterator[Piece]:
        try:
            yield from self._files() if self._is_folder() else self._file()
        except DocumentError as error:
            # Whoever reads on finds nothing more, and must not take what was read for the whole.
            self._refused = error
            raise

    def _is_folder(self) -> bool:
        try:
            return self._place.is_dir()
        except OSError as error:
            raise self._refusal(f"it cannot be read ({error.strerror})", "check the path") from None

    def _file(self) -> Iterator[Piece]:
        octets = self._octets_of(str(self._place), path=self._path)
        self._hash.update(octets)
        yield Piece(name=self._place.name, path=self._path, octets=octets)

    def _files(self) -> Iterator[Piece]:
        if not self._how.files and not self._how.folders:
            raise self._refusal("this is a folder", f"name a file: {self._how.says}")
        number = 0
        for number, name in enumerate(self._names(), start=1):
            if number > MAX_FILES:
                raise self._refusal(f"the folder has more than {MAX_FILES:,} files", "name the folder of the list")
            # Strings, not paths: there may be 100,000 of them.
            path = f"{self._path}/{name}"
            octets = self._octets_of(f"{self._place}/{name}", path=path)
            self._hash.update(f"{len(name)}:{name}:{len(octets)}:".encode(errors="surrogateescape"))
            self._hash.update(octets)
            if self._show is not None and number % _STEP == 0:
                self._show(number, self._octets)
            yield Piece(name=name, path=path, octets=octets)
        if not number:
            raise self._refusal("no file of this format lies in the folder", f"name {self._how.says}")

    def _names(self) -> Iterator[str]:
        """Yield the files of the folder that count, by their path within it, sorted."""
        if self._how.files:
            yield from (name for name in sorted(self._how.files) if (self._place / name).is_file())
            return
        folders = [name for name in sorted(self._how.folders) if (self._place / name).is_dir()]
        try:
            for folder in folders or [""]:
                yield from self._beneath(folder, deep=MAX_FOLDERS_DEEP)
        except OSError as error:
            raise self._refusal(f"a folder cannot be read ({error})", "give read permission") from None

    def _beneath(self, folder: str, *, deep: int) -> Iterator[str]:
        with os.scandir(self._place / folder) as found:
            entries = sorted(
                (entry.name, entry.is_dir(follow_symlinks=False)) for entry in found if not entry.name.startswith(".")
            )
        for name, is_folder in entries:
            within = f"{folder}/{name}" if folder else name
            if is_folder and deep > 1:
                yield from self._beneath(within, deep=deep - 1)
            elif not is_folder and name.endswith(".json"):
                yield within

    def _octets_of(self, place: str, *, path: str) -> bytes:
        try:
            # A named pipe would keep everybody waiting, and a device never end.
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with FileIO(descriptor) as file:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise self._refusal("this is no file", "name a file or a folder", path=path)
                if status.st_size > MAX_FILE_OCTETS:
                    what = f"the file is larger than {MAX_FILE_OCTETS >> 20} MiB"
                    raise self._refusal(what, "check that it is the right file", path=path)
                octets = file.readall()
        except FileNotFoundError:
            raise self._refusal("there is no such file or folder", "get the list, or correct its path") from None
        except PermissionError:
            raise self._refusal("this user may not read it", "give read permission", path=path) from None
        except (OSError, ValueError) as error:
            if isinstance(error, DocumentError):
                raise
            raise self._refusal(f"it cannot be read ({error})", "check the path and the disk", path=path) from None
        self._octets += len(octets)
        if self._octets > MAX_OCTETS:
            raise self._refusal(f"the list is larger than {MAX_OCTETS >> 30} GiB", "name the part that you need")
        return octets

    def _refusal(self, what: str, remedy: str, *, path: str | None = None) -> DocumentError:
        return DocumentError([Problem(path=path or self._path, line=1, what=what, remedy=remedy)])
