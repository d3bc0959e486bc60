"""Reads topics as the judging side does, so that tests look at what is there and not at what somebody says is there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.parts.patience import PATIENCE_S

FLOWS = "schoolgate.flows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a topic."""

    partition: int
    offset: int
    key: bytes | None
    headers: Mapping[str, bytes]
    value: dict[str, Any]


def make_topic(bootstrap: str, *, name: str = FLOWS, partitions: int = 12) -> None:
    """Make a topic with nothing but its partitions said."""

    async def make() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])
        finally:
            await admin.close()

    asyncio.run(asyncio.wait_for(make(), PATIENCE_S))


def records(
    bootstrap: str, *, collector: str | None, topic: str = FLOWS, login: Mapping[str, Any] | None = None
) -> list[Record]:
    """Return all that *collector* (None: anybody) has in *topic*, each partition in order."""
    client = {"bootstrap_servers": bootstrap, **(login or {})}
    return asyncio.run(asyncio.wait_for(_read(client, topic=topic, collector=collector), PATIENCE_S))


async def _read(client: Mapping[str, Any], *, topic: str, collector: str | None) -> list[Record]:
    consumer = AIOKafkaConsumer(**client, enable_auto_commit=False, isolation_level="read_committed")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in await _partitions(client, topic)]
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        found: list[Record] = []
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                found += [_record(each) for each in batch]
    finally:
        await consumer.stop()
    mine = [each for each in found if collector is None or each.headers.get("collector") == collector.encode()]
    return sorted(mine, key=lambda each: (each.partition, each.offset))


async def _partitions(client: Mapping[str, Any], topic: str) -> list[int]:
    admin = AIOKafkaAdminClient(**client)
    await admin.start()
    try:
        (told,) = await admin.describe_topics([topic])
    finally:
        await admin.close()
    return sorted(each["partition"] for each in told["partitions"])


def _record(raw: Any) -> Record:
    return Record(
        partition=raw.partition,
        offset=raw.offset,
        key=raw.key,
        headers=dict(raw.headers),
        value=json.loads(raw.value),
    )


def events(found: list[Record]) -> dict[int, dict[str, Any]]:
    """Return the events among *found* by sequence number; one that came twice must be the same both times."""
    by_number: dict[int, dict[str, Any]] = {}
    for record in found:
        if "kind" not in record.headers:
            number = int(record.headers["seq"])
            assert by_number.setdefault(number, record.value) == record.value
            assert record.key == record.value["device"].encode()
    return by_number


def with_kafka(config: Path, *, sensor: str, kafka: str, spool: str = "{path: spool.db}") -> Path:
    """Name sensor, spool and broker in a configuration file."""
    text = config.read_text(encoding="utf-8").replace("sensor: lakeview-tap", f"sensor: {sensor}")
    config.write_text(f"{text}spool: {spool}\nkafka: {kafka}\n", encoding="utf-8")
    return config
