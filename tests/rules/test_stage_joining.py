"""How a stage joins its group and opens partitions: how long it waits, and what it does not go on from."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CorruptRecordException, UnknownTopicOrPartitionError

import rules.kafka
from collector.encoding import encode
from rules.checks.example import event
from rules.days import KEPT
from rules.judged_portion import JudgedPortion
from rules.kafka import Member, Stage
from rules.partition_task import Duty, PartitionTask
from rules.records import Record
from rules.rehearsal import world
from rules.sealed_days import MARK, SealedDays, open_value
from rules.stage_one import StageOne
from rules.state_days import engine_day
from tests.parts.broker import Broker
from tests.parts.case_keys import MemoryKeys, a_ring
from tests.parts.patience import PATIENCE_S
from tests.parts.program import Program
from tests.parts.record_batch import CODECS, GZIP, Batch, produce, record

pytestmark = pytest.mark.kafka

BOOK = world({}).rulebook
KEYS = MemoryKeys()
NOON = datetime(2026, 10, 14, 18, tzinfo=UTC)
PARTITIONS = 4
# The broker gives a member that stands still this long, and everybody else in the group waits with it.
STANDS_STILL_S = 12
OTHER_MEMBER = f"""
import asyncio, sys
from aiokafka import AIOKafkaConsumer

async def join(bootstrap, topic):
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=topic, session_timeout_ms={STANDS_STILL_S * 1000}
    )
    await consumer.start()
    print("joined", flush=True)
    await asyncio.sleep({PATIENCE_S})

