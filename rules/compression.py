"""Decompresses octets that strangers compressed, and stops where they would become more than somebody has room for.

A kilobyte can be made that becomes gigabytes, and no codec says beforehand, in words that can be believed, how many:
whatever a header claims, nothing here writes further than the limit.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiokafka.codec import cramjam  # which needs it for three of the four codecs
from aiokafka.errors import CorruptRecordException

if TYPE_CHECKING:
    from collections.abc import Callable

# How many times as much a batch becomes: events of a class ten to twenty-five times, those of a beacon more. Room is
# made for that much first: to clear room for the most that is allowed takes a hundred times as long as to fill it.
_GROWTHS = (32, 256)

_GZIP = zlib.MAX_WBITS | 16  # zlib's word for "with the header and the sum of gzip"

# What Java's snappy puts before blocks of its own (xerial's format): a mark, its version, the oldest that reads it.
_XERIAL = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
_XERIAL_LENGTH = 4


def unpacked(octets: memoryview, *, codec: int, limit: int) -> bytes:
    """Return what *octets* become.

    Args:
        octets: as they came.
        codec: its number in the attributes of a record batch; 0: they are not compressed.
        limit: how many octets they may become.

    Raises:
        CorruptRecordException: they would become more, or are not what the codec makes, or nobody knows the codec.

    Source: the guide to Kafka's protocol, "Record Batch"; RFC 1952 (gzip); RFC 8878 (Zstandard).
    """
    if codec == 0:
        if len(octets) > limit:
            raise CorruptRecordException(f"{len(octets):,} octets where at most {limit:,} may be")
        return bytes(octets)
    unpack = _UNPACK.get(codec)
    if unpack is None:
        raise CorruptRecordException(f"compressed with codec {codec}, which nobody knows")
    try:
        return unpack(octets, limit)
    except (cramjam.DecompressionError, zlib.error, ValueError) as error:
        raise CorruptRecordException(f"cannot be decompressed to at most {limit:,} octets: {error}") from error


def _framed(into: Callable[[memoryview, bytearray], int]) -> Callable[[memoryview, int], bytes]:
    """Return how to unpack a format of which cramjam writes into a room that is given, and no further."""

    def unpack(octets: memoryview, limit: int) -> bytes:
        for growth in _GROWTHS:
            if (room := growth * len(octets)) < limit:
                with suppress(cramjam.DecompressionError):
                    return within(octets, room)
        return within(octets, limit)

    def within(octets: memoryview, limit: int) -> bytes:
        room = bytearray(limit)
        length = into(octets, room)
        return bytes(memoryview(room)[:length])

    return unpack


def _gunzipped(octets: memoryview, limit: int) -> bytes:
    member = zlib.decompressobj(_GZIP)
    # One octet more than there is room for, and it is too many.
    found = member.decompress(octets, limit + 1)
    if len(found) > limit:
        raise ValueError("there is more")
    if not member.eof:
        raise ValueError("it is cut short")
    # A file may have many members, a batch has one; each of fifty thousand would cost another look at all the rest.
    if member.unused_data:
        raise ValueError("something follows")
    return found


def _unsnapped(octets: memoryview, limit: int) -> bytes:
    packed = octets.tobytes()
    blocks = _xerial_blocks(packed) if packed.startswith(_XERIAL) else [packed]
    # Every block says how many octets it becomes; cramjam writes no further, whatever comes of it.
    lengths = [cramjam.snappy.decompress_raw_len(block) for block in blocks]
    if sum(lengths) > limit:
        raise ValueError(f"there are {sum(lengths):,}")
    room = bytearray(sum(lengths))
    at = 0
    for block, length in zip(blocks, lengths, strict=True):
        cramjam.snappy.decompress_raw_into(block, memoryview(room)[at : at + length])
        at += length
    return bytes(room)


def _xerial_blocks(packed: bytes) -> list[bytes]:
    blocks = []
    at = len(_XERIAL)
    while at < len(packed):
        begins = at + _XERIAL_LENGTH
        length = int.from_bytes(packed[at:begins], "big")
        at = begins + length
        if length == 0 or at > len(packed):
            raise ValueError("a block is longer than what is there")
        blocks.append(packed[begins:at])
    return blocks


_UNPACK: Final[dict[int, Callable[[memoryview, int], bytes]]] = {
    1: _gunzipped,
    2: _unsnapped,
    3: _framed(cramjam.lz4.decompress_into),
    4: _framed(cramjam.zstd.decompress_into),
}
