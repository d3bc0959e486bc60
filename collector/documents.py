"""Reads the files that a district writes (YAML), and says everything that is wrong in them at once.

It knows lines, keys and kinds of value; what an agreement or a network means is none of its business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from collector.problems import DocumentError, Fault, Problem
from collector.remedies import problems_in
from collector.yaml_nodes import Node, read_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MAX_OCTETS",
    "Document",
    "DocumentError",
    "Fault",
    "Problem",
    "folder_files",
    "parse",
    "parse_document",
    "read",
    "recall_document",
]

M = TypeVar("M", bound=BaseModel)

# A full agreement has 6 KiB; a party list of ten thousand rows fits.
MAX_OCTETS = 1 << 20

# Files that say what is watched are all read again when one of them has changed. A folder of agreements is remembered
# whole; what the largest of all files hold is not kept a second time.
MOST_REMEMBERED = 512
LONGEST_REMEMBERED = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Generic[M]):
    """A file that was read: what it says, and on which line it says so."""

    path: str
    """The file as the user named it."""
    value: M
    """What the file says."""
    top: Node
    """The nodes of the file; only for finding lines."""

    def problem(self, fault: Fault) -> Problem:
        """Return *fault*, found by someone who compared whole files, with this file's path and line."""
        return Problem(path=self.path, line=self.top.line_of(fault.at), what=fault.what, remedy=fault.remedy)

    def line_of(self, *steps: str | int) -> int:
        """Return the line on which the value that *steps* lead to is written."""
        return self.top.line_of(steps)


def read(path: str | Path) -> str:
    """Return the text of the file at *path*.

    Raises:
        DocumentError: there is no such file, it may not be read, it is too large, or it is not UTF-8.
    """
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except FileNotFoundError:
        raise _whole_file(name, "there is no such file", "check the name and the folder") from None
    except IsADirectoryError:
        raise _whole_file(name, "this is a folder", "name a file in it") from None
    except PermissionError:
        raise _whole_file(name, "this user may not read the file", "give read permission (chmod u+r)") from None
    except (OSError, ValueError) as error:
        raise _whole_file(name, f"the file cannot be read ({error})", "check the path and the disk") from None
    return decode(octets, path=name)


def decode(octets: bytes, *, path: str) -> str:
    """Return the text of a file's octets, a byte order mark removed.

    Raises:
        DocumentError: there are too many octets, or they are not UTF-8.
    """
    if len(octets) > MAX_OCTETS:
        raise _whole_file(
            path, f"the file is larger than {MAX_OCTETS >> 10} KiB", "split it, or check that it is the right file"
        )
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        problem = Problem(path=path, line=line, what="the file is not UTF-8 text", remedy="save it as UTF-8")
        raise DocumentError([problem]) from None


def parse(text: str, *, path: str, model: type[M]) -> M:
    """Return what *text* says, as a *model*. *path* only names the file in messages.

    Raises:
        DocumentError: with every problem of the file, each with its line and a remedy.
    """
    return parse_document(text, path=path, model=model).value


def parse_document(text: str, *, path: str, model: type[M]) -> Document[M]:
    """Return what *text* says together with its lines; otherwise like `parse`.

    Raises:
        DocumentError: with every problem of the file, each with its line and a remedy.
    """
    if len(text) > MAX_OCTETS:
        raise _whole_file(
            path, f"the file is larger than {MAX_OCTETS >> 10} KiB", "split it, or check that it is the right file"
        )
    top, problems = read_nodes(text, path=path)
    try:
        value = model.model_validate(top.plain())
    except ValidationError as error:
        problems.extend(problems_in(error, model=model, top=top, path=path))
        raise DocumentError(problems) from None
    if problems:
        raise DocumentError(problems)
    return Document(path=path, value=value, top=top)


def recall_document(text: str, *, path: str, model: type[M]) -> Document[M]:
    """Return what `parse_document` returns, without reading *text* again where that was done lately.

    For files that are read many times and hold no secret, since their text stays in memory.

    Raises:
        DocumentError: with every problem of the file, each with its line and a remedy.
    """
    if len(text) > LONGEST_REMEMBERED:
        return parse_document(text, path=path, model=model)
    try:
        return replace(_faultless(text, model), path=path)
    except DocumentError as error:
        raise DocumentError(replace(problem, path=path) for problem in error.problems) from None


@lru_cache(maxsize=MOST_REMEMBERED)
def _faultless(text: str, model: type[M]) -> Document[M]:
    return parse_document(text, path="", model=model)


def folder_files(folder: str | Path, *, endings: Iterable[str], what: str) -> list[Path]:
    """Return the files of *folder* (not of folders in it, no hidden ones) with one of *endings*, sorted by name.

    *what* names such a file in messages, such as "agreement file".

    Raises:
        DocumentError: the folder is absent, unreadable, no folder, or holds no such file.
    """
    name, wanted = str(folder), tuple(endings)
    try:
        found = sorted(
            entry for entry in Path(folder).iterdir() if entry.name.endswith(wanted) and not entry.name.startswith(".")
        )
    except FileNotFoundError:
        raise _whole_file(name, "there is no such folder", "check the name, or create the folder") from None
    except NotADirectoryError:
        raise _whole_file(name, "this is not a folder", f"name the folder that holds the {what}s") from None
    except PermissionError:
        raise _whole_file(name, "this user may not read the folder", "give read permission (chmod u+rx)") from None
    except (OSError, ValueError) as error:
        raise _whole_file(name, f"the folder cannot be read ({error})", "check the path and the disk") from None
    if not found:
        pattern = " or ".join(f"*{ending}" for ending in wanted)
        raise _whole_file(name, f"no {what} ({pattern}) in {name}", f"put at least one {what} there")
    return found


def _whole_file(path: str, what: str, remedy: str) -> DocumentError:
    return DocumentError([Problem(path=path, line=1, what=what, remedy=remedy)])
