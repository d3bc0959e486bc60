"""Users of the secured broker: what they log in with, and what they try there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from collector.topics import PLACES
from tests.parts.patience import PATIENCE_S
from tests.parts.secure_broker import PASSWORD, Credentials, SecureBroker
from tests.parts.sockets import given_back
from tests.system.product import configure, schoolgate
from tests.system.topic_reader import events, records, with_kafka


def secured(broker: SecureBroker, *, district: Path, user: str, password: str = PASSWORD, sensor: str = "tap") -> Path:
    """Return a configuration that logs in as *user*."""
    return at(broker.bootstrap, broker=broker, district=district, user=user, password=password, sensor=sensor)


def at(
    address: str, *, broker: SecureBroker, district: Path, user: str, password: str = PASSWORD, sensor: str = "tap"
) -> Path:
    """Return a configuration that logs in as *user* at this door of the broker.

    All have one store, as judges of one broker do: in it are the keys of what they write there.
    """
    (district / "password").write_text(password + "\n", encoding="utf-8")
    kafka = (
        f'{{bootstrap: ["{address}"], security: {{protocol: SASL_SSL, mechanism: SCRAM-SHA-512, user: {user}, '
        f"password: {{file: password}}, ca: {broker.ca}}}}}"
    )
    path = with_kafka(configure(district), sensor=sensor, kafka=kafka)
    text = path.read_text(encoding="utf-8").replace("sqlite:///cases.db", f"sqlite:///{broker.folder}/cases.db")
    path.write_text(text, encoding="utf-8")
    return path


def as_administrator(broker: SecureBroker, *, district: Path) -> Path:
    """Return a configuration that logs in as the broker's administrator."""
    return secured(broker, district=district, user=broker.admin.user, password=broker.admin.password)


def login(broker: SecureBroker, user: str, *, password: str = PASSWORD) -> dict[str, Any]:
    """Return what aiokafka's clients need to log in as *user*."""
    return {"bootstrap_servers": broker.bootstrap, **broker.login(Credentials(user=user, password=password))}


def administrator(broker: SecureBroker) -> dict[str, Any]:
    """Return what aiokafka's clients need to log in as the broker's administrator."""
    return {"bootstrap_servers": broker.bootstrap, **broker.administration}


def done(attempt: Coroutine[Any, Any, Any]) -> Any:
    """Do something on a broker to its end."""

    async def whole() -> Any:
        try:
            return await asyncio.wait_for(attempt, PATIENCE_S)
        finally:
            await given_back()

    return asyncio.run(whole())


def refused(attempt: Coroutine[Any, Any, Any], *faults: type[Exception]) -> None:
    """Make sure that the broker refuses it, for one of these reasons."""
    with pytest.raises(faults):
        done(attempt)


async def write(topic: str, who: dict[str, Any], *, value: bytes | None = b"{}", key: bytes = b"k") -> None:
    """Write one record as an idempotent producer does."""
    async with _producer(who, enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, value, key=key)


async def write_in_a_transaction(topic: str, transactional_id: str, who: dict[str, Any]) -> None:
    """Write one record in a transaction."""
    async with _producer(who, transactional_id=transactional_id) as producer, producer.transaction():
        await producer.send_and_wait(topic, b"{}", key=b"k")


async def read(topic: str, who: dict[str, Any]) -> list[bytes]:
    """Return what lies in a topic, as soon as anything comes."""

    async def first(consumer: AIOKafkaConsumer) -> None:
        consumer.assign([TopicPartition(topic, number) for number in range(PLACES[topic].partitions)])
        await consumer.seek_to_beginning()

    return await _read(first, who=who, group=None)


async def read_in_a_group(topic: str, group: str, who: dict[str, Any], *, commit: bool = False) -> list[bytes]:
    """Return what lies in a topic, as soon as anything comes, as a member of a group."""

    async def first(consumer: AIOKafkaConsumer) -> None:
        consumer.subscribe([topic])

    return await _read(first, who=who, group=group, commit=commit)


async def _read(
    first: Callable[[AIOKafkaConsumer], Awaitable[None]],
    *,
    who: dict[str, Any],
    group: str | None,
    commit: bool = False,
) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        **who, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False, request_timeout_ms=5000
    )
    try:
        await consumer.start()
        await first(consumer)
        while not (found := await consumer.getmany(timeout_ms=500)):
            pass
        if commit:
            await consumer.commit()
        return [each.value for batch in found.values() for each in batch]
    finally:
        await consumer.stop()


class _producer:  # noqa: N801 -- reads as a function
    """A producer that is let go whatever happens; one that a broker refuses must not wait for it."""

    def __init__(self, who: dict[str, Any], **options: Any) -> None:
        self._producer = AIOKafkaProducer(**who, **options, request_timeout_ms=5000)

    async def __aenter__(self) -> AIOKafkaProducer:
        try:
            await self._producer.start()
        except BaseException:
            await self._let_go()
            raise
        return self._producer

    async def __aexit__(self, *_: object) -> None:
        await self._let_go()

    async def _let_go(self) -> None:
        try:
            await asyncio.wait_for(self._producer.stop(), 5.0)
        except Exception:  # noqa: BLE001 -- whatever it says, the test has its answer
            await self._producer.client.close()


def delivered(broker: SecureBroker, *, sensor: str) -> list[str]:
    """Return the ids of the events of one collector, each as often as it is there under different numbers."""
    found = records(broker.bootstrap, collector=sensor, login=administrator(broker))
    return sorted(event["id"] for event in events(found).values())


def in_the_capture(district: Path, *, sensor: str) -> list[str]:
    """Return the ids of the events of the sample day, as one collector makes them."""
    run = schoolgate("flows", district / "day.pcap.gz", "--network", district / "network.yaml", "--sensor", sensor)
    assert run.returncode == 0, run.stderr
    return sorted(line.split('"id":"', 1)[1].split('"', 1)[0] for line in run.stdout.splitlines())
