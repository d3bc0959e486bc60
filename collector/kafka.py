"""Takes the spool to Apache Kafka: idempotent producer, every acknowledgement awaited, nothing waited for without end.

What the broker has is deleted from the spool and never before, so a crash sends some records again, with the same
sequence numbers. Whoever reads the topic drops those.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.partitioner import DefaultPartitioner

from collector.brokers import REFUSALS_PAUSES_S, BrokerAwayError, BrokerRefusedError, dial
from collector.control_records import GapRecord
from collector.spooled import Kind
from collector.topics import FLOWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiokafka.producer.message_accumulator import BatchBuilder

    from collector.brokers import Connection
    from collector.spool import Spool
    from collector.spooled import Batch

WATERMARK_EVERY_S = 10.0
# What the broker has lies in the spool's write-ahead log for so long; to cut it costs two waits for the disk.
WIPE_EVERY_S = 60.0
# How long the spool may rest before it is looked at again: what a live event waits for at most.
LOOK_EVERY_S = 0.05
START_TIMEOUT_S = 15.0
METADATA_TIMEOUT_S = 5.0
# aiokafka gives a batch up after its request timeout; ours comes later, so that its reason is heard.
REQUEST_TIMEOUT_MS = 20_000
ACKNOWLEDGE_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 1.0
AWAY_PAUSE_S = 0.25
AWAY_LONGEST_PAUSE_S = 5.0
# A broker that is away for hours is worth a line a minute, not a line a second.
AWAY_SAY_EVERY_S = 60.0
BATCH_OCTETS = 128 << 10
# Pseudonyms change daily; more devices than that a day only cost their hash again.
KNOWN_KEYS = 65_536
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_RIGHTS = (ClusterAuthorizationFailedError, TopicAuthorizationFailedError, TransactionalIdAuthorizationFailed)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryHooks:
    """What the surroundings want to be told."""

    say: Callable[[str], None]
    """Shows one line to a person."""
    delivered: Callable[[int], None]
    """So many more events are acknowledged."""


class Delivery:
    """Sends what is in a spool for as long as anything comes.

    Args:
        spool: the queue.
        to: the broker.
        collector: name of this collector.
        hooks: the surroundings.
        topic: where events go.
    """

    def __init__(
        self, spool: Spool, *, to: Connection, collector: str, hooks: DeliveryHooks, topic: str = FLOWS
    ) -> None:
        self._spool = spool
        self._to = to
        self._collector = collector
        self._name = collector.encode()
        self._hooks = hooks
        self._topic = topic
        self._finished = False
        self._refusals = 0
        self._aways = 0
        self._away_said = float("-inf")
        self._through: int | None = None

    def finish(self) -> None:
        """Say that nothing comes any more: `run` ends when the spool is empty. From any thread."""
        self._finished = True

    async def run(self) -> None:
        """Send until everything is acknowledged and nothing comes any more; wait for a broker that is away.

        Raises:
            BrokerRefusedError: the broker refused us five times in a row. The spool is as it was.
            SpoolError: the spool's disk failed.
        """
        while True:
            try:
                await self._session()
            except BrokerRefusedError as reason:
                if self._refusals == len(REFUSALS_PAUSES_S):
                    raise
                self._hooks.say(f"{reason}; trying again")
                await asyncio.sleep(REFUSALS_PAUSES_S[self._refusals])
                self._refusals += 1
            except BrokerAwayError as reason:
                self._tell_away(reason)
                await asyncio.to_thread(self._expire)
                await asyncio.sleep(min(AWAY_PAUSE_S * 2**self._aways, AWAY_LONGEST_PAUSE_S))
                self._aways = min(self._aways + 1, 10)
            else:
                return

    def _expire(self) -> None:
        dropped = self._spool.expire()
        self._spool.wipe()
        if dropped:
            self._hooks.say(f"{dropped:,} events have waited for longer than they may be kept, and were dropped unsent")

    def _tell_away(self, reason: BrokerAwayError) -> None:
        now = time.monotonic()
        if now - self._away_said >= AWAY_SAY_EVERY_S:
            self._away_said = now
            self._hooks.say(f"{reason}; events wait in the spool ({self._spool.events:,} now)")

    async def _session(self) -> None:
        """Log in, and send until nothing comes any more."""
        await dial(self._to)
        producer = AIOKafkaProducer(
            **self._to.options,
            enable_idempotence=True,
            acks="all",
            compression_type="zstd",
            max_batch_size=BATCH_OCTETS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await producer.start()
            link = _Link(producer, topic=self._topic, partitions=await self._partitions(producer))
            await self._pump(link)
        except _RIGHTS as error:
            user = self._to.user or "nobody in particular"
            raise BrokerRefusedError(
                f"the broker does not let {user} write to {self._topic} ({type(error).__name__}); "
                "run `schoolgate kafka setup`"
            ) from None
        except TimeoutError:
            raise BrokerAwayError("the broker does not acknowledge in time") from None
        except (KafkaError, OSError) as error:
            raise BrokerAwayError(f"the broker failed ({error})") from None
        finally:
            await _discard(producer)

    async def _partitions(self, producer: AIOKafkaProducer) -> list[int]:
        try:
            async with asyncio.timeout(METADATA_TIMEOUT_S):
                return sorted(await producer.partitions_for(self._topic))
        except TimeoutError:
            await dial(self._to)  # it may have gone in between
            raise BrokerRefusedError(f"the broker has no topic {self._topic}; run `schoolgate kafka setup`") from None

    async def _pump(self, link: _Link) -> None:
        promised_at = wiped_at = float("-inf")
        while True:
            if self._spool.rows:
                await self._send(link, await asyncio.to_thread(self._spool.oldest))
                self._refusals = self._aways = 0
                self._away_said = float("-inf")
            elif self._finished:
                return
            else:
                await asyncio.sleep(LOOK_EVERY_S)
                self._through = self._spool.reached() or self._through
            now = time.monotonic()
            if self._through is not None and now - promised_at >= WATERMARK_EVERY_S:
                promised_at = now
                await self._promise(link, through_ns=self._through, end=False)
            if now - wiped_at >= WIPE_EVERY_S:
                wiped_at = now
                await asyncio.to_thread(self._spool.wipe)

    async def _send(self, link: _Link, batches: list[Batch]) -> None:
        """Send rows up to the first end, and delete them when all are acknowledged."""
        ends = [number for number, batch in enumerate(batches, start=1) if batch.kind is Kind.END]
        batches = batches[: ends[0]] if ends else batches
        events = 0
        for batch in batches:
            events += await self._put(link, batch)
        await link.acknowledged()
        last = batches[-1]
        if ends:
            await self._promise(link, through_ns=last.through_ns or 0, end=True)
        await asyncio.to_thread(self._spool.acknowledge, batches)
        promises = [batch.through_ns for batch in batches if batch.through_ns is not None]
        if promises:
            self._through = promises[-1]
        if ends:
            # What comes next is another capture, and may lie anywhere in time.
            self._through = None
        self._hooks.delivered(events)

    async def _put(self, link: _Link, batch: Batch) -> int:
        gap = batch.gap
        if gap is not None:
            told = GapRecord(
                collector=self._collector, first=gap.first, last=gap.last, events=gap.events, octets=gap.octets
            )
            self._hooks.say(
                f"the spool was full, or the broker away for too long: {gap.events:,} events ({gap.octets:,} octets) "
                "were dropped unsent"
            )
            # One partition: it is to be counted once.
            await link.put(
                0, key=None, value=msgspec.json.encode(told), headers=[("kind", b"gap"), ("collector", self._name)]
            )
            return 0
        pairs = batch.pairs
        for number, (key, value_) in enumerate(pairs, start=batch.first):
            headers = [("collector", self._name), ("seq", b"%d" % number)]
            await link.put(link.partition(key), key=key, value=value_, headers=headers)
        return len(pairs)

    async def _promise(self, link: _Link, *, through_ns: int, end: bool) -> None:
        """Tell every partition that no event that ended before this time comes after this record."""
        through = (_EPOCH + timedelta(microseconds=through_ns // 1000)).isoformat(timespec="microseconds")
        value = msgspec.json.encode(
            {"collector": self._collector, "through": through.replace("+00:00", "Z"), "end": end}
        )
        for partition in link.partitions:
            headers = [("kind", b"watermark"), ("collector", self._name)]
            await link.put(partition, key=None, value=value, headers=headers)
        await link.acknowledged()


class _Link:
    """A producer, with one open batch for each partition.

    Whole batches cost half of what single records do: aiokafka keeps a future and a lock for each record it is given.
    """

    def __init__(self, producer: AIOKafkaProducer, *, topic: str, partitions: list[int]) -> None:
        self.partitions = partitions
        self._producer = producer
        self._topic = topic
        self._open: dict[int, BatchBuilder] = {}
        self._sent: list[asyncio.Future[object]] = []
        # A Kafka client in any language puts a key into the same partition.
        self.partition = lru_cache(KNOWN_KEYS)(lambda key: DefaultPartitioner()(key, partitions, partitions))

    async def put(
        self, partition: int, *, key: bytes | None, value: bytes, headers: Iterable[tuple[str, bytes]]
    ) -> None:
        """Put one record into the open batch; send the batch when it is full."""
        batch = self._open.get(partition)
        if batch is not None and batch.append(timestamp=None, key=key, value=value, headers=headers) is not None:
            return
        if batch is not None:
            await self._hand_over(partition, batch=batch)
        batch = self._open[partition] = self._producer.create_batch()
        batch.append(timestamp=None, key=key, value=value, headers=headers)

    async def acknowledged(self) -> None:
        """Send what is open, and return when the broker has everything.

        Raises:
            KafkaError: it refused something.
            TimeoutError: it does not say.
        """
        for partition, batch in self._open.items():
            await self._hand_over(partition, batch=batch)
        self._open.clear()
        sent, self._sent = self._sent, []
        if not sent:
            return
        _, waiting = await asyncio.wait(sent, timeout=ACKNOWLEDGE_TIMEOUT_S)
        faults = [future.exception() for future in sent if future not in waiting]
        for fault in faults:
            if fault is not None:
                raise fault
        if waiting:
            raise TimeoutError

    async def _hand_over(self, partition: int, *, batch: BatchBuilder) -> None:
        batch.close()
        async with asyncio.timeout(ACKNOWLEDGE_TIMEOUT_S):
            self._sent.append(await self._producer.send_batch(batch, self._topic, partition=partition))


async def _discard(producer: AIOKafkaProducer) -> None:
    """Let a producer go, whatever state its broker left it in."""
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await producer.stop()
    except (TimeoutError, KafkaError, OSError):
        # stop() waits for a broker that is away, and leaves its task running when it is interrupted.
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await producer._sender.close()  # noqa: SLF001 -- the only way to end that task
                await producer.client.close()
        except (TimeoutError, KafkaError, OSError):
            pass
