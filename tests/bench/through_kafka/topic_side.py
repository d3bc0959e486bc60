"""What a run needs of the broker: topics, how far a group has come, and what lies in a topic."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError

from collector.topics import Topic

LOOK_EVERY_S = 0.05
PATIENCE_S = 600.0
BATCH_OCTETS = 256 << 10


@contextlib.asynccontextmanager
async def administrator(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Return a client that may do everything."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def make_topics(bootstrap: str, wanted: Iterable[tuple[str, Topic]]) -> None:
    """Make topics, each under its name and as a topic of the product."""
    async with administrator(bootstrap) as admin:
        await admin.create_topics(
            [
                NewTopic(name, num_partitions=like.partitions, replication_factor=1, topic_configs=like.settings)
                for name, like in wanted
            ]
        )


async def until_judged(bootstrap: str, *, group: str, topic: str) -> None:
    """Return when *group* has committed everything that lies in *topic* now.

    Raises:
        TimeoutError: not within ten minutes.
    """
    async with asyncio.timeout(PATIENCE_S), administrator(bootstrap) as admin:
        ends = await _ends(bootstrap, topic=topic)
        while True:
            committed: dict[TopicPartition, Any] = {}
            # A fresh broker makes the topic of positions when the first group asks for it.
            with contextlib.suppress(GroupCoordinatorNotAvailableError):
                committed = await admin.list_consumer_group_offsets(group)
            if all(place in committed and committed[place].offset >= end for place, end in ends.items() if end):
                return
            await asyncio.sleep(LOOK_EVERY_S)


async def contents(bootstrap: str, topic: str) -> list[Any]:
    """Return every committed record of *topic*."""
    ends = await _ends(bootstrap, topic=topic)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, isolation_level="read_committed", fetch_max_bytes=8 << 20
    )
    await consumer.start()
    found: list[Any] = []
    try:
        consumer.assign(list(ends))
        await consumer.seek_to_beginning()
        async with asyncio.timeout(PATIENCE_S):
            while any([await consumer.position(each) < ends[each] for each in ends]):
                for messages in (await consumer.getmany(timeout_ms=500)).values():
                    found += messages
    finally:
        await consumer.stop()
    return found


async def write(bootstrap: str, topic: str, *, records: Sequence[Sequence[tuple[bytes, bytes]]]) -> None:
    """Write records into *topic*: the first sequence into partition 0, the next into 1, and so on."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type="zstd", max_batch_size=BATCH_OCTETS)
    await producer.start()
    try:
        for partition, pairs in enumerate(records):
            batch = producer.create_batch()
            for key, value in pairs:
                if batch.append(timestamp=None, key=key, value=value, headers=[]) is None:
                    await producer.send_batch(batch, topic, partition=partition)
                    batch = producer.create_batch()
                    batch.append(timestamp=None, key=key, value=value, headers=[])
            await producer.send_batch(batch, topic, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()


async def length(bootstrap: str, topic: str) -> int:
    """Return the number of records that *topic* was ever given, markers of transactions among them."""
    return sum((await _ends(bootstrap, topic=topic)).values())


async def _ends(bootstrap: str, *, topic: str) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        async with administrator(bootstrap) as admin:
            (told,) = await admin.describe_topics([topic])
        places = [TopicPartition(topic, each["partition"]) for each in told["partitions"]]
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
        return ends
    finally:
        await consumer.stop()
