"""One input partition on Apache Kafka: opened behind a fence, judged in transactions, dropped at the first doubt.

Why one transactional id for each partition, and why this order of opening: a process that was stopped for longer than
its session still believes that it owns its partitions. Starting a producer of the same id fences it and ends its open
transaction; only then does the state topic, up to our own barrier, and after it the committed offset, tell the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    CoordinatorNotAvailableError,
    CorruptRecordException,
    UnknownTopicOrPartitionError,
)

from rules.batches import BATCH_OCTETS, Batches
from rules.closing import ended
from rules.consumer import Consumer
from rules.patience import at_most

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
    from datetime import date

    from rules.records import Portion, Record, Topic
    from rules.rulebook import Rulebook
    from rules.sealed_days import SealedDays, State

# A broker that is away leaves a client waiting without end; whatever takes longer than this is given up.
START_TIMEOUT_S = 20.0
TRANSACTION_TIMEOUT_S = 20.0
RESTORE_STALL_S = 20.0

# The broker aborts what a dead process left open after this, even when nobody takes its partition over.
BROKER_TRANSACTION_TIMEOUT_MS = 60_000

# Compressed; a state of a hundred thousand sums comes in two or three portions of this size.
RESTORE_FETCH_OCTETS = 4 << 20

BARRIER_KEY = b"barrier"
"""State key of the records that mark where a restore may stop; no task ever sees it."""
SPENT_KEY = b"spent"
"""State key of the offset at which a day ended last: what the input holds before it has done its work. Of the shell."""


class Core(Protocol):
    """What judges one partition's records, without any I/O."""

    def take(self, records: Sequence[Record]) -> Any:
        """Return the portion that *records* come to."""

    def committed(self, portion: Any) -> None:
        """The transaction of *portion* has been committed."""

    def use(self, rulebook: Rulebook) -> None:
        """Go on under another rulebook."""

    def passed(self, at: datetime) -> None:
        """Learn the machine's time."""

    def ran(self, seconds: float) -> None:
        """Learn the time on a clock that is never set."""

    def waits(self, at: float) -> bool:
        """Return whether a portion without records would bring something that was held back."""
        ...

    def work(self, at: float) -> Callable[[], Any] | None:
        """Return what is due, takes long, and may be done by another thread while records go on being taken."""
        ...

    def worked(self, result: Any) -> None:
        """Take what `work` came to."""

    @property
    def watermark(self) -> datetime | None:
        """Event time that every collector at work has passed, None: none is at work."""
        ...

    @property
    def open_days(self) -> Collection[date]:
        """The local days of whose devices anything is kept, by what is committed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What one stage does, whichever partitions it is given."""

    input: str
    """Topic that it reads."""
    state: str
    """Compacted topic of its state; partition for partition that of the input."""
    group: str
    """Consumer group."""
    outputs: Mapping[Topic, str]
    """Full name of each topic that it writes."""
    transactional_id: str
    """Beginning of its transactional ids; the partition follows."""
    days: Callable[[int], SealedDays]
    """Makes what seals the state of a partition."""
    core: Callable[[int, Mapping[bytes, bytes]], Core]
    """Makes the core of a partition from its state."""
    opened: Callable[[Core], Awaitable[None]]
    """Called when a partition was opened, before its first record."""
    committed: Callable[[Any], Awaitable[None]]
    """Called with each portion after its transaction."""
    undeleted: Callable[[], None]
    """Called when the broker did not delete records of the input that have done their work."""


