"""Tries to read forgotten cases in the topics of the broker: every record of before, within a bounded time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from collector import topics
from collector.brokers import BrokerError, connection, dial
from collector.cluster import cluster
from collector.problems import DocumentError
from rules.sealed_days import open_value
from rules.store.elsewhere import Elsewhere

if TYPE_CHECKING:
    from pathlib import Path

    from rules.store.elsewhere import Attempt
    from schoolgate.configuration import Configuration

TOPICS: Final = (topics.FINDINGS, topics.ENGINE_STATE, topics.CASE_STATE, topics.CASES)
"""Where records are sealed with the keys of cases."""
PLACE: Final = "Kafka"
LIMIT_S: Final = 60.0
"""After this no further record is read, and how many were left is said."""
POLL_MS: Final = 500


def tried_in_topics(settings: Configuration, *, config: Path, attempt: Attempt) -> Elsewhere:
    """Return what trying came to; what is not reached is said, and is no error."""
    if "kafka" not in settings.model_fields_set:
        return Elsewhere.untried(PLACE, why="the configuration names no broker")
    try:
        return asyncio.run(_tried(settings, config=config, attempt=attempt))
    except (BrokerError, KafkaError, DocumentError, TimeoutError) as error:
        return Elsewhere.untried(PLACE, why=str(error) or type(error).__name__)


async def _tried(settings: Configuration, *, config: Path, attempt: Attempt) -> Elsewhere:
    to = connection(settings.kafka, config=config)
    await dial(to)
    async with cluster(to) as broker:
        there = (await broker.view(TOPICS)).topics
    places = [TopicPartition(name, each.number) for name in TOPICS for each in there[name].partitions]
    missing = [name for name in TOPICS if not there[name].partitions]
    if not places:
        return Elsewhere.untried(PLACE, why="none of the topics is there, or ours to see")
    consumer = AIOKafkaConsumer(**to.options, enable_auto_commit=False)
    await consumer.start()
    try:
        what = await _read(consumer, places=places, attempt=attempt)
    finally:
        await consumer.stop()
    if missing:
        what += f"; not there, or not ours to see: {', '.join(missing)}"
    return attempt.result(PLACE, what=what)


async def _read(consumer: AIOKafkaConsumer, *, places: list[TopicPartition], attempt: Attempt) -> str:
    """Read every record that is there now, and return how that went."""
    consumer.assign(places)
    await consumer.seek_to_beginning(*places)
    ends, read, deadline = await consumer.end_offsets(places), 0, time.monotonic() + LIMIT_S
    left = await _left(consumer, ends)
    while left and time.monotonic() < deadline:
        batches = await consumer.getmany(*left, timeout_ms=POLL_MS)
        for record in (record for batch in batches.values() for record in batch):
            task = f"{record.topic}/{record.partition}"
            inside = open_value(record.value or b"", task=task, keys=attempt.keys)
            attempt.look_at(b"%b\n%b" % (record.key or b"", record.value or b"" if inside is None else inside))
            read += 1
        left = await _left(consumer, ends)
    if left:
        return f"NOT ALL: {read:,} records were read in {LIMIT_S:g} s, {len(left):,} partitions not to their end"
    return f"{read:,} records of {len(places):,} partitions were read, every one that was there"


async def _left(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> list[TopicPartition]:
    return [place for place, end in ends.items() if await consumer.position(place) < end]
