"""Reads one list of a lists file. What is wrong with it makes its hosts unknown, and spoils nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.problems import DocumentError, Problem, on_one_line
from rules.lists.formats import FORMATS
from rules.lists.pieces import Pieces
from rules.lists.rows import PROBLEMS_TOLD, ListFacts, Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rules.lists.catalogue import NamedList
    from rules.lists.formats import FormatName
    from rules.lists.rows import ListRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadList:
    """A list as it was read."""

    facts: ListFacts
    """What it is, and what was left out."""
    rows: tuple[ListRow, ...]
    """What it says; empty: it could not be used."""
    problems: tuple[Problem, ...]
    """What a person should know of: why it could not be used, or its first broken entries."""


def read_list(named: NamedList, *, show: Callable[[int, int], None] | None = None) -> ReadList:
    """Return what the list says; what is wrong with it becomes a problem that says so, never an error.

    Args:
        named: the row of the lists file.
        show: told now and then how many files and octets were read.
    """
    entry = named.entry
    pieces = Pieces(named.place, path=str(named.place), how=FORMATS[entry.format], show=show)
    tally = Tally(str(named.place))
    refused: DocumentError | None = None
    digest = ""
    try:
        _load(pieces, form=entry.format, tally=tally)
    except DocumentError as error:
        refused = error
    try:
        # The hash comes first: of a file that is not the one that was entered nothing else is worth telling.
        digest = pieces.sha256()
    except DocumentError as error:
        refused = error
    wrong = _why_not(named, refused=refused, digest=digest)
    facts = _facts(named, tally=tally, digest=digest, usable=not wrong)
    if wrong:
        return ReadList(facts=facts, rows=(), problems=wrong)
    return ReadList(facts=facts, rows=tuple(tally.rows), problems=_left_out(tally))


def examine(place: Path, *, form: FormatName, show: Callable[[int, int], None] | None = None) -> tuple[str, Tally]:
    """Return hash and contents of a list that no lists file names yet.

    Raises:
        DocumentError: it cannot be read, or is not in this format.
    """
    pieces = Pieces(place, path=str(place), how=FORMATS[form], show=show)
    tally = Tally(str(place))
    _load(pieces, form=form, tally=tally)
    return pieces.sha256(), tally


def _load(pieces: Pieces, *, form: FormatName, tally: Tally) -> None:
    FORMATS[form].load(pieces, tally=tally)
    if not tally.rows and form != "parties":
        raise tally.refusal("the list names no host", f"check file and format: {FORMATS[form].says}")


def _why_not(named: NamedList, *, refused: DocumentError | None, digest: str) -> tuple[Problem, ...]:
    """Return why a list is not used, at the row of the lists file and at the list itself; empty: it is."""
    entry = named.entry
    if digest and digest != entry.sha256:
        what = (
            f"the list {entry.path} is not the one that was entered here (its sha256 is {digest[:12]}...); "
            "it is not used, and its hosts are of unknown kind"
        )
        remedy = "get the right one, or enter this one with `schoolgate parties add`"
    elif refused is not None:
        why = refused.problems[0]
        where = "" if why.path == str(named.place) and why.line == 1 else f" ({why.path}:{why.line})"
        what = f"the list {entry.path} cannot be used: {why.what}{where}; its hosts are of unknown kind"
        remedy = why.remedy
    else:
        return ()
    return (Problem(path=named.catalogue, line=named.line, what=what, remedy=remedy),)


def _left_out(tally: Tally) -> tuple[Problem, ...]:
    more = tally.broken - PROBLEMS_TOLD
    if more <= 0:
        return tuple(tally.problems)
    what = f"{more:,} more broken {'entry is' if more == 1 else 'entries are'} left out"
    return (*tally.problems, Problem(path=tally.path, line=1, what=what, remedy=tally.problems[0].remedy))


def _facts(named: NamedList, *, tally: Tally, digest: str, usable: bool) -> ListFacts:
    entry = named.entry
    return ListFacts(
        name=on_one_line(entry.title),
        path=str(named.place),
        format=entry.format,
        licence=entry.licence,
        date=entry.date,
        sha256=digest,
        domains=tally.domains if usable else 0,
        skipped=tuple(sorted(tally.skipped.items())),
        unknown=tuple(sorted(tally.unknown.items())),
        broken=tally.broken,
        usable=usable,
    )
