"""The district's own party file as one list among others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.documents import decode, recall_document
from collector.hosts import normal_name
from rules.lists.rows import ListRow, Weight
from rules.party_file import PartyFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from collector.documents import Document
    from rules.lists.rows import Piece, Tally


def load(pieces: Iterable[Piece], *, tally: Tally) -> None:
    """Read a party file.

    Raises:
        DocumentError: with every problem of the file; one's own file has no line that may be left out.
    """
    for piece in pieces:
        for row in own_rows(decode(piece.octets, path=piece.path), path=piece.path):
            tally.add(row)


def own_rows(text: str, *, path: str) -> Iterator[ListRow]:
    """Yield what a party file says.

    Raises:
        DocumentError: with every problem of the file.
    """
    document: Document[PartyFile] = recall_document(text, path=path, model=PartyFile)
    for row in document.value.parties:
        yield ListRow(
            name=row.name,
            owner=row.owner or "",
            kind=row.kind,
            category="",
            domains=tuple(normal_name(domain) for domain in row.domains),
            weight=Weight.OWN,
        )
