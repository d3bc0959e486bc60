"""Makes record batches octet by octet, also such as no client makes, and hands them to a broker as they are.

Source: the guide to Kafka's protocol, "Record Batch" (magic 2) and "Produce" (version 7).
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass
from typing import Final

from aiokafka import codec
from aiokafka.record.util import calc_crc32c

APPEND_TIME, TRANSACTIONAL, CONTROL = 0x08, 0x10, 0x20
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
CODECS: Final = {
    0: bytes, GZIP: codec.gzip_encode, SNAPPY: codec.snappy_encode, LZ4: codec.lz4_encode, ZSTD: codec.zstd_encode,
}  # fmt: skip
COMMIT, ABORT = b"\x00\x00\x00\x01", b"\x00\x00\x00\x00"
LIMIT_S: Final = 120.0

_NOT_YET: Final = frozenset((3, 6))  # a partition that was made a moment ago is not known yet, or has no leader

Told = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]


def number(value: int) -> bytes:
    """Return a number as the format has it: zigzag, seven bits an octet."""
    raw, out = (value << 1) ^ (value >> 63), b""
    raw &= (1 << 64) - 1
    while raw > 0x7F:
        out += bytes([raw & 0x7F | 0x80])
        raw >>= 7
    return out + bytes([raw])


def field(octets: bytes | None) -> bytes:
    """Return octets behind their length."""
    return number(-1) if octets is None else number(len(octets)) + octets


def record(told: Told, *, delta: int, since: int = 0) -> bytes:
    """Return one record."""
    key, value, headers = told
    body = b"\x00" + number(since) + number(delta) + field(key) + field(value) + number(len(headers))
    body += b"".join(field(name.encode()) + field(octets) for name, octets in headers)
    return number(len(body)) + body


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One batch, with whatever in its head that a test wants."""

    base: int
    records: bytes
    """Octets of its records, before they are compressed."""
    count: int
    last: int
    attributes: int = 0
    producer: int = -1
    first: int = 1_760_000_000_000
    latest: int = 1_760_000_000_500
    magic: int = 2
    packed: bytes | None = None
    """What stands for its records instead, None: the codec that the attributes name makes it."""

    def octets(self) -> bytes:
        """Return it as a broker sends it."""
        body = CODECS.get(self.attributes & 7, bytes)(self.records) if self.packed is None else self.packed
        rest = struct.pack(
            ">hiqqqhii",
            *(self.attributes, self.last, self.first, self.latest, self.producer, 0, 0, self.count),
        )
        summed = rest + body
        sum_over: int = calc_crc32c(summed)
        return struct.pack(">qiibI", self.base, 9 + len(summed), 0, self.magic, sum_over) + summed


def batch(told: list[Told], *, base: int, attributes: int = 0, producer: int = -1, last: int | None = None) -> bytes:
    """Return a batch of records, one offset after the other."""
    made = b"".join(record(each, delta=delta, since=delta) for delta, each in enumerate(told))
    end = len(told) - 1 if last is None else last
    return Batch(
        base=base, records=made, count=len(told), last=end, attributes=attributes, producer=producer
    ).octets()  # fmt: skip


def marker(kind: bytes, *, base: int, producer: int) -> bytes:
    """Return the marker that ends a transaction."""
    return batch([(kind, b"\x00" * 6, [])], base=base, attributes=TRANSACTIONAL | CONTROL, producer=producer)


def plain(*values: bytes) -> list[Told]:
    """Return records without key or headers."""
    return [(None, value, []) for value in values]


def produce(octets: bytes, *, bootstrap: str, topic: str, partition: int) -> int:
    """Hand one batch to the one broker there is, and return the number of its error, 0: it took it."""
    deadline = time.monotonic() + LIMIT_S
    while (error := _ask(octets, bootstrap=bootstrap, topic=topic, partition=partition)) in _NOT_YET:
        assert time.monotonic() < deadline, f"nobody leads {topic} {partition}"
        time.sleep(0.1)
    return error


def _ask(octets: bytes, *, bootstrap: str, topic: str, partition: int) -> int:
    host, _, port = bootstrap.rpartition(":")
    place = _text(topic) + struct.pack(">iii", 1, partition, len(octets)) + octets
    # No transaction; acknowledged by all; one topic.
    asked = struct.pack(">hhihhhii", 0, 7, 1, -1, -1, -1, int(LIMIT_S * 1000), 1) + place
    with socket.create_connection((host, int(port)), timeout=LIMIT_S) as link:
        link.sendall(struct.pack(">i", len(asked)) + asked)
        (length,) = struct.unpack(">i", link.recv(4, socket.MSG_WAITALL))
        answer = link.recv(length, socket.MSG_WAITALL)
    # Number of the request, of topics, the name, number of partitions, the partition.
    error: int = struct.unpack_from(">h", answer, 4 + 4 + len(_text(topic)) + 4 + 4)[0]
    return error


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()
