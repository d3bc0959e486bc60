"""A stage in a consumer group: takes the partitions that it is given, and gives them back without losing a record.

Nothing is restored inside the callbacks of a rebalance, for no heartbeat is sent there: they only note what changed,
and the loop opens what is missing. A partition stays paused until its task is open.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError, ProducerFenced

from rules.errors import StoreError
from rules.partition_task import CLOSE_TIMEOUT_S, START_TIMEOUT_S, PartitionTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rules.partition_task import Duty
    from rules.rulebook import Rulebook

SESSION_TIMEOUT_MS = 10_000
HEARTBEAT_MS = 1_000
# How long a rebalance waits for a member that is in the middle of a transaction.
REBALANCE_TIMEOUT_MS = 60_000
POLL_MS = 200
MAX_RECORDS = 2_000

# Somebody else has the partition. If the group still says in a session's time that it is ours, it is.
AFTER_FENCE_S = SESSION_TIMEOUT_MS / 1000 + 1
AFTER_ERROR_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Who takes part in a group."""

    client: Mapping[str, Any]
    """How aiokafka's clients reach the broker."""
    name: str
    """Name for people."""
    instance: str | None
    """Static membership: the same after a restart, which then costs no rebalance. None: any member."""
    say: Callable[[str], None]
    """Shows one line to a person."""


class Stage(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no hints here
    """One stage, as a member of its group.

    Args:
        duty: what it does.
        member: who we are.
    """

    def __init__(self, duty: Duty, *, member: Member) -> None:
        self._duty = duty
        self._member = member
        self._lock = asyncio.Lock()
        self._wanted: frozenset[int] = frozenset()
        self._generation = 0
        self._tasks: dict[int, PartitionTask] = {}
        self._not_before: dict[int, float] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._rulebook: Rulebook | None = None
        self._consumer = AIOKafkaConsumer(
            **member.client,
            group_id=duty.group,
            group_instance_id=member.instance,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
        )

    def use(self, rulebook: Rulebook) -> None:
        """Go on under another rulebook, from the next batch on."""
        self._rulebook = rulebook

    async def run(self, stop: asyncio.Event) -> None:
        """Judge until *stop* is set; then finish the batch in hand and leave.

        Raises:
            KafkaError: the broker does not let us in.
        """
        self._consumer.subscribe([self._duty.input], listener=self)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._consumer.start()
            while not stop.is_set():
                await self._open_missing()
                batches = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
                async with self._lock:
                    await self._change_rulebook()
                    await asyncio.gather(*(self._process(where.partition, m) for where, m in batches.items()))
        finally:
            await self._leave()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002 -- all of them
        """Finish the batch in hand and let every partition go."""
        async with self._lock:
            self._wanted = frozenset()
            self._generation += 1
            for partition in tuple(self._tasks):
                self._drop(partition)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Note what is ours; nothing is read of it before its task is open."""
        self._generation += 1
        self._not_before.clear()
        places = tuple(assigned)
        self._consumer.pause(*places)
        self._wanted = frozenset(place.partition for place in places)
        self._member.say(f"{self._duty.input}: partitions {sorted(self._wanted)}")

    async def _open_missing(self) -> None:
        now = asyncio.get_running_loop().time()
        missing = [p for p in self._wanted if p not in self._tasks and self._not_before.get(p, 0) <= now]
        await asyncio.gather(*(self._open(partition, generation=self._generation) for partition in missing))

    async def _open(self, partition: int, *, generation: int) -> None:
        task = PartitionTask(partition, duty=self._duty, client=self._member.client, name=self._member.name)
        try:
            offset = await task.open(committed=self._committed)
        except (KafkaError, TimeoutError, OSError, StoreError) as error:
            self._later(partition, error=error)
            self._close(task)
            return
        async with self._lock:
            place = TopicPartition(self._duty.input, partition)
            if generation != self._generation or place not in self._consumer.assignment():
                self._close(task)
                return
            self._tasks[partition] = task
            self._consumer.seek(place, offset)
            self._consumer.resume(place)

    async def _committed(self, place: TopicPartition) -> int:
        """Return the offset that was committed last, or that of the first record there is."""
        offset: int | None = await self._consumer.committed(place)
        if offset is None:
            offset = (await self._consumer.beginning_offsets([place]))[place]
        return offset

    async def _process(self, partition: int, messages: Sequence[Any]) -> None:
        task = self._tasks.get(partition)
        if task is None:
            return
        try:
            await task.process(messages)
        except (KafkaError, TimeoutError, OSError, StoreError) as error:
            self._later(partition, error=error)
            self._drop(partition)

    async def _change_rulebook(self) -> None:
        if self._rulebook is None:
            return
        rulebook, self._rulebook = self._rulebook, None
        for partition, task in tuple(self._tasks.items()):
            task.use(rulebook)
            await self._process(partition, ())

    def _later(self, partition: int, *, error: Exception) -> None:
        wait = AFTER_FENCE_S if isinstance(error, ProducerFenced) else AFTER_ERROR_S
        self._not_before[partition] = asyncio.get_running_loop().time() + wait
        told = "somebody else has it" if isinstance(error, ProducerFenced) else (str(error) or type(error).__name__)
        self._member.say(f"{self._duty.input} {partition}: {told}; dropped, opened again if it stays ours")

    def _drop(self, partition: int) -> None:
        task = self._tasks.pop(partition)
        place = TopicPartition(self._duty.input, partition)
        if place in self._consumer.assignment():
            self._consumer.pause(place)
        self._close(task)

    def _close(self, task: PartitionTask) -> None:
        closing = asyncio.create_task(task.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _leave(self) -> None:
        for partition in tuple(self._tasks):
            self._drop(partition)
        if self._closing:
            await asyncio.wait(self._closing, timeout=2 * CLOSE_TIMEOUT_S)
        with contextlib.suppress(KafkaError, TimeoutError, OSError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._consumer.stop()
