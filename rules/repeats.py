"""Tells a record that a collector sent twice: after a crash it sends again what the broker had not yet acknowledged.

A record is a repeat when collector, sequence number and event id are all those of one of the last few thousand. The id
is compared as well because a collector whose spool was lost counts from the start again, and loses nothing by it.
Bounded, and kept in small pieces, so that a batch rewrites only the last of them.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# 8 octets of hash: among 4,096 two agree by chance once in 10^12 windows.
HASH_BYTES = 8

# A piece is rewritten with every batch until it is full: 2 KiB at most.
PIECE = 256

# Together 4,096 records of one collector in one partition: more than a collector has on the way at once.
PIECES = 16

REPEAT_KEYS: Final = b"repeats/"


def mark(*, sequence: bytes, event_id: str) -> int:
    """Return the number by which one record of a collector is known again."""
    digest = blake2b(sequence + b"\x1f" + event_id.encode(), digest_size=HASH_BYTES).digest()
    return int.from_bytes(digest, "big")


class LastRecords:
    """The last records of one collector in one partition."""

    def __init__(self) -> None:
        self._pieces: dict[int, list[int]] = {}
        self._last = 0
        self._known: set[int] = set()

    def __contains__(self, number: int) -> bool:
        return number in self._known

    def pieces_with(self, fresh: Sequence[int]) -> dict[int, bytes]:
        """Return slot -> octets of the pieces that change when *fresh* are added; nothing changes here."""
        changed, number, left = {}, self._last, list(fresh)
        piece = list(self._pieces.get(number, ()))
        while left:
            if len(piece) == PIECE:
                number, piece = number + 1, []
            room = PIECE - len(piece)
            piece += left[:room]
            left = left[room:]
            # The ring comes round: the piece that is forgotten is overwritten under its own slot.
            changed[number % PIECES] = array("Q", [number, *piece]).tobytes()
        return changed

    def slots(self) -> list[int]:
        """Return the slots that are in use."""
        return [number % PIECES for number in self._pieces]

    def piece(self, slot: int) -> bytes:
        """Return what is in *slot*, as `pieces_with` wrote it down last."""
        (number,) = (each for each in self._pieces if each % PIECES == slot)
        return array("Q", [number, *self._pieces[number]]).tobytes()

    def add(self, fresh: Iterable[int]) -> None:
        """Remember *fresh*, and forget what is too long ago."""
        for number in fresh:
            piece = self._pieces.setdefault(self._last, [])
            if len(piece) == PIECE:
                self._last += 1
                piece = self._pieces[self._last] = []
                self._known.difference_update(self._pieces.pop(self._last - PIECES, ()))
            piece.append(number)
            self._known.add(number)

    @classmethod
    def from_pieces(cls, pieces: Iterable[bytes]) -> LastRecords:
        """Return what `pieces_with` wrote down, on a machine of the same byte order."""
        records = cls()
        for octets in pieces:
            words = array("Q")
            words.frombytes(octets)
            records._pieces[words[0]] = list(words[1:])
            records._known.update(words[1:])
            records._last = max(records._last, words[0])
        return records


def last_records(state: Mapping[bytes, bytes]) -> dict[str, LastRecords]:
    """Return the last records of each collector, as *state* holds them."""
    pieces: dict[str, list[bytes]] = defaultdict(list)
    for key, octets in state.items():
        if key.startswith(REPEAT_KEYS):
            pieces[slot_and_name(key)[1]].append(octets)
    return {name: LastRecords.from_pieces(each) for name, each in pieces.items()}


def key_of_slot(slot: int, *, name: str) -> bytes:
    """Return the state key of one slot of collector *name*."""
    return b"%s%d/%s" % (REPEAT_KEYS, slot, name.encode())


def slot_and_name(key: bytes) -> tuple[int, str]:
    """Return slot and collector of a state key."""
    slot, _, name = key.removeprefix(REPEAT_KEYS).partition(b"/")
    return int(slot), name.decode()
