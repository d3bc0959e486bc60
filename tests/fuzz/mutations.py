"""Changes octets the way hostile senders and broken networks do: bits, cuts, splices, and lies about lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

MAX_OCTETS = 4_096
"""Longest input that is made: most bounds of the dissectors lie in counts, not in octets."""

# Where formats keep their edges: signs, the marks of variable-length numbers, compression pointers, record types.
_EDGES = (0x00, 0x01, 0x02, 0x03, 0x0A, 0x0D, 0x14, 0x16, 0x20, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFE, 0xFF)


class Mutator:
    """Makes inputs of seeds.

    Args:
        random: decides; the same state makes the same inputs.
        seeds: good inputs.
    """

    def __init__(self, random: Random, *, seeds: Sequence[bytes]) -> None:
        self._random = random.random
        self._seeds = seeds
        self._ways = (
            self._flip,
            self._flip,
            self._edge,
            self._edge,
            self._noise,
            self._length,
            self._length,
            self._cut,
            self._remove,
            self._repeat,
            self._splice,
            self._insert,
        )

    def _below(self, bound: int) -> int:
        return int(self._random() * bound)

    def seed(self) -> bytes:
        """Return a seed as it is."""
        return self._seeds[self._below(len(self._seeds))]

    def changed(self, octets: bytes) -> bytes:
        """Return *octets* with one to five changes."""
        data = bytearray(octets)
        for _ in range(1 + self._below(5)):
            if data:
                self._ways[self._below(len(self._ways))](data)
        return bytes(data[:MAX_OCTETS])

    def next(self) -> bytes:
        """Return the next input: a changed seed."""
        return self.changed(self.seed())

    def chance(self, bound: int) -> int:
        """Return a number from 0 on, below *bound*."""
        return self._below(bound)

    def _flip(self, data: bytearray) -> None:
        data[self._below(len(data))] ^= 1 << self._below(8)

    def _edge(self, data: bytearray) -> None:
        data[self._below(len(data))] = _EDGES[self._below(len(_EDGES))]

    def _noise(self, data: bytearray) -> None:
        data[self._below(len(data))] = self._below(256)

    def _length(self, data: bytearray) -> None:
        """Treat a place as a length: a little more, a little less, what is really left, nothing, or the most."""
        size = 1 + self._below(4)
        at = self._below(len(data))
        end = min(at + size, len(data))
        value = int.from_bytes(data[at:end], "big")
        most = (1 << (8 * (end - at))) - 1
        choices = (value + 1, value - 1, value + self._below(64), value - self._below(64), len(data) - end, 0, most)
        data[at:end] = (choices[self._below(len(choices))] & most).to_bytes(end - at, "big")

    def _cut(self, data: bytearray) -> None:
        del data[self._below(len(data)) :]

    def _remove(self, data: bytearray) -> None:
        at = self._below(len(data))
        del data[at : at + 1 + self._below(16)]

    def _repeat(self, data: bytearray) -> None:
        at = self._below(len(data))
        piece = data[at : at + 1 + self._below(64)]
        data[at:at] = piece * (1 + self._below(4))

    def _splice(self, data: bytearray) -> None:
        other = self.seed()
        at = self._below(len(other) + 1)
        data[self._below(len(data)) :] = other[at : at + MAX_OCTETS]

    def _insert(self, data: bytearray) -> None:
        at = self._below(len(data))
        data[at:at] = bytes(self._below(256) for _ in range(1 + self._below(8)))


class TalkMutator(Mutator):
    """The same for conversations: most changes happen within one message, some among messages.

    Args:
        random: decides; the same state makes the same inputs.
        seeds: good inputs, each a conversation in the form of `joined`.
    """

    def next(self) -> bytes:
        """Return the next input."""
        messages = apart(self.seed())
        for _ in range(1 + self.chance(3)):
            if messages:
                self._change(messages)
        return joined(messages)

    def _change(self, messages: list[tuple[int, bytes]]) -> None:
        at = self.chance(len(messages))
        mark, octets = messages[at]
        way = self.chance(10)
        if way < 5:
            messages[at] = (mark, self.changed(octets))
        elif way == 5:
            del messages[at]
        elif way == 6:
            messages.insert(self.chance(len(messages)), messages[at])
        elif way == 7:
            messages.insert(self.chance(len(messages)), messages.pop(at))
        elif way == 8:
            messages[at] = (mark ^ (1 << self.chance(8)), octets)
        else:
            cut = self.chance(len(octets) + 1)
            messages[at : at + 1] = [(mark, octets[:cut]), (mark, octets[cut:])]


def joined(messages: Sequence[tuple[int, bytes]]) -> bytes:
    """Return a conversation as octets: of each message a mark (one octet), its length (two octets) and its octets."""
    return b"".join(
        bytes((mark,)) + min(len(octets), 65_535).to_bytes(2, "big") + octets[:65_535] for mark, octets in messages
    )


def apart(octets: bytes) -> list[tuple[int, bytes]]:
    """Return the messages of a conversation, whatever the octets."""
    messages = []
    at = 0
    while at + 3 <= len(octets):
        size = int.from_bytes(octets[at + 1 : at + 3], "big")
        messages.append((octets[at], octets[at + 3 : at + 3 + size]))
        at += 3 + size
    return messages
