"""Octets out of a buffer or out of numbers, as objects of their own.

Not compiled: in compiled code the inline functions of slices.pxd stand in for these, since a slice of a memoryview and
a `Struct` cost several hundred instructions there, at each of which some flow passes.
"""

from __future__ import annotations


def cut(octets: memoryview, at: int, end: int) -> bytes:
    """Return octets *at* to *end* of a buffer of unsigned octets; raises IndexError when they reach beyond it."""
    if not 0 <= at <= end <= len(octets):
        raise IndexError("a slice reaches beyond its buffer")
    return bytes(octets[at:end])


def piece(octets: bytearray, at: int, end: int) -> bytes:
    """Return octets *at* to *end* of a bytearray; raises IndexError when they reach beyond it."""
    if not 0 <= at <= end <= len(octets):
        raise IndexError("a slice reaches beyond its buffer")
    return bytes(octets[at:end])


def record(words: memoryview, at: int, size: int) -> memoryview:
    """Return words *at* to *at* + *size* of a buffer of numbers, to be read and written by places below *size*.

    Raises IndexError when they reach beyond the buffer. In compiled code this is a pointer, and that check is the only
    one: the places behind it must be constants.
    """
    if not 0 <= at <= len(words) - size:
        raise IndexError("a record reaches beyond its buffer")
    return words[at : at + size]


def octets_of(number: int, size: int) -> bytes:
    """Return the low *size* octets of a number of 64 bits, in network order."""
    return number.to_bytes(8, "big")[8 - size :]


def address_of(high: int, low: int) -> bytes:
    """Return the sixteen octets of an address given in halves."""
    return high.to_bytes(8, "big") + low.to_bytes(8, "big")


def be16(octets: memoryview, at: int) -> int:
    """Return the number in two octets, network order; raises IndexError when they reach beyond the buffer."""
    if not 0 <= at <= len(octets) - 2:
        raise IndexError("a number reaches beyond its buffer")
    return int.from_bytes(octets[at : at + 2], "big")


def be32(octets: memoryview, at: int) -> int:
    """Return the number in four octets, network order; raises IndexError when they reach beyond the buffer."""
    if not 0 <= at <= len(octets) - 4:
        raise IndexError("a number reaches beyond its buffer")
    return int.from_bytes(octets[at : at + 4], "big")


def be64(octets: memoryview, at: int) -> int:
    """Return the number in eight octets, network order; raises IndexError when they reach beyond the buffer."""
    if not 0 <= at <= len(octets) - 8:
        raise IndexError("a number reaches beyond its buffer")
    return int.from_bytes(octets[at : at + 8], "big")


def any32(octets: memoryview, at: int, big: bool) -> int:
    """Return the number in four octets, in the order said; raises IndexError when they reach beyond the buffer."""
    if not 0 <= at <= len(octets) - 4:
        raise IndexError("a number reaches beyond its buffer")
    return int.from_bytes(octets[at : at + 4], "big" if big else "little")


def joined(octets: bytes, places: memoryview, begin: int, end: int) -> bytes:
    """Return pieces of *octets* in one; *places*, from *begin* to *end*, hold three numbers for each.

    The second is where it lies, the third its length. Raises IndexError when one reaches beyond the octets.
    """
    pieces = []
    for place in range(begin, end, 3):
        at, length = places[place + 1], places[place + 2]
        if at < 0 or length < 0 or at + length > len(octets):
            raise IndexError("a piece reaches beyond the octets")
        pieces.append(octets[at : at + length])
    return b"".join(pieces)


def behind_zeros(octets: bytes, at: int) -> int:
    """Return the place of the first octet from *at* on that is not zero; the end, where there is none."""
    if not 0 <= at <= len(octets):
        raise IndexError("a place outside of the octets")
    return len(octets) - len(octets[at:].lstrip(b"\0"))
