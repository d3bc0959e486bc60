"""A stage in a consumer group: takes the partitions that it is given, and gives them back without losing a record.

Nothing is restored inside the callbacks of a rebalance, for no heartbeat is sent there: they only note what changed,
and the loop opens what is missing. A partition stays paused until its task is open.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from rules.closing import CLOSE_TIMEOUT_S
from rules.consumer import Consumer
from rules.errors import StoreError
from rules.partition_task import START_TIMEOUT_S, PartitionTask
from rules.patience import at_most
from rules.spent_records import SpentRecords

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from rules.partition_task import Duty
    from rules.records import Record
    from rules.rulebook import Rulebook

SESSION_TIMEOUT_MS = 10_000
HEARTBEAT_MS = 1_000
# How long a rebalance waits for a member that is in the middle of a transaction.
REBALANCE_TIMEOUT_MS = 60_000
# As long as five members, one after the other, that are in the middle of a transaction.
JOIN_TIMEOUT_S = 5 * REBALANCE_TIMEOUT_MS / 1000
POLL_MS = 200
# What a process holds of records that it has not judged yet, for each partition and together (compressed).
MAX_PARTITION_OCTETS = 1 << 20
MAX_FETCH_OCTETS = 16 << 20
# Partitions restored at a time: each may read and decode a million sums.
MAX_OPENINGS = 3
# What the batch in hand may take once somebody asked to stop; a transaction takes well under a second.
FINISH_TIMEOUT_S = 5.0
RENEW_EVERY_S = 3_600.0
# Records of one portion: a transaction costs half a millisecond by itself, and judging so many a fifth of a second.
MAX_RECORDS = 5_000

# Somebody else has the partition. If the group still says in a session's time that it is ours, it is.
AFTER_FENCE_S = SESSION_TIMEOUT_MS / 1000 + 1
AFTER_ERROR_S = 1.0
# A right may be missing for a moment while somebody sets rights up; after so many times in a row it is missing.
REFUSALS = 5
_REFUSED = (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Who takes part in a group."""

    client: Mapping[str, Any] = field(repr=False)
    """How aiokafka's clients reach the broker."""
    name: str
    """Name for people."""
    instance: str | None
    """Static membership: the same after a restart, which then costs no rebalance. None: any member."""
    say: Callable[[str], None]
    """Shows one line to a person."""
    refusal: Callable[[], Awaitable[str | None]] | None = None
    """Asked when a client cannot connect: why the broker does not let us in; it returns None where it does, or is away.
    None: nobody can say."""


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
        self._refusals: Counter[int] = Counter()
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(MAX_OPENINGS)
        self._closing: set[asyncio.Task[None]] = set()
        self._aside: asyncio.Task[None] | None = None
        self._spent = SpentRecords(duty.input, client=member.client, say=member.say, undeleted=duty.undeleted)
        self._rulebook: Rulebook | None = None
        self._newest: Rulebook | None = None
        self._renewed = float("-inf")
        self.behind = 0
        """Records that waited in our open partitions when they were last looked at."""
        self._consumer = Consumer(
            **member.client,
            group_id=duty.group,
            group_instance_id=member.instance,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            max_partition_fetch_bytes=MAX_PARTITION_OCTETS,
            fetch_max_bytes=MAX_FETCH_OCTETS,
        )

    @property
    def watermark(self) -> datetime | None:
        """Event time that every collector at work has passed in all our partitions, None: none is at work."""
        told = (task.watermark for task in tuple(self._tasks.values()))
        return min((each for each in told if each is not None), default=None)

    def use(self, rulebook: Rulebook) -> None:
        """Go on under another rulebook, from the next batch on."""
        self._rulebook = self._newest = rulebook

    async def run(self, stop: asyncio.Event) -> None:
        """Judge until *stop* is set; then finish the batch in hand, as far as the broker lets us, and leave.

        Raises:
            KafkaError: the broker does not let us in, or has refused one partition five times in a row.
        """
        work, asked = asyncio.create_task(self._work(stop)), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
            # A broker that is away would hold up the batch in hand; its transaction is then left to the next opening.
            await asyncio.wait({work}, timeout=FINISH_TIMEOUT_S)
        finally:
            asked.cancel()
            work.cancel()
            await asyncio.wait({work}, timeout=CLOSE_TIMEOUT_S)
            await self._leave()
        if work.done() and not work.cancelled():
            work.result()

    async def _work(self, stop: asyncio.Event) -> None:
        async with at_most(START_TIMEOUT_S, awaited="an answer of the broker"):
            await self._consumer.start()
        await self._join()
        while not stop.is_set():
            self._open_missing()
            batches = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
            async with self._lock:
                await self._change_rulebook()
                await asyncio.gather(*(self._process(where.partition, m) for where, m in batches.items()))
                await self._renew()
                self._work_aside()
                await self._tell()
                self._spent.go()
                self.behind = await self._waiting()

    async def _join(self) -> None:
        """Become a member of the group.

        Raises:
            TimeoutError: the group has not come to rest for minutes; it may as well try anew.
        """
        self._consumer.subscribe([self._duty.input], listener=self)
        # Each member that comes, goes, or is slow makes all others wait again.
        share = f"a share in group {self._duty.group}, whose members do not come to rest"
        async with at_most(JOIN_TIMEOUT_S, awaited=share):
            # It returns as soon as there is an assignment; what is assigned is paused.
            await self._consumer.getmany(timeout_ms=0)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002 -- all of them
        """Finish the batch in hand and let every partition go."""
        async with self._lock:
            self._wanted = frozenset()
            self._generation += 1
            self._abandon_openings()
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

    def _open_missing(self) -> None:
        """Begin to open what is ours and not open; what is open goes on being judged meanwhile.

        Raises:
            KafkaError: the broker has refused one partition five times in a row.
        """
        for partition, opening in tuple(self._opening.items()):
            if opening.done():
                del self._opening[partition]
                opening.result()
        now = asyncio.get_running_loop().time()
        for partition in self._wanted - self._tasks.keys() - self._opening.keys():
            if self._not_before.get(partition, 0) <= now:
                opening = asyncio.create_task(self._open(partition, generation=self._generation))
                opening.add_done_callback(_look_at)
                self._opening[partition] = opening

    async def _open(self, partition: int, *, generation: int) -> None:
        async with self._room:
            task = PartitionTask(partition, duty=self._duty, client=self._member.client, name=self._member.name)
            rulebook = self._newest
            try:
                offset = await task.open(committed=self._committed)
                async with self._lock:
                    await self._begin(task, offset=offset, generation=generation, rulebook=rulebook)
            except asyncio.CancelledError:
                if self._tasks.get(partition) is not task:
                    self._close(task)
                raise
            except (KafkaError, TimeoutError, OSError, StoreError) as error:
                self._later(partition, error=error)
                self._close(task)
                await self._count_refusal(partition, error=error)

    async def _begin(self, task: PartitionTask, *, offset: int, generation: int, rulebook: Rulebook | None) -> None:
        """Let records come to a task that is open, unless its partition has gone meanwhile."""
        place = TopicPartition(self._duty.input, task.partition)
        if generation != self._generation or place not in self._consumer.assignment():
            self._close(task)
            return
        self._tasks[task.partition] = task
        self._spent.note(task.partition, before=task.spent())
        self._consumer.seek(place, offset)
        self._consumer.resume(place)
        if self._newest is not None and self._newest is not rulebook:
            # It changed while the task was made by the one before.
            task.use(self._newest)
            await self._process(task.partition, ())

    def _abandon_openings(self) -> None:
        for opening in self._opening.values():
            opening.cancel()
        self._opening.clear()

    async def _committed(self, place: TopicPartition) -> int:
        """Return the offset that was committed last, or that of the first record there is."""
        offset: int | None = await self._consumer.committed(place)
        if offset is None:
            offset = (await self._consumer.beginning_offsets([place]))[place]
        return offset

    async def _process(self, partition: int, records: Sequence[Record]) -> None:
        task = self._tasks.get(partition)
        if task is None:
            return
        try:
            await task.process(records)
        except (KafkaError, TimeoutError, OSError, StoreError) as error:
            self._later(partition, error=error)
            self._drop(partition)
            await self._count_refusal(partition, error=error)
        else:
            self._spent.note(partition, before=task.spent())
            if records:
                self._refusals.pop(partition, None)

    async def _renew(self) -> None:
        """Let the tasks write down again what would be forgotten, where no record comes for days, each hour."""
        now = asyncio.get_running_loop().time()
        if now - self._renewed < RENEW_EVERY_S:
            return
        self._renewed = now
        self._spent.again()
        for partition, task in tuple(self._tasks.items()):
            task.passed(datetime.now(UTC))
            await self._process(partition, ())

    def _work_aside(self) -> None:
        """Begin what one of the tasks has to do that takes long; only one at a time, so that judging goes on.

        A task that is dropped meanwhile has no use for what comes out. What fails in there is a fault of ours.
        """
        if self._aside is not None:
            if not self._aside.done():
                return
            self._aside.result()
            self._aside = None
        for task in self._tasks.values():
            work = task.work()
            if work is not None:
                self._aside = asyncio.create_task(task.do(work))
                return

    async def _tell(self) -> None:
        """Let the tasks tell what they held back, where no record comes."""
        for partition in tuple(partition for partition, task in self._tasks.items() if task.waits):
            await self._process(partition, ())

    async def _waiting(self) -> int:
        """Return how many records lie ahead of us, as far as the broker told with its last answer."""
        waiting = 0
        for place in (TopicPartition(self._duty.input, partition) for partition in self._tasks):
            highest = self._consumer.highwater(place) if place in self._consumer.assignment() else None
            if highest is not None:
                waiting += highest - await self._consumer.position(place)
        return waiting

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

    async def _count_refusal(self, partition: int, *, error: Exception) -> None:
        """Raise what the broker refuses, once it has done so often enough: waiting any longer would be no use."""
        if isinstance(error, KafkaConnectionError) and self._member.refusal is not None:
            reason = await self._member.refusal()
            error = AuthenticationFailedError(reason) if reason else error
        if not isinstance(error, _REFUSED):
            return
        self._refusals[partition] += 1
        if self._refusals[partition] >= REFUSALS:
            raise error

    def _drop(self, partition: int) -> None:
        task = self._tasks.pop(partition)
        self._spent.forget(partition)
        place = TopicPartition(self._duty.input, partition)
        if place in self._consumer.assignment():
            self._consumer.pause(place)
        self._close(task)

    def _close(self, task: PartitionTask) -> None:
        closing = asyncio.create_task(task.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _leave(self) -> None:
        """Let go of everything, within seconds whatever the broker does. A static member stays in its group."""
        self._abandon_openings()
        if self._aside is not None:
            self._aside.cancel()
        for partition in tuple(self._tasks):
            self._drop(partition)
        # Cancelled openings hand over what they hold at their next step.
        await asyncio.sleep(0)
        closing = {*self._closing, asyncio.create_task(self._spent.leave())}
        closing.add(asyncio.create_task(self._consumer.leave()))
        await asyncio.wait(closing, timeout=2 * CLOSE_TIMEOUT_S)


def _look_at(opening: asyncio.Task[None]) -> None:
    """Take note of how an opening ended, so that one that nobody waits for any more is not complained of."""
    if not opening.cancelled():
        opening.exception()
