"""The topics of a round: made anew and empty on a broker that goes on, and read as any later reader would."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from collector.topics import CASE_STATE, CASES, DEAD_LETTERS, ENGINE_STATE, FINDINGS, FLOWS, TOPICS
from rules.key_ring import KeyRing
from rules.sealed_records import open_version

GROUPS: Final = {"schoolgate-judge-devices": FLOWS, "schoolgate-judge-agreements": FINDINGS}
READ: Final = (FLOWS, FINDINGS, CASES, DEAD_LETTERS)
LIMIT_S = 90.0
PAUSE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One committed record."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: dict[str, bytes]


async def make_anew(bootstrap: str, *, flows: int, findings: int) -> None:
    """Delete the product's topics and make them again, with so many partitions.

    Raises:
        TimeoutError: the broker does not do it in time.
    """
    partitions = {FLOWS: flows, ENGINE_STATE: flows, FINDINGS: findings, CASE_STATE: findings}
    wanted = [
        NewTopic(
            topic.name,
            num_partitions=partitions.get(topic.name, min(topic.partitions, findings)),
            replication_factor=1,
            topic_configs=topic.settings,
        )
        for topic in TOPICS
    ]
    async with asyncio.timeout(LIMIT_S):
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            names = {topic.name for topic in TOPICS}
            there = names & set(await admin.list_topics())
            if there:
                await admin.delete_topics(sorted(there))
            left = {topic.name: topic for topic in wanted}
            while left:
                answer = await admin.create_topics(list(left.values()))
                for row in answer.topic_errors:
                    if row[1] == 0:
                        left.pop(row[0])
                if left:
                    await asyncio.sleep(PAUSE_S)
            while not all([await _serves(admin, topic) for topic in wanted]):  # noqa: ASYNC110 -- it must be asked
                await asyncio.sleep(PAUSE_S)
        finally:
            await admin.close()


async def _serves(admin: AIOKafkaAdminClient, topic: NewTopic) -> bool:
    (told,) = await admin.describe_topics([topic.name])
    led = [row for row in told["partitions"] if row["error_code"] == 0 and row["leader"] >= 0]
    return bool(told["error_code"] == 0 and len(led) == topic.num_partitions)


class Reading:
    """Reads all topics from their beginning, committed records only, and asks the groups where they stand.

    Args:
        bootstrap: HOST:PORT of the broker.
        keys: what cases are sealed with: they are read opened.
    """

    def __init__(self, bootstrap: str, *, keys: KeyRing) -> None:
        self._keys = keys
        self.messages: dict[str, list[Message]] = {topic: [] for topic in READ}
        self.partitions: dict[str, int] = {}
        self._last: dict[TopicPartition, int] = {}
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        self._places: list[TopicPartition] = []

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(LIMIT_S):
            await self._admin.start()
            await self._consumer.start()
            for told in await self._admin.describe_topics(list(READ)):
                self.partitions[told["topic"]] = len(told["partitions"])
                self._places += [TopicPartition(told["topic"], row["partition"]) for row in told["partitions"]]
            self._consumer.assign(self._places)
            await self._consumer.seek_to_beginning()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def read_on(self) -> None:
        """Read what has come since.

        Raises:
            TimeoutError: the broker does not answer.
        """
        async with asyncio.timeout(LIMIT_S):
            ends = await self._consumer.end_offsets(self._places)
            while any([await self._consumer.position(place) < ends[place] for place in self._places]):
                for place, found in (await self._consumer.getmany(timeout_ms=200)).items():
                    self._last[place] = found[-1].offset
                    self.messages[place.topic] += [self._message(each) for each in found]

    async def behind(self) -> list[str]:
        """Return each partition whose group has not come to its last record, in words; read on first."""
        told = []
        async with asyncio.timeout(LIMIT_S):
            for group, topic in GROUPS.items():
                try:
                    stands: dict[TopicPartition, Any] = await self._admin.list_consumer_group_offsets(group)
                except KafkaError as error:
                    # A broker that has just come back may still look for its groups.
                    told.append(f"{group}: {error}")
                    continue
                for place, last in sorted(self._last.items()):
                    if place.topic != topic:
                        continue
                    committed = stands[place].offset if place in stands else -1
                    if committed < last + 1:
                        told.append(f"{topic} {place.partition}: committed {committed} of {last + 1}")
        return told

    def by_key(self, topic: str) -> dict[bytes | None, list[Message]]:
        """Return the records of *topic* by key, each key's in their order."""
        found: dict[bytes | None, list[Message]] = defaultdict(list)
        for message in sorted(self.messages[topic], key=lambda each: (each.partition, each.offset)):
            found[message.key].append(message)
        return found

    def _message(self, raw: Any) -> Message:
        found = _message(raw)
        if found.topic != CASES or not found.value:
            return found
        return replace(found, value=msgspec.json.encode(open_version(found.value, keys=self._keys)))


def _message(raw: Any) -> Message:
    return Message(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        key=raw.key,
        value=raw.value or b"",
        headers={name: value or b"" for name, value in raw.headers},
    )
