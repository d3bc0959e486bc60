"""Edges that differ from those told before by nothing but that days were closed, gathered until a list is whole.

A list may come in several records, and a portion may end between two of them. Half of it would be other cases, so it
is applied as a whole, around which the cases are concluded (`rules.last_digits`). What was told up to then says more
of the days than what is left of them, so it is a repeat from then on, also for whoever reads the topic again.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from rules.edge_records import Part
from rules.records import CLOSING, PIECE, TELLING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.records import Record

GATHERED_KEYS: Final = b"edges-gathered/"
CLOSED_KEYS: Final = b"edges-closed/"

UNNUMBERED: Final = b"-1"
"""In place of what records of releases before do not say."""


class Gathered(NamedTuple):
    """What a record comes to."""

    changed: dict[bytes, bytes | None]
    """State keys that change."""
    whole: Mapping[Part, bytes]
    """The whole list; empty: not all of it is there."""


class _Piece(NamedTuple):
    telling: int
    size: int
    part: Part

    @property
    def state_key(self) -> bytes:
        return b"%s%d/%d/%s" % (GATHERED_KEYS, self.telling, self.size, self.part.state_key)


class EdgeClosings:
    """The lists of one partition of stage two.

    Args:
        state: the state topic's newest value of each key of the partition.
    """

    def __init__(self, state: Mapping[bytes, bytes]) -> None:
        self._held: defaultdict[str, dict[_Piece, bytes]] = defaultdict(dict)
        self._closed: dict[str, int] = {}
        for key, body in state.items():
            if key.startswith(GATHERED_KEYS):
                piece = _piece_in(key)
                self._held[piece.part.key][piece] = body
            elif key.startswith(CLOSED_KEYS):
                self._closed[key.removeprefix(CLOSED_KEYS).decode()] = int(body)

    def is_repeat(self, record: Record) -> bool:
        """Return whether a record of edges was told before days were closed, or with them, and was taken in then.

        Raises:
            ValueError: its headers are none of such a record.
        """
        telling = int(record.headers.get(TELLING, UNNUMBERED))
        return 0 <= telling <= self._closed.get((record.key or b"").decode(), -1)

    def is_one(self, record: Record) -> bool:
        """Return whether a record of edges tells what closing left.

        Raises:
            ValueError: its headers are none of such a record.
        """
        return int(record.headers.get(CLOSING, b"0")) > 0

    def gather(self, record: Record) -> Gathered:
        """Take in such a record.

        Raises:
            ValueError: its headers are none of such a record.
        """
        part = Part((record.key or b"").decode(), int(record.headers.get(PIECE, b"")))
        piece = _Piece(int(record.headers.get(TELLING, UNNUMBERED)), int(record.headers[CLOSING]), part)
        if piece.telling < 0:
            raise ValueError("nobody says which telling this is of")
        held = self._held[part.key]
        changed: dict[bytes, bytes | None] = {}
        for other in [each for each in held if each[:2] != piece[:2]]:
            # The rest of it will not come any more.
            del held[other]
            changed[other.state_key] = None
        held[piece] = record.value or b""
        if len(held) < piece.size:
            return Gathered({**changed, piece.state_key: held[piece]}, {})
        del self._held[part.key]
        self._closed[part.key] = piece.telling
        changed |= dict.fromkeys(each.state_key for each in held)
        changed[CLOSED_KEYS + part.key.encode()] = b"%d" % piece.telling
        return Gathered(changed, {each.part: body for each, body in sorted(held.items())})


def _piece_in(state_key: bytes) -> _Piece:
    telling, size, number, key = state_key.removeprefix(GATHERED_KEYS).split(b"/", 3)
    return _Piece(int(telling), int(size), Part(key.decode(), int(number)))
