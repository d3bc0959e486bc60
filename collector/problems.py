"""What is wrong in a district's own file: one line each, with the file, the line and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.wrong_input import WrongInputError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in one file."""

    path: str
    """The file as the user named it."""
    line: int
    """Line in that file, counted from 1; 1 where the fault is the file as a whole."""
    what: str
    """What is wrong, in plain words."""
    remedy: str
    """What to write or do instead."""

    def __str__(self) -> str:
        return on_one_line(f"{self.path}:{self.line}: {self.what}; {self.remedy}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A problem before its file and line are known: where in the document, what, and what to do."""

    at: tuple[str | int, ...]
    """Keys and list positions (from 0) that lead to the value, relative to the record that reports it."""
    what: str
    """What is wrong, in plain words."""
    remedy: str
    """What to write instead."""


class DocumentError(WrongInputError):
    """One or more files of the district are wrong. `str()` gives every problem, one a line."""

    problems: tuple[Problem, ...]

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.path, problem.line)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def on_one_line(text: str) -> str:
    """Return *text* with everything that would break a line or drive a terminal written as an escape."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def shown(value: object) -> str:
    """Return a value from a file the way its author wrote it, in backticks, short enough for a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "a group of named fields"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value)
    return f"`{text}`" if len(text) <= _LONGEST_SHOWN else f"`{text[:_LONGEST_SHOWN]}...`"


# Long enough for any host name that a person would type, short enough that a message stays one line on a screen.
_LONGEST_SHOWN = 60