asyncio.run(join(*sys.argv[1:]))
"""


async def make(broker: Broker, *topics: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(each, num_partitions=PARTITIONS, replication_factor=1) for each in topics])
    await admin.close()


@pytest.fixture
async def topic(broker: Broker) -> str:
    """A topic of this test, with another for the state of those who read it; their group is called like it."""
    name = f"joined-{uuid.uuid4().hex[:8]}"
    await make(broker, name, f"{name}-state")
    return name


@pytest.fixture
async def waited_for(broker: Broker, topic: str, tmp_path: Path) -> AsyncIterator[str]:
    """The topic, in whose group a member stands still."""
    log = tmp_path / "other.log"
    other = Program([sys.executable, "-c", OTHER_MEMBER, broker.bootstrap, topic], log=log)
    deadline = time.monotonic() + PATIENCE_S
    while "joined" not in log.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
        await asyncio.sleep(0.05)
    other.pause()
    yield topic
    other.kill()


class Dated(StageOne):
    """Stage one, and what it learned of the date before each portion."""

    portions: list[datetime | None]

    def passed(self, at: datetime) -> None:
        self.known = at
        super().passed(at)

    def take(self, records: Iterable[Record]) -> JudgedPortion:
        self.portions.append(getattr(self, "known", None))
        return super().take(records)


def duty(topic: str, *, portions: list[datetime | None] | None = None) -> Duty:
    """Return the work of stage one, with these topics."""

    def core(partition: int, state: Mapping[bytes, bytes]) -> StageOne:
        made = Dated(
            partition=partition, topic=topic, rulebook=BOOK, state=state, make_key=lambda: bytes(32), keys=a_ring()
        )
        made.portions = [] if portions is None else portions
        return made

    async def nothing(_told: Any) -> None: ...

    return Duty(
        input=topic, state=f"{topic}-state", group=topic, outputs={"findings": topic}, transactional_id=topic,
        days=lambda partition: SealedDays(f"{topic}/{partition}", keys=KEYS, day_of=engine_day), core=core,
        opened=nothing, committed=nothing, undeleted=lambda: None,
    )  # fmt: skip


def stage(broker: Broker, topic: str, *, told: list[str]) -> Stage:
    client = {"bootstrap_servers": [broker.bootstrap]}
    return Stage(duty(topic), member=Member(client=client, name="test", instance=None, say=told.append))


async def first_offset(_place: object) -> int:
    """Return what a group says that committed nothing."""
    return 0


@asynccontextmanager
async def at_work(broker: Broker, topic: str) -> AsyncIterator[PartitionTask]:
    """Give the task of partition 0, open."""
    client = {"bootstrap_servers": [broker.bootstrap]}
    task = PartitionTask(0, duty=duty(topic), client=client, name="test")
    try:
        async with asyncio.timeout(PATIENCE_S):
            await task.open(committed=first_offset)
            yield task
    finally:
        await task.close()


async def written(broker: Broker, topic: str) -> list[tuple[bytes, bytes]]:
    """Return key and value of everything that partition 0 of a topic holds."""
    place, found = TopicPartition(topic, 0), list[tuple[bytes, bytes]]()
    async with asyncio.timeout(PATIENCE_S), AIOKafkaConsumer(bootstrap_servers=broker.bootstrap) as reader:
        reader.assign([place])
        await reader.seek_to_beginning(place)
        end = (await reader.end_offsets([place]))[place]
        while await reader.position(place) < end:
            found += [(each.key, each.value or b"") for each in (await reader.getmany(timeout_ms=200)).get(place, [])]
    return found


async def opened(broker: Broker, topic: str, *, partition: int, portions: list[datetime | None] | None = None) -> int:
    """Open the task of a partition, and return the offset that it would go on from."""

    async def committed(_place: object) -> int:
        return 7

    client = {"bootstrap_servers": [broker.bootstrap]}
    opening = PartitionTask(partition, duty=duty(topic, portions=portions), client=client, name="test")
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await opening.open(committed=committed)
    finally:
        await opening.close()


async def test_a_group_that_makes_everybody_wait_longer_than_a_broker_may_take_is_joined(
    broker: Broker, waited_for: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules.kafka, "START_TIMEOUT_S", STANDS_STILL_S / 2)
    told: list[str] = []
    stop = asyncio.Event()
    running = asyncio.create_task(stage(broker, waited_for, told=told).run(stop))
    # As long as it may take by its own word, and what it was told of if it took longer.
    deadline = time.monotonic() + rules.kafka.JOIN_TIMEOUT_S + PATIENCE_S
    while not any("partitions [0, " in line for line in told):
        assert not running.done(), running.exception()
        assert time.monotonic() < deadline, (told, running.get_stack())
        await asyncio.sleep(0.05)
    stop.set()
    await running


async def test_a_task_knows_the_date_before_its_first_portion(broker: Broker, topic: str) -> None:
    """Else what lies in its state would be dated, and let go, only when the stage next looks at the clock."""
    began, portions = datetime.now(UTC), list[datetime | None]()
    await opened(broker, topic, partition=0, portions=portions)
    assert len(portions) == 1
    assert portions[0] is not None
    assert began <= portions[0] <= datetime.now(UTC)


async def test_a_state_topic_holds_nothing_of_a_day_that_is_over_that_any_key_left_would_open(
    broker: Broker, topic: str
) -> None:
    place, task = f"{topic}-state", f"{topic}/0"
    began = Record(key=b"d1", value=encode(event({"device": "d1"}, number=1)), partition=0, offset=0, at=NOON)
    async with at_work(broker, topic) as first:
        await first.process([began])
    keys = {key.case_id: key for key in KEYS.keys_of_task(task)}
    held = [value for _key, value in await written(broker, place) if value.startswith(MARK)]
    assert len([value for value in held if open_value(value, task=task, keys=keys)]) == len(held) > 2
    # The heir goes on with the day, and ends it: by then nothing of it was compacted.
    gap = {"kind": b"gap", "collector": b"tap"}
    later = Record(key=None, value=b"{}", headers=gap, partition=0, offset=1, at=NOON + 2 * KEPT)
    async with at_work(broker, topic) as heir:
        assert KEYS.keys_of_task(task) == [*keys.values()] != []
        await heir.process([later])
    assert KEYS.keys_of_task(task) == []
    left = {key.case_id: key for key in KEYS.live_keys()}
    lying = await written(broker, place)
    assert {value for _key, value in lying} >= {*held}
    assert [key for key, value in lying if open_value(value, task=task, keys=left) is not None] == []
    assert {key for key, value in lying if value and not value.startswith(MARK)} >= {b"barrier", b"coverage"}


async def test_a_group_that_does_not_come_to_rest_is_named(
    broker: Broker, waited_for: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules.kafka, "JOIN_TIMEOUT_S", 1.5)
    with pytest.raises(TimeoutError, match=rf"waited 1\.5 s for a share in group {waited_for}, whose members do not"):
        await stage(broker, waited_for, told=[]).run(asyncio.Event())


async def test_a_partition_that_is_not_there_any_more_is_an_error_of_kafkas_and_ends_nobody(
    broker: Broker, topic: str
) -> None:
    # A static member that comes back is given what it had before the topics were made anew (KIP-345).
    with pytest.raises(UnknownTopicOrPartitionError, match=f"no partition {PARTITIONS} of {topic}-state"):
        await opened(broker, topic, partition=PARTITIONS)
    assert await opened(broker, topic, partition=PARTITIONS - 1) == 7


async def test_a_state_of_which_a_part_cannot_be_read_is_not_gone_on_from(broker: Broker, topic: str) -> None:
    told = record((b"coverage", b"{}", []), delta=0)
    packed = CODECS[GZIP](told) + b"something else"
    octets = Batch(base=0, records=told, count=1, last=0, attributes=GZIP, packed=packed).octets()
    state = f"{topic}-state"
    assert await asyncio.to_thread(produce, octets, bootstrap=broker.bootstrap, topic=state, partition=0) == 0
    with pytest.raises(CorruptRecordException, match=f"a batch of {state}, up to 0, is unreadable"):
        await opened(broker, topic, partition=0)