class PartitionTask:
    """One partition of a stage.

    Args:
        partition: which.
        duty: what the stage does.
        client: how aiokafka's clients reach the broker.
        name: who we are, written into the barrier.
    """

    def __init__(self, partition: int, *, duty: Duty, client: Mapping[str, Any], name: str) -> None:
        self.partition = partition
        self._duty = duty
        self._client = dict(client)
        self._name = name
        self._producer = AIOKafkaProducer(
            **self._client,
            transactional_id=f"{duty.transactional_id}-{partition}",
            transaction_timeout_ms=BROKER_TRANSACTION_TIMEOUT_MS,
            max_batch_size=BATCH_OCTETS,
            compression_type="zstd",
        )
        self._core: Core | None = None
        self._position = 0
        self._spent: int | None = None
        self._days = duty.days(partition)
        self._has_closed = False

    async def open(self, *, committed: Callable[[TopicPartition], Awaitable[int]]) -> int:
        """Fence whoever had the partition, restore its state, and return the offset to go on from.

        Args:
            committed: asks the group for the offset that was committed last.

        Raises:
            KafkaError: the broker refused.
            StoreError: the store cannot be used.
            TimeoutError: it does not answer.
        """
        async with at_most(START_TIMEOUT_S, awaited="the producer to take the partition over"):
            with brokers_known():
                await self._producer.start()
            barrier = await self._write_barrier()
        state = await self._read_state(barrier)
        async with at_most(START_TIMEOUT_S, awaited="the committed offset"):
            with brokers_known():
                offset = self._position = await committed(TopicPartition(self._duty.input, self.partition))
        if spent := state.pop(SPENT_KEY, None):
            # The topic may have been made anew since.
            self._spent = min(int(spent), offset)
        # A million sums take seconds to decode; the heartbeats go on meanwhile.
        self._core = await asyncio.to_thread(self._made, state)
        await self._duty.opened(self._core)
        # Agreements may have changed, and days have gone by, while nobody had the partition.
        self._core.passed(datetime.now(UTC))
        await self.process(())
        return offset

    async def process(self, records: Sequence[Record]) -> None:
        """Judge one polled batch in one transaction.

        Raises:
            ProducerFenced: somebody else has the partition.
            KafkaError: the broker refused.
            StoreError: the store cannot be used.
            TimeoutError: it does not answer.
        """
        if self._core is None:
            raise RuntimeError("the task is not open")
        self._core.ran(asyncio.get_running_loop().time())
        portion = self._core.take(records)
        due = self._days.due(portion.state, open_days=self._core.open_days) if self._days.waits else portion.state
        state = await self._sealed(due)
        if records or portion.outputs or state:
            async with at_most(TRANSACTION_TIMEOUT_S, awaited="a transaction"):
                await self._write(portion, state=state, position=records[-1].offset + 1 if records else None)
        if records:
            self._position = records[-1].offset + 1
        if portion.ends_day:
            self._spent = self._position
        self._core.committed(portion)
        await self._duty.committed(portion)
        await self._close_days(state)

    def spent(self) -> int | None:
        """Return the committed offset at which a day has ended; None: none has since this was asked last."""
        spent, self._spent = self._spent, None
        return spent

    def use(self, rulebook: Rulebook) -> None:
        """Go on under another rulebook."""
        if self._core is not None:
            self._core.use(rulebook)

    def passed(self, at: datetime) -> None:
        """Learn the machine's time."""
        if self._core is not None:
            self._core.passed(at)

    @property
    def waits(self) -> bool:
        """Whether a portion without records would bring something that was held back."""
        if self._core is None:
            return False
        return self._days.waits or self._core.waits(asyncio.get_running_loop().time())

    def work(self) -> Callable[[], Any] | None:
        """Return what is due, takes long, and may be done beside the judging; None: nothing is."""
        return None if self._core is None else self._core.work(asyncio.get_running_loop().time())

    async def do(self, work: Callable[[], Any]) -> None:
        """Do what `work` named, in a thread, and keep what it comes to for the next portion."""
        result = await asyncio.to_thread(work)
        if self._core is not None:
            self._core.worked(result)

    @property
    def watermark(self) -> datetime | None:
        """Event time that every collector at work has passed, None: none is at work."""
        return self._core.watermark if self._core is not None else None

    async def close(self) -> None:
        """Let the producer go, whatever state the broker is in. An open transaction is left to the next opening."""
        if await ended(self._producer.stop()):
            return
        # stop() waits for what is on its way, which never ends while the broker is away.
        sender = getattr(self._producer, "_sender", None)
        if sender is not None and sender.sender_task is not None:
            sender.sender_task.cancel()
        await ended(self._producer.client.close())

    def _made(self, state: Mapping[bytes, bytes]) -> Core:
        return self._duty.core(self.partition, self._days.opened(state))

    async def _sealed(self, state: State) -> State:
        days = self._days.days_in(state)
        if self._days.lacks(days.values()):
            # Before the transaction: the store may let others go first for longer than that may take.
            await asyncio.to_thread(self._days.need, days.values())
        return self._days.sealed(state, days=days)

    async def _close_days(self, state: State) -> None:
        """Destroy the keys of days that are over, by what is committed; at first also what a judge that died left."""
        if self._core is None or (self._has_closed and None not in state.values()):
            return
        spent = self._days.spent(self._core.open_days)
        if spent:
            await asyncio.to_thread(self._days.destroy, spent)
        self._has_closed = True

    async def _write(self, portion: Portion, *, state: State, position: int | None) -> None:
        producer, duty = self._producer, self._duty
        await producer.begin_transaction()
        batches = Batches(producer)
        for out in portion.outputs:
            topic = duty.outputs[out.topic]
            await batches.put(topic, partition=out.partition, key=out.key, value=out.value, headers=out.headers)
        for key, value in state.items():
            await batches.put(duty.state, partition=self.partition, key=key, value=value)
        if portion.ends_day:
            spent = b"%d" % (self._position if position is None else position)
            await batches.put(duty.state, partition=self.partition, key=SPENT_KEY, value=spent)
        sent = await batches.sent()
        if position is not None:
            where = TopicPartition(duty.input, self.partition)
            await producer.send_offsets_to_transaction({where: position}, duty.group)
        await asyncio.gather(*sent)
        await producer.commit_transaction()

    async def _write_barrier(self) -> int:
        async with self._producer.transaction():
            with partition_known(self._duty.state, self.partition):
                written = await self._producer.send_and_wait(
                    self._duty.state, self._name.encode(), key=BARRIER_KEY, partition=self.partition
                )
        offset: int = written.offset
        return offset

    async def _read_state(self, barrier: int) -> dict[bytes, bytes]:
        where = TopicPartition(self._duty.state, self.partition)
        reader = Consumer(
            **self._client,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=RESTORE_FETCH_OCTETS,
        )
        state: dict[bytes, bytes] = {}
        try:
            async with at_most(START_TIMEOUT_S, awaited="the beginning of the state"):
                await reader.start()
                reader.assign([where])
                await reader.seek_to_beginning(where)
            reached = -1
            while reached < barrier:
                async with at_most(RESTORE_STALL_S, awaited="the next records of the state"):
                    records: list[Record] = []
                    while not records:
                        records = (await reader.getmany(where, timeout_ms=500)).get(where, [])
                for record in records:
                    if record.unreadable:
                        # Half a state is another state. Nobody but a judge may write here.
                        raise CorruptRecordException(f"a batch of {where.topic}, up to {record.offset}, is unreadable")
                    if record.key is None or record.key == BARRIER_KEY:
                        continue
                    if record.value is None:
                        state.pop(record.key, None)
                    else:
                        state[record.key] = record.value
                reached = records[-1].offset
        finally:
            await reader.leave()
        return state


@contextlib.contextmanager
def brokers_known() -> Iterator[None]:
    """Make a Kafka error of what aiokafka asserts when it looks for a coordinator and knows of no broker to ask.

    A broker that has just come back tells for a moment of no broker at all, not even of itself.

    Raises:
        CoordinatorNotAvailableError: instead of AssertionError.
    """
    try:
        yield
    except AssertionError as error:
        raise CoordinatorNotAvailableError("the broker tells of no broker yet") from error


@contextlib.contextmanager
def partition_known(topic: str, partition: int) -> Iterator[None]:
    """Make a Kafka error of what aiokafka asserts when it is to write to a partition that is not there.

    A static member that comes back is given what it had, also when the topics were made anew with fewer partitions
    meanwhile (KIP-345); the group hears of that a moment later.

    Raises:
        UnknownTopicOrPartitionError: instead of AssertionError.
    """
    try:
        yield
    except AssertionError as error:
        raise UnknownTopicOrPartitionError(f"the broker tells of no partition {partition} of {topic}") from error
