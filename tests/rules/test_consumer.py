"""A consumer that takes whole batches out of aiokafka, and reads nothing where it cannot."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.consumer import fetcher

from rules.consumer import Consumer, StrangeClientError, takes_batches
from rules.record_batches import moment
from rules.records import Record
from tests.parts.broker import Broker

PATIENCE_MS = 60_000


def test_the_aiokafka_that_is_installed_looks_inside_as_we_know_it() -> None:
    # When this fails after an upgrade: look at what changed in aiokafka's fetcher, then at rules/consumer.py. Until
    # then judges do not start.
    assert takes_batches()


async def test_an_aiokafka_that_looks_otherwise_inside_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Otherwise:
        def __init__(self, octets: bytes) -> None: ...

    async def start(self: AIOKafkaConsumer) -> None:
        self._reader = Otherwise(b"")

    for place, name, otherwise in (
        (fetcher, "PartitionRecords", Otherwise), (fetcher, "PartitionRecords", None), (fetcher, "FetchResult", None),
        (fetcher, "Fetcher", Otherwise), (AIOKafkaConsumer, "start", start),
    ):  # fmt: skip
        with monkeypatch.context() as changed:
            changed.setattr(place, name, otherwise)
            assert not takes_batches()
            with pytest.raises(StrangeClientError, match=r"aiokafka [0-9.]+ is otherwise inside .* install 0\.1"):
                Consumer(bootstrap_servers="192.0.2.1:9092")
    assert takes_batches()


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
async def reader(
    broker: Broker, place: TopicPartition, *, of: Callable[..., AIOKafkaConsumer] = Consumer
) -> AsyncIterator[AIOKafkaConsumer]:
    """Return a consumer at the beginning of a partition."""
    consumer = of(bootstrap_servers=broker.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        yield consumer
    finally:
        await consumer.stop()


async def read(consumer: AIOKafkaConsumer, place: TopicPartition, *, upto: int, at_once: int) -> list[Any]:
    """Return what it gives until its position is *upto*."""
    found: list[Any] = []
    while await consumer.position(place) < upto:
        found += (await consumer.getmany(place, timeout_ms=PATIENCE_MS, max_records=at_once)).get(place, [])
    return found


@pytest.mark.kafka
async def test_a_real_topic_reads_the_same_in_batches_and_one_by_one(broker: Broker) -> None:
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
    async with reader(broker, place, of=partial(AIOKafkaConsumer, isolation_level="read_committed")) as consumer:
        theirs = await read(consumer, place, upto=end, at_once=4)
    assert [(each.key, each.value, each.headers, each.offset, each.at) for each in ours] == [
        (each.key, each.value, dict(each.headers), each.offset, moment(each.timestamp)) for each in theirs
    ]
    assert len(ours) == 5 * (2 * 3 + 3)
