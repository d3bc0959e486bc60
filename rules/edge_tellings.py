"""Lists of edges on their way to the cases, gathered until they are whole.

A list may come in several records, and a portion may end between two of them. Half of it would be other cases, so it
is applied as a whole. Where it differs from the one before by nothing but that days were closed, the cases are
concluded around it (`rules.last_digits`). What was told up to then says more of the days than what is left of them, so
it is a repeat from then on, also for whoever reads the topic again.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from rules.edge_records import Part
from rules.records import CLOSING, PIECE, PIECES, TELLING

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
    """All that is new in the list; empty: not all of it is there."""
    is_closing: bool
    """It is new by nothing but that days were closed."""


class _Piece(NamedTuple):
    telling: int
    is_closing: bool
    pieces: int
    part: Part

    @property
    def list(self) -> tuple[int, bool, int]:
        """What the pieces of one list have in common."""
        return self[:3]

    @property
    def state_key(self) -> bytes:
        return b"%s%d/%d/%d/%s" % (GATHERED_KEYS, *self.list, self.part.state_key)


class EdgeTellings:
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

    def gather(self, record: Record) -> Gathered:
        """Take in such a record.

        Raises:
            ValueError: its headers are none of such a record.
        """
        piece = _piece_of(record)
        held = self._held[piece.part.key]
        changed: dict[bytes, bytes | None] = {}
        for other in [each for each in held if each.list != piece.list]:
            # The rest of it will not come any more.
            del held[other]
            changed[other.state_key] = None
        before = dict.fromkeys(each.state_key for each in held)
        held[piece] = record.value or b""
        if len(held) < piece.pieces:
            return Gathered({**changed, piece.state_key: held[piece]}, {}, piece.is_closing)
        del self._held[piece.part.key]
        changed |= before
        if piece.is_closing:
            self._closed[piece.part.key] = piece.telling
            changed[CLOSED_KEYS + piece.part.key.encode()] = b"%d" % piece.telling
        return Gathered(changed, {each.part: body for each, body in sorted(held.items())}, piece.is_closing)


def _piece_of(record: Record) -> _Piece:
    headers = record.headers
    piece = _Piece(
        telling=int(headers.get(TELLING, UNNUMBERED)),
        is_closing=int(headers.get(CLOSING, b"0")) > 0,
        pieces=int(headers.get(PIECES, b"1")),
        part=Part((record.key or b"").decode(), int(headers.get(PIECE, b""))),
    )
    if piece.telling < 0 and (piece.is_closing or piece.pieces > 1):
        raise ValueError("nobody says which telling this is of")
    return piece


def _piece_in(state_key: bytes) -> _Piece:
    telling, closing, pieces, number, key = state_key.removeprefix(GATHERED_KEYS).split(b"/", 4)
    return _Piece(int(telling), closing == b"1", int(pieces), Part(key.decode(), int(number)))
