"""The agreements topic on Apache Kafka: read to its end, followed, and written in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from rules.agreement_topic import TopicRecord
from rules.closing import CLOSE_TIMEOUT_S
from rules.consumer import Consumer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.records import Record

# One partition has one order; where somebody made the topic with more, the others stay empty.
PARTITION = 0

START_TIMEOUT_S = 20.0
POLL_S = 0.2
STALL_S = 20.0
WRITE_TIMEOUT_S = 30.0
# A publisher that died lets go of its transaction after this; readers see nothing of it until then, and never later.
BROKER_TRANSACTION_TIMEOUT_MS = 20_000
# Before compression: the broker's own limit of 1 MiB is for the compressed record.
MAX_REQUEST_OCTETS = 16 << 20
# All publishers share one: the one who starts last fences the others off, so nobody writes over what he has not read.
TRANSACTIONAL_ID = "schoolgate-publish"


class AgreementLog:
    """Reads the topic from its first record on.

    Args:
        topic: its name.
        client: how aiokafka's clients reach the broker.
    """

    def __init__(self, topic: str, *, client: Mapping[str, Any]) -> None:
        self._place = TopicPartition(topic, PARTITION)
        self._consumer = Consumer(**client, enable_auto_commit=False, auto_offset_reset="earliest")
        self._held_back: list[Record] = []

    async def __aenter__(self) -> Self:
        """Begin at the first record.

        Raises:
            KafkaError: the broker refused, or has no such topic.
            TimeoutError: it does not answer.
        """
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._consumer.start()
                await self._find_topic()
                self._consumer.assign([self._place])
                await self._consumer.seek_to_beginning(self._place)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let the consumer go, whatever state the broker is in."""
        await self._stop()

    async def to_the_end(self) -> list[TopicRecord]:
        """Return every committed record that is there now and was not returned yet, in the order of the topic.

        Raises:
            KafkaError: the broker refused.
            TimeoutError: it does not answer.
        """
        async with asyncio.timeout(START_TIMEOUT_S):
            ends = await self._consumer.end_offsets([self._place])
        return await self._until(ends[self._place])

    async def news(self, *, wait_s: float) -> list[TopicRecord]:
        """Return records that were committed since the last call, empty: there are none within *wait_s* seconds.

        Records of one transaction come together. While the broker is away there are none.

        Raises:
            KafkaError: the broker refused.
        """
        await self._read(wait_s=wait_s)
        if not self._held_back:
            return []
        # What the answer with these records said: all that was committed together with them lies before it.
        end = self._consumer.last_stable_offset(self._place)
        try:
            return await self._until(end or 0)
        except TimeoutError:
            return []  # they are held back until the rest has come

    async def _find_topic(self) -> None:
        # Whoever may not know of a topic is told that there is none; asking for its records would never end.
        if self._place.topic not in await self._consumer.topics():
            raise UnknownTopicOrPartitionError

    async def _until(self, end: int) -> list[TopicRecord]:
        while (before := await self._consumer.position(self._place)) < end:
            async with asyncio.timeout(STALL_S):
                while await self._consumer.position(self._place) == before:
                    await self._read(wait_s=POLL_S)
        records, self._held_back = self._held_back, []
        return [TopicRecord(each.key, each.value, each.offset) for each in records]

    async def _read(self, *, wait_s: float) -> None:
        batches = await self._consumer.getmany(self._place, timeout_ms=int(wait_s * 1000))
        self._held_back += batches.get(self._place, [])

    async def _stop(self) -> None:
        await self._consumer.leave()


class AgreementWriter:
    """Writes the topic, and keeps every other publisher from doing so from its start on.

    Args:
        topic: its name.
        client: how aiokafka's clients reach the broker.
    """

    def __init__(self, topic: str, *, client: Mapping[str, Any]) -> None:
        self._topic = topic
        self._producer = AIOKafkaProducer(
            **client,
            transactional_id=TRANSACTIONAL_ID,
            transaction_timeout_ms=BROKER_TRANSACTION_TIMEOUT_MS,
            compression_type="zstd",
            max_request_size=MAX_REQUEST_OCTETS,
        )

    async def __aenter__(self) -> Self:
        """Fence off whoever was publishing, and end what he left open.

        Raises:
            KafkaError: the broker refused.
            TimeoutError: it does not answer.
        """
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._producer.start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let the producer go; an open transaction is aborted by the broker."""
        await self._stop()

    async def write(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Write (key, value) of each record, all or none.

        Raises:
            ProducerFenced: somebody else began to publish meanwhile; nothing was written.
            KafkaError: the broker refused; nothing was written.
            TimeoutError: it does not answer.
        """
        async with asyncio.timeout(WRITE_TIMEOUT_S), self._producer.transaction():
            sent = [
                await self._producer.send(self._topic, value, key=key, partition=PARTITION) for key, value in records
            ]
            await asyncio.gather(*sent)

    async def _stop(self) -> None:
        with contextlib.suppress(KafkaError, TimeoutError, OSError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._producer.stop()
