"""What a stage has judged of a day that is over goes from its input, and a broker that refuses hinders nobody."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from collector.brokers import Connection
from collector.cluster import cluster
from collector.encoding import encode
from collector.events import FlowEvent
from rules.checks.example import event
from rules.judged_portion import JudgedPortion
from rules.kafka import Member, Stage
from rules.partition_task import Core, Duty
from rules.rehearsal import world
from rules.sealed_days import SealedDays
from rules.spent_records import SpentRecords
from rules.stage_one import StageOne
from rules.state_days import engine_day
from tests.parts.broker import Broker, NoidaBroker
from tests.parts.case_keys import MemoryKeys, a_ring
from tests.parts.patience import PATIENCE_S
from tests.parts.ports import free_ports

pytestmark = pytest.mark.kafka

BOOK = world({"use_gate": {"status": "paused"}}).rulebook
PARTITIONS = 2
# Wednesday, and two hours after its midnight in the world's zone.
NOON, NIGHT = datetime(2026, 10, 14, 18, 0, tzinfo=UTC), datetime(2026, 10, 15, 7, 0, tzinfo=UTC)


def flow(number: int) -> FlowEvent:
    return event({"device": f"d{number}"}, number=number)


class Judging:
    """Stage one over a topic of this test, and what came of it.

    Args:
        topic: its input; the others are called like it.
        bootstrap: the broker.
    """

    def __init__(self, topic: str, *, bootstrap: str) -> None:
        self.topic = topic
        self.bootstrap = bootstrap
        self.said: list[str] = []
        self.undeleted = 0
        self.flows = self.repeats = 0
        self._keys = count(1)
        self._store = MemoryKeys()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Judge meanwhile."""
        stop = asyncio.Event()
        member = Member(
            client={"bootstrap_servers": [self.bootstrap]}, name="test", instance=None, say=self.said.append
        )
        running = asyncio.create_task(Stage(self._duty(), member=member).run(stop))
        try:
            yield
        finally:
            stop.set()
            await running

    def _duty(self) -> Duty:
        def core(partition: int, state: Mapping[bytes, bytes]) -> StageOne:
            return StageOne(
                partition=partition, topic=self.topic, rulebook=BOOK, state=state, make_key=self._new_key, keys=a_ring()
            )

        async def opened(_core: Core) -> None: ...

        async def committed(portion: JudgedPortion) -> None:
            self.flows += sum(portion.coverage.by_verdict.values())
            self.repeats += portion.repeats

        return Duty(
            input=self.topic, state=f"{self.topic}-state", group=self.topic, transactional_id=self.topic, core=core,
            outputs={"findings": f"{self.topic}-findings"}, opened=opened, committed=committed,
            days=lambda partition: SealedDays(f"{self.topic}/{partition}", keys=self._store, day_of=engine_day),
            undeleted=self._count_undeleted,
        )  # fmt: skip

    def _new_key(self) -> bytes:
        return next(self._keys).to_bytes(32, "big")

    def _count_undeleted(self) -> None:
        self.undeleted += 1

    async def make(self) -> None:
        """Make the topics; a record of the input has the time that its writer says."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        settings = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
        others = [NewTopic(f"{self.topic}-{each}", PARTITIONS, 1) for each in ("state", "findings")]
        await admin.create_topics([NewTopic(self.topic, PARTITIONS, 1, topic_configs=settings), *others])
        await admin.close()

    async def clean_up_by(self, policy: str) -> None:
        """Set the policy of the input: from a topic that it compacts a broker deletes nothing when it is asked."""
        async with cluster(Connection(bootstrap=(self.bootstrap,), user=None, client={})) as there:
            await there.view([self.topic])
            await there.set(self.topic, settings={"cleanup.policy": policy})

    async def send(self, numbers: Iterable[int], *, at: datetime) -> None:
        """Write flows as a collector does, as taken by the broker at a time, and how far it has come."""
        told = json.dumps({"collector": "east", "through": at.isoformat()}).encode()
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            for number in numbers:
                headers = [("collector", b"east"), ("seq", b"%d" % number)]
                one, stamp = flow(number), int(at.timestamp() * 1000)
                await producer.send(
                    self.topic, encode(one), key=(one.device or "").encode(), partition=number % PARTITIONS,
                    headers=headers, timestamp_ms=stamp,
                )  # fmt: skip
            for number in range(PARTITIONS):
                stamp = int(at.timestamp() * 1000)
                headers = [("kind", b"watermark")]
                await producer.send(self.topic, told, partition=number, headers=headers, timestamp_ms=stamp)
            await producer.flush()

    async def span(self) -> list[tuple[int, int]]:
        """Return where each partition of the input begins and ends."""
        async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap) as reader:
            places = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
            begins, ends = await reader.beginning_offsets(places), await reader.end_offsets(places)
        return [(begins[place], ends[place]) for place in places]


@pytest.fixture
async def judging(broker: Broker) -> Judging:
    if isinstance(broker, NoidaBroker):
        pytest.skip(f"{broker.name} deletes no records")
    made = Judging(f"spent-{uuid.uuid4().hex[:8]}", bootstrap=broker.bootstrap)
    await made.make()
    return made


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 -- a broker calls nobody
            await asyncio.sleep(0.02)


async def test_what_was_judged_of_a_lived_day_is_deleted_also_by_the_heir_of_one_that_was_refused(
    judging: Judging,
) -> None:
    await judging.send(range(6), at=NOON)
    await judging.send((), at=NIGHT)
    lay = await judging.span()
    await judging.clean_up_by("compact")
    async with judging.at_work():
        await until(lambda: judging.undeleted == PARTITIONS)
    assert judging.flows == 6
    (line,) = [line for line in judging.said if "not deleted" in line]
    assert line.startswith(f"{judging.topic}: what was judged of days that are over is not deleted (")
    assert await judging.span() == lay

    await judging.clean_up_by("delete")
    async with judging.at_work():
        async with asyncio.timeout(PATIENCE_S):
            while await judging.span() != [(end, end) for _begin, end in lay]:  # noqa: ASYNC110 -- likewise
                await asyncio.sleep(0.1)
        # What is sent again is known, what comes late counts, and neither is deleted before a day ends with it.
        await judging.send([4, 5, 6, 7], at=NIGHT)
        await until(lambda: judging.flows == 8)
    assert judging.repeats == 2
    assert judging.undeleted == PARTITIONS
    assert [begin for begin, _end in await judging.span()] == [end for _begin, end in lay]


async def test_a_broker_that_is_away_is_told_of_once_and_asked_again() -> None:
    said, failed = list[str](), list[int]()
    client = {"bootstrap_servers": [f"127.0.0.1:{free_ports(1)[0]}"], "request_timeout_ms": 1_000}
    spent = SpentRecords("flows", client=client, say=said.append, undeleted=lambda: failed.append(1))
    spent.note(0, before=7)
    spent.note(1, before=None)
    for times in (1, 2):
        spent.go()
        await until(lambda: not spent.busy)
        assert len(failed) == times
        spent.again()
    assert len(said) == 1
    spent.forget(0)
    spent.go()
    assert not spent.busy
    await spent.leave()
