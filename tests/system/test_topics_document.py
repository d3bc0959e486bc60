"""Every record of every topic, as a real broker gives it back, is what the document of the topics says."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from collector.brokers import Connection
from collector.kafka import Delivery, DeliveryHooks
from collector.spool import Spool
from collector.topics import DEAD_LETTERS, FLOWS, TOPICS
from rules.case_keys import CaseKey
from rules.sealed_days import MARK, open_value
from rules.store import Store
from tests.contracts.topic_document import TopicDocument
from tests.parts.broker import KafkaBroker
from tests.parts.patience import PATIENCE_S
from tests.parts.program import Program
from tests.system.product import command, copy_district, schoolgate

pytestmark = pytest.mark.kafka

# Less than the sample day in events, twice over.
ROOM = 1 << 19
BROKEN = b'{"v":1,"id'
RARE = {
    "Lost", "LostContacts", "FindingsOver", "TakenOver", "ClosedDay", "ContactsOver", "ContactsEnd", "ClosedContacts",
    "LeftContacts", "Spent", "GatheredEdges", "ClosedEdges",
}  # fmt: skip
"""Records that take millions of findings or contacts to come about, or three days' time."""


@pytest.fixture
def district(tmp_path: Path, mortal_broker: KafkaBroker) -> Path:
    """The sample district on a broker of its own, with the topics that `kafka setup` makes."""
    folder = copy_district(tmp_path / "district")
    with (folder / "config.yaml").open("a", encoding="utf-8") as config:
        config.write(f"spool: {{path: spool.db}}\nkafka: {{bootstrap: [{mortal_broker.bootstrap}]}}\n")
    made = schoolgate("kafka", "setup", "--config", folder / "config.yaml")
    assert made.returncode == 0, made.stderr
    return folder


async def read_all(bootstrap: str, topic: str) -> AsyncIterator[Any]:
    """Yield every committed record of a topic."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False,
        isolation_level="read_committed",
    )  # fmt: skip
    await consumer.start()
    try:
        while batches := await consumer.getmany(timeout_ms=1500):
            for messages in batches.values():
                for message in messages:
                    yield message
    finally:
        await consumer.stop()


async def deliver_from_a_full_spool(bootstrap: str, *, folder: Path) -> None:
    """Send what is left of more events than a spool can hold, until no octet of them is left in its open files."""
    to = Connection(bootstrap=(bootstrap,), user=None, client={})
    hooks = DeliveryHooks(say=lambda _line: None, delivered=lambda _events: None)
    with Spool(folder / "full.db", max_bytes=ROOM, origin=1) as spool:
        lines = [line async for line in flow_lines(bootstrap)]
        at_ns = 1_760_000_000_000_000_000
        for _ in range(2 * ROOM // sum(map(len, lines)) + 1):
            spool.append([(json.loads(line)["device"].encode(), line) for line in lines], through_ns=at_ns)
        assert spool.dropped_events
        delivery = Delivery(spool, to=to, collector="full-tap", hooks=hooks)
        delivering, log = asyncio.create_task(delivery.run()), folder / "full.db-wal"
        async with asyncio.timeout(PATIENCE_S):
            while spool.rows or log.stat().st_size:  # noqa: ASYNC110 -- a file tells nobody that it changed
                await asyncio.sleep(0.02)
        delivery.finish()
        await delivering


async def flow_lines(bootstrap: str) -> AsyncIterator[bytes]:
    async for message in read_all(bootstrap, FLOWS):
        if message.key is not None:
            yield message.value


async def send_something_broken(bootstrap: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(FLOWS, BROKEN, key=b"d9")
    finally:
        await producer.stop()


class OpenedState:
    """Opens what the state topics hold of open days.

    Args:
        store: where its keys lie.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: dict[str, CaseKey] = {}

    def value_of(self, message: Any) -> bytes:
        """Return the value of a record, opened where it is sealed."""
        octets: bytes = message.value
        task = f"{message.topic}/{message.partition}"
        if not octets.startswith(MARK):
            return octets
        text = open_value(octets, task=task, keys=self._keys)
        if text is None:
            self._keys |= {key.case_id: key for key in self._store.keys_of_task(task)}
            text = open_value(octets, task=task, keys=self._keys)
        assert text is not None, message.key
        return text


async def until_every_kind_is_there(
    bootstrap: str, *, document: TopicDocument, state: OpenedState
) -> dict[str, set[str]]:
    """Return topic -> names of the messages that lie there; fail at the first record that is none of them."""
    wanted = {name for told in document.told["channels"].values() for name in told["messages"]} - RARE
    found: dict[str, set[str]] = defaultdict(set)
    consumer = AIOKafkaConsumer(
        *(each.name for each in TOPICS), bootstrap_servers=bootstrap, auto_offset_reset="earliest",
        enable_auto_commit=False, isolation_level="read_committed",
    )  # fmt: skip
    await consumer.start()
    deadline = time.monotonic() + PATIENCE_S
    try:
        while missing := wanted - {name for kinds in found.values() for name in kinds}:
            assert time.monotonic() < deadline, missing
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                for message in batch:
                    found[message.topic] |= kind_of(message, document=document, state=state)
    finally:
        await consumer.stop()
    return found


def kind_of(message: Any, *, document: TopicDocument, state: OpenedState) -> set[str]:
    """Return the name of the message that a record is, none for the broken one that we sent, and for a tombstone."""
    headers = dict(message.headers)
    if message.value is None:
        # What is to be forgotten says nothing.
        return set()
    if not headers and message.value == BROKEN:
        return set()
    return {document.check(state.value_of(message), topic=message.topic, key=message.key, headers=headers)}


def test_every_record_of_every_topic_is_one_that_the_document_describes(
    district: Path, mortal_broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.kafka.WIPE_EVERY_S", 0.1)
    config, bootstrap = district / "config.yaml", mortal_broker.bootstrap
    published = schoolgate("agreements", "publish", "--config", config)
    assert published.returncode == 0, published.stderr
    collected = schoolgate("collect", "--config", config)
    assert collected.returncode == 0, collected.stderr
    asyncio.run(deliver_from_a_full_spool(bootstrap, folder=district))
    asyncio.run(send_something_broken(bootstrap))
    judge = Program(command("judge", "--config", config), log=district / "judge.log")
    store = Store(f"sqlite:///{district / 'cases.db'}")
    state = OpenedState(store)
    try:
        found = asyncio.run(until_every_kind_is_there(bootstrap, document=TopicDocument(), state=state))
    finally:
        judge.stop(limit_s=PATIENCE_S)
        store.close()
    assert found[DEAD_LETTERS] == {"DeadLetter"}
