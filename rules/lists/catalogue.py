"""`lists.yaml`: which lists a district uses, of which day, under which licence, and by which hash they are known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from collector.documents import DocumentError, Fault, parse_document, read
from collector.fields import Day, Listed, Maybe, Record
from collector.problems import shown
from rules.lists.formats import FORMATS, FormatName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.documents import Document

SCHEMA: Final = "schoolgate/lists/1"
# A key at the start of a line, or of the group that a JSON-like file is. Comments never match.
_SCHEMA_LINE: Final = re.compile(r"^[\s{]*[\"']?schema[\"']?\s*:\s*[\"']?schoolgate/lists/", re.MULTILINE)

_Words = Annotated[str, Field(min_length=1, max_length=200)]


class ListEntry(Record):
    """One list of others, and how it is known again."""

    path: _Words = Field(examples=["companiesdb"])
    """File or folder; a relative path starts at the folder of this file."""
    format: FormatName = Field(examples=["adguard-companiesdb"])
    """How it is written."""
    licence: _Words = Field(examples=["CC BY-SA 4.0"])
    """Under which licence the district has it."""
    date: Day = Field(examples=["2026-07-01"])
    """Of which day it is: what its publisher says, else the day it was fetched."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = Field(examples=["0" * 64])
    """Of its octets, as `schoolgate parties add` writes it: a list that changed since is not used."""
    name: Maybe[_Words] = Field(default=None, examples=["companiesdb"])
    """What a case calls it. Absent: the usual name of its format."""
    url: Maybe[_Words] = Field(default=None, examples=["https://lists.example/companiesdb"])
    """Where the district got it."""
    attribution: Maybe[_Words] = Field(default=None, examples=["AdGuard Software Ltd"])
    """Whom the licence asks to name."""

    @property
    def title(self) -> str:
        """What a case calls it."""
        return self.name or FORMATS[self.format].title


class ListsFile(Record):
    """The lists that a district uses, version 1."""

    called = "lists file"

    schema_: Literal["schoolgate/lists/1"] = Field(alias="schema", examples=[SCHEMA])
    """Kind and version of this file."""
    lists: Listed[ListEntry] = Field(
        examples=[[{"path": "a", "format": "disconnect", "licence": "L", "date": "2026-07-01", "sha256": "0" * 64}]]
    )
    """The lists; of two that say the same kind of thing about a domain the later one decides."""

    def faults(self) -> Iterator[Fault]:
        """No list stands here twice, and a case can tell any two apart."""
        for number, entry in enumerate(self.lists):
            for other in self.lists[:number]:
                if other.path == entry.path and other.format == entry.format:
                    what = f"the list {shown(entry.path)} stands here twice"
                    yield Fault(at=("lists", number, "path"), what=what, remedy="keep one of the two")
                elif (other.title, other.date) == (entry.title, entry.date):
                    what = f"two lists are called {shown(entry.title)} of {entry.date}, so a case could mean either"
                    yield Fault(at=("lists", number, "path"), what=what, remedy="give this one a `name` of its own")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedList:
    """One row of a lists file, found."""

    entry: ListEntry
    """What the row says."""
    place: Path
    """Where the list lies."""
    catalogue: str
    """The lists file, as a person named it."""
    line: int
    """Line on which the row begins."""


def is_catalogue(text: str) -> bool:
    """Tell whether *text* is a lists file, by its `schema` key; else it is taken for a party file."""
    return _SCHEMA_LINE.search(text) is not None


def named_lists(text: str, *, path: str) -> tuple[NamedList, ...]:
    """Return the rows of a lists file.

    Raises:
        DocumentError: with every problem of the file.
    """
    document: Document[ListsFile] = parse_document(text, path=path, model=ListsFile)
    folder = Path(path).parent
    return tuple(
        NamedList(entry=entry, place=folder / entry.path, catalogue=path, line=document.line_of("lists", number))
        for number, entry in enumerate(document.value.lists)
    )


def lists_in(path: Path) -> tuple[NamedList, ...]:
    """Return the rows of the lists file at *path*; none where it is a party file, is wrong, or is not there."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return _remembered(path, status.st_mtime_ns, status.st_size)


# Asked every few seconds, to see whether a list changed; a district has one or two such files.
@lru_cache(maxsize=16)
def _remembered(path: Path, changed: int, size: int) -> tuple[NamedList, ...]:  # noqa: ARG001 -- they are the key
    try:
        text = read(path)
        return named_lists(text, path=str(path)) if is_catalogue(text) else ()
    except DocumentError:
        return ()
