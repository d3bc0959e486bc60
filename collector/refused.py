"""Counts the records of event files and of other sensors that could not be read, and keeps the first of them."""

from __future__ import annotations

from collector.problems import Problem

MAX_PROBLEMS = 20
"""A wrong file is wrong in every line; twenty examples are enough to see why."""
REMEDY = "look at the program that wrote it; the other records are read"


class Refused:
    """Records that were set aside."""

    def __init__(self) -> None:
        self.count = 0
        """How many."""
        self.problems: list[Problem] = []
        """The first of them, with file and line."""

    def add(self, name: str, *, line: int, what: str, remedy: str = REMEDY) -> None:
        """Set one aside.

        Args:
            name: the file.
            line: counted from 1.
            what: what is wrong with it, without any value of it.
            remedy: what to do about it.
        """
        self.count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(path=name, line=line, what=f"{what}; set aside", remedy=remedy))

    @property
    def words(self) -> list[str]:
        """What to tell of them, one line each; empty: there are none."""
        told = [str(problem) for problem in self.problems]
        if self.count > len(self.problems):
            told.append(f"{self.count:,} records were set aside in all; the first {len(self.problems)} are named")
        return told
