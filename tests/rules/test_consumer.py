"""A consumer that takes whole batches out of aiokafka, and aiokafka's own records where it cannot."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.consumer import fetcher
from aiokafka.structs import ConsumerRecord

import rules.consumer
from rules.consumer import Consumer, records_of, takes_batches
from rules.records import Record
from tests.parts.broker import Broker

PATIENCE_MS = 60_000


def test_the_aiokafka_that_is_installed_looks_inside_as_we_know_it() -> None:
    # When this fails after an upgrade: look at what changed in aiokafka's fetcher, then at rules/consumer.py. Until
    # then everything works, dearer.
    assert takes_batches()


def test_an_aiokafka_that_looks_otherwise_inside_is_used_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    class Otherwise:
        def __init__(self, octets: bytes) -> None: ...

    monkeypatch.setattr(fetcher, "PartitionRecords", Otherwise)
    assert not takes_batches()
    monkeypatch.delattr(fetcher, "PartitionRecords")
    assert not takes_batches()


def test_records_of_aiokafkas_own_kind_become_ours() -> None:
    theirs = ConsumerRecord(
        "flows", 3, 7, 1_760_000_000_000, 1, b"k", b"v", None, 1, 1, (("seq", b"1"), ("seq", b"2"), ("none", None))
    )
    (found,) = records_of([theirs])
    assert (found.key, found.value, found.partition, found.offset) == (b"k", b"v", 3, 7)
    assert found.headers == {"seq": b"2", "none": b""}
    assert found.at.isoformat() == "2025-10-09T08:53:20+00:00"
    assert records_of([found]) == [found]
    assert records_of([]) == []


async def write(broker: Broker, topic: str) -> None:
    """Write what was committed, what was aborted, and what never was in a transaction, compressed in many ways."""
    for number, kind in enumerate((None, "gzip", "snappy", "lz4", "zstd")):
        plain = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, compression_type=kind)
        careful = AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap, compression_type=kind, transactional_id=f"{topic}-{number}"
        )
        async with plain, careful:
            for outcome in ("committed", "aborted", "committed"):
                with contextlib.suppress(ZeroDivisionError):
                    async with careful.transaction():
                        for each in range(3):
                            headers = [("seq", str(each).encode())]
                            await careful.send(topic, f"{kind} {outcome} {each}".encode(), key=b"k", headers=headers)
                        if outcome == "aborted":
                            raise ZeroDivisionError
                await plain.send_and_wait(topic, None, key=b"gone")


@contextlib.asynccontextmanager
async def reader(broker: Broker, place: TopicPartition) -> AsyncIterator[Consumer]:
    """Return a consumer at the beginning of a partition."""
    consumer = Consumer(bootstrap_servers=broker.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        yield consumer
    finally:
        await consumer.stop()


async def read(consumer: Consumer, place: TopicPartition, *, upto: int, at_once: int) -> list[Any]:
    """Return what it gives until its position is *upto*."""
    found: list[Any] = []
    while await consumer.position(place) < upto:
        found += (await consumer.getmany(place, timeout_ms=PATIENCE_MS, max_records=at_once)).get(place, [])
    return found


@pytest.mark.kafka
async def test_a_real_topic_reads_the_same_in_batches_and_one_by_one(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = "consumer-in-batches"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    await admin.close()
    await write(broker, topic)
    place = TopicPartition(topic, 0)
    async with reader(broker, place) as consumer:
        end = (await consumer.end_offsets([place]))[place]
        ours = await read(consumer, place, upto=end, at_once=4)
        assert {type(each) for each in ours} == {Record}
        # In the middle of a batch, and behind a marker.
        consumer.seek(place, 2)
        assert await read(consumer, place, upto=end, at_once=1_000) == ours[2:]
    monkeypatch.setattr(rules.consumer, "_BatchFetcher", None)
    async with reader(broker, place) as consumer:
        theirs = await read(consumer, place, upto=end, at_once=4)
    assert {type(each) for each in theirs} == {ConsumerRecord}
    assert ours == list(records_of(theirs))
    assert len(ours) == 5 * (2 * 3 + 3)
