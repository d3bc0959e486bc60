"""A stranger among the collectors writes what nobody can use, or what would fill every judge's memory."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from collector.topics import DEAD_LETTERS, FLOWS
from tests.parts.patience import PATIENCE_S
from tests.parts.program import Program
from tests.parts.record_batch import CODECS, GZIP, LZ4, ZSTD, Batch, field, number, produce, record
from tests.parts.topics import all_read
from tests.system.judged_district import JudgedDistrict
from tests.system.product import scrape, until

pytestmark = pytest.mark.kafka

KEPT: Final = 64 << 10
"""Octets of the original that a dead letter has."""
HEAD: Final = 61
"""Octets of a batch before its records; the broker writes offset, epoch and latest time into them."""
MANY: Final = 64 << 20
"""Octets of zeros: the broker takes a record of so many, packed."""
FAR_TOO_MANY: Final = 1 << 30

Letter = tuple[str, int, str, bytes]
"""Of one dead letter: reason, octets and SHA-256 of the original, what is kept of it."""


def zeros(count: int) -> bytes:
    """Return what stands before *count* zeros that end one record: its value, and that it has no headers."""
    value = count - 1
    body = b"\x00" + number(0) * 2 + number(-1) + number(value)
    return number(len(body) + count) + body


def zstd_of_zeros(count: int) -> bytes:
    """Return a frame with that record: a raw block, then blocks of a zero to be repeated (RFC 8878 section 3.1.1)."""
    head, block = zeros(count), 128 << 10
    frame = b"\x28\xb5\x2f\xfd\x00\x38" + (len(head) << 3).to_bytes(3, "little") + head
    whole = (block << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    return frame + whole * (count // block - 1) + (block << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"


def one(records: bytes, *, codec: int, packed: bytes | None = None) -> bytes:
    """Return a batch of one record."""
    return Batch(base=0, records=records, count=1, last=0, attributes=codec, packed=packed).octets()


def headers(count: int) -> bytes:
    """Return a record that is nothing but headers."""
    body = b"\x00" + number(0) * 2 + number(-1) * 2 + number(count)
    body += b"".join(field(b"%d" % each) + number(-1) for each in range(count))
    return number(len(body)) + body


def poison() -> list[bytes]:
    """Return batches that a broker takes from any producer, and that no judge can have room for, or read."""
    large = zeros(MANY) + bytes(MANY)
    event = record((b"x", b"{}", []), delta=0)
    return [
        one(b"", codec=ZSTD, packed=zstd_of_zeros(FAR_TOO_MANY)),
        # Snappy is missing: it packs twenty times at most, and a topic takes no batch of more than a MiB.
        one(large, codec=GZIP),
        one(large, codec=LZ4),
        one(headers(300_000), codec=ZSTD),
        # The broker reads what is packed and looks no further.
        one(event, codec=GZIP, packed=CODECS[GZIP](event) + b"something else"),
    ]


async def spoil(bootstrap: str, good: bytes) -> list[Letter]:
    """Write records that nobody can use, and return the letter that each becomes."""
    old = json.loads(good) | {"started_at": "1999-12-31T23:59:59.999999Z"}
    device = json.loads(good)["device"].encode()
    bad = [
        ("not_json", device, b"{"),
        ("wrong_version", device, good.replace(b'"v":1', b'"v":9')),
        ("too_large", device, b"x" * 900_000),
        ("wrong_key", b"somebody-else", good),
        ("too_old", device, json.dumps(old).encode()),
        ("in_the_future", device, good.replace(b'"started_at":"20', b'"started_at":"21')),
    ]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=1_048_576) as producer:
        for _reason, key, value in bad:
            await producer.send_and_wait(FLOWS, value, key=key)
    return [(reason, len(value), hashlib.sha256(value).hexdigest(), value[:KEPT]) for reason, _key, value in bad]


def poisoned(judging: JudgedDistrict) -> list[bytes]:
    """Write the batches, all of them into one partition, and return them."""
    batches = poison()
    for octets in batches:
        assert produce(octets, bootstrap=judging.broker.bootstrap, topic=FLOWS, partition=0) == 0
    return batches


def dead(listen: str) -> float:
    """Return how many batches a judge has counted as unreadable."""
    found = re.search(
        r'^schoolgate_dead_letters_total\{reason="unreadable_batch"\} (\S+)$', scrape(listen), re.MULTILINE
    )
    assert found
    return float(found[1])


def dead_letters(bootstrap: str) -> list[Letter]:
    """Return every dead letter."""

    async def read() -> list[Letter]:
        found: list[Letter] = []
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed") as reader:
            places = [TopicPartition(DEAD_LETTERS, number) for number in range(3)]
            reader.assign(places)
            await reader.seek_to_beginning()
            ends = await reader.end_offsets(places)
            while any([await reader.position(place) < ends[place] for place in places]):
                for letters in (await reader.getmany(timeout_ms=500)).values():
                    for each in letters:
                        told = {name: value.decode() for name, value in each.headers}
                        found.append((told["reason"], int(told["octets"]), told["sha256"], each.value))
        return found

    return asyncio.run(asyncio.wait_for(read(), PATIENCE_S))


def highest_memory(judge: Program) -> int:
    """Return the most octets that a process ever had in memory."""
    told = Path(f"/proc/{judge.pid}/status").read_text(encoding="utf-8")
    (kibibytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", told, re.MULTILINE)
    return int(kibibytes) << 10


def test_poisoned_records_and_batches_are_dead_letters_and_everything_else_is_judged(judging: JudgedDistrict) -> None:
    bootstrap, half = judging.broker.bootstrap, len(judging.day) // 2
    spoiled = asyncio.run(spoil(bootstrap, judging.day[0]))
    judging.send(judging.day[:half])
    batches = poisoned(judging)
    judging.send(judging.day[half:], first=half)
    judge, listen = judging.judge()
    judging.wait_for(judging.checked(judging.day))
    until(lambda: dead(listen) == len(batches), what="all of them to be counted")
    assert highest_memory(judge) < FAR_TOO_MANY // 2
    assert f"{FLOWS}: 1 record batches: cannot be read, or would become larger than 16 MiB" in judging.said()
    # Nothing is left of them for whoever comes after.
    until(
        lambda: all_read(bootstrap, groups={"schoolgate-judge-devices": FLOWS}), what="the group to have gone past them"
    )
    letters = dead_letters(bootstrap)
    assert sorted(each for each in letters if each[0] != "unreadable_batch") == sorted(spoiled)
    unreadable = [each for each in letters if each[0] == "unreadable_batch"]
    assert sorted(octets for _, octets, _, _ in unreadable) == sorted(map(len, batches))
    assert all(kept[HEAD:] in {each[HEAD:KEPT] for each in batches} for _, _, _, kept in unreadable)
