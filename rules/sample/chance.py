"""Repeatable chance: the same seed gives the same octets with every Python, on every machine, in every year.

`random` promises that only for `random()` itself; shuffling and ranges may change between versions, and the committed
capture must be the same octets wherever it is made again. Nothing here is secret or fit for secrets.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")


class Chance:
    """A stream of octets made of SHA-256 over a seed and a counter."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._blocks = 0
        self._left = b""

    def fork(self, name: str) -> Chance:
        """Return a stream of its own for *name*, so that a change in one visit leaves all others as they were."""
        return Chance(f"{self._seed}/{name}")

    def octets(self, count: int) -> bytes:
        """Return the next *count* octets."""
        while len(self._left) < count:
            self._left += hashlib.sha256(f"{self._seed}#{self._blocks}".encode()).digest()
            self._blocks += 1
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def below(self, limit: int) -> int:
        """Return a whole number from 0 up to, and without, *limit*."""
        return int.from_bytes(self.octets(8), "big") % limit

    def between(self, low: int, *, high: int) -> int:
        """Return a whole number from *low* to *high*, both included."""
        return low + self.below(high - low + 1)

    def often(self, percent: int) -> bool:
        """Return True in *percent* of 100 cases."""
        return self.below(100) < percent

    def pick(self, items: Sequence[T]) -> T:
        """Return one of *items*."""
        return items[self.below(len(items))]

    def shuffled(self, items: Iterable[T]) -> list[T]:
        """Return *items* in another order (Fisher and Yates)."""
        deck = list(items)
        for last in range(len(deck) - 1, 0, -1):
            other = self.below(last + 1)
            deck[last], deck[other] = deck[other], deck[last]
        return deck
