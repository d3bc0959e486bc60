"""The brokers under the tests do what the product relies on; most claims are tried on Apache Kafka and its stand-in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError, ProducerFenced, TopicAuthorizationFailedError
from aiokafka.protocol.admin import CreateAclsRequest

from tests.parts.broker import GivenBroker, KafkaBroker, MortalBroker, NoidaBroker
from tests.parts.program import ProgramError
from tests.parts.secure_broker import Credentials, SecureBroker
from tests.parts.sockets import given_back

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.parts.broker import Broker
    from tests.parts.cluster import KafkaCluster

pytestmark = pytest.mark.kafka

REPOSITORY = Path(__file__).resolve().parents[2]
# Numbers of Kafka's protocol (KIP-140, KIP-290): what an ACL is about, how its name is meant, what it permits.
TOPIC, LITERAL, WRITE, ALLOW = 2, 3, 4, 3
# A dead broker is refused at once, a stalled one never answers; nothing here waits longer than this for either.
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
async def sockets() -> AsyncIterator[None]:
    """What a failed log-in leaves behind is gone before the next test begins."""
    yield
    await given_back()


@pytest.fixture(scope="module", params=["Apache Kafka", "noida-db"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalBroker]:
    folder = tmp_path_factory.mktemp("either")
    own: MortalBroker
    if request.param == "Apache Kafka":
        own = KafkaBroker(request.getfixturevalue("kafka_jars"), folder=folder)
    else:
        own = NoidaBroker(request.getfixturevalue("noida_binary"), folder=folder)
    own.start()
    yield own
    own.close()


async def new_topic(bootstrap: str, *, replicas: int = 1, **client: Any) -> str:
    """Make a topic of one partition that no other test knows."""
    name = f"test-{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=replicas)])
    finally:
        await admin.close()
    return name


async def leader_of(topic: str, *, bootstrap: str) -> int:
    """Return the node that leads the one partition of *topic*, as soon as the node that is asked knows."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                (told,) = await admin.describe_topics([topic])
                if told["partitions"]:
                    return int(told["partitions"][0]["leader"])
                await asyncio.sleep(0.05)
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def producing(bootstrap: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, **options)
    await producer.start()
    try:
        yield producer
    finally:
        # A producer hangs in stop() while its broker is away.
        await asyncio.wait_for(producer.stop(), PATIENCE_S)


async def read(bootstrap: str, *, topic: str, count: int, **options: Any) -> list[bytes]:
    """Read *count* values from the beginning, and whatever else comes within a second."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False, **options
    )
    await consumer.start()
    values: list[bytes] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            while len(values) < count:
                values += [
                    record.value for batch in (await consumer.getmany(timeout_ms=500)).values() for record in batch
                ]
        late = await consumer.getmany(timeout_ms=1000)
        values += [record.value for batch in late.values() for record in batch]
    finally:
        await consumer.stop()
    return values


async def test_records_of_an_idempotent_producer_arrive_once_and_in_order(either: MortalBroker) -> None:
    topic = await new_topic(either.bootstrap)
    sent = [f"{number}".encode() for number in range(500)]
    async with producing(either.bootstrap, enable_idempotence=True, acks="all") as producer:
        await asyncio.gather(*[await producer.send(topic, value) for value in sent])
    assert await read(either.bootstrap, topic=topic, count=len(sent)) == sent


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
async def test_a_compressed_record_arrives_whole(either: MortalBroker, codec: str) -> None:
    topic = await new_topic(either.bootstrap)
    async with producing(either.bootstrap, compression_type=codec) as producer:
        await producer.send_and_wait(topic, b"flow " * 1000)
    assert await read(either.bootstrap, topic=topic, count=1) == [b"flow " * 1000]


async def test_read_committed_shows_a_committed_transaction_and_nothing_of_an_aborted_one(either: MortalBroker) -> None:
    topic = await new_topic(either.bootstrap)
    async with producing(either.bootstrap, transactional_id=f"engine-{topic}") as producer:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed")
        with contextlib.suppress(ZeroDivisionError):
            async with producer.transaction():
                await producer.send_and_wait(topic, b"aborted")
                raise ZeroDivisionError
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed too")
    committed = await read(either.bootstrap, topic=topic, count=2, isolation_level="read_committed")
    assert committed == [b"committed", b"committed too"]
    assert b"aborted" in await read(either.bootstrap, topic=topic, count=3, isolation_level="read_uncommitted")


async def test_a_second_producer_with_the_same_transactional_id_fences_the_first(either: MortalBroker) -> None:
    topic = await new_topic(either.bootstrap)
    zombie = AIOKafkaProducer(bootstrap_servers=either.bootstrap, transactional_id=f"task-{topic}")
    await zombie.start()
    await zombie.begin_transaction()
    await zombie.send_and_wait(topic, b"of the zombie")
    async with producing(either.bootstrap, transactional_id=f"task-{topic}") as heir:
        with pytest.raises(ProducerFenced):
            await asyncio.wait_for(zombie.commit_transaction(), PATIENCE_S)
        async with heir.transaction():
            await heir.send_and_wait(topic, b"of the heir")
    with contextlib.suppress(KafkaError, TimeoutError):
        await asyncio.wait_for(zombie.stop(), PATIENCE_S)
    assert await read(either.bootstrap, topic=topic, count=1, isolation_level="read_committed") == [b"of the heir"]


async def test_acknowledged_records_and_transactional_ids_outlive_kill_nine(mortal_broker: KafkaBroker) -> None:
    topic = await new_topic(mortal_broker.bootstrap)
    async with producing(mortal_broker.bootstrap, transactional_id=f"task-{topic}") as producer, producer.transaction():
        await producer.send_and_wait(topic, b"before")
    mortal_broker.kill()
    with pytest.raises(KafkaConnectionError):
        await new_topic(mortal_broker.bootstrap)
    mortal_broker.restart()
    async with producing(mortal_broker.bootstrap, transactional_id=f"task-{topic}") as producer, producer.transaction():
        await producer.send_and_wait(topic, b"after")
    values = await read(mortal_broker.bootstrap, topic=topic, count=2, isolation_level="read_committed")
    assert values == [b"before", b"after"]


async def test_a_stalled_broker_says_nothing_and_goes_on_where_it_was(either: MortalBroker) -> None:
    topic = await new_topic(either.bootstrap)
    async with producing(either.bootstrap, enable_idempotence=True, request_timeout_ms=30_000) as producer:
        await producer.send_and_wait(topic, b"before")
        either.pause()
        try:
            waiting = await producer.send(topic, b"during")
            done, _ = await asyncio.wait([waiting], timeout=1.0)
            assert not done
        finally:
            either.resume()
        await asyncio.wait_for(waiting, PATIENCE_S)
    assert await read(either.bootstrap, topic=topic, count=2) == [b"before", b"during"]


async def test_a_stop_in_order_keeps_the_records(either: MortalBroker) -> None:
    topic = await new_topic(either.bootstrap)
    async with producing(either.bootstrap) as producer:
        await producer.send_and_wait(topic, b"kept")
    either.stop()
    either.start()
    assert await read(either.bootstrap, topic=topic, count=1) == [b"kept"]


async def test_the_shared_broker_serves(broker: Broker) -> None:
    topic = await new_topic(broker.bootstrap)
    async with producing(broker.bootstrap) as producer:
        await producer.send_and_wait(topic, b"served")
    assert await read(broker.bootstrap, topic=topic, count=1) == [b"served"]


def test_a_broker_that_runs_already_is_used_and_named(either: MortalBroker) -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "kafka",
            "-p",
            "tests.parts.fixtures",
            f"{__file__}::test_the_shared_broker_serves",
        ],
        cwd=REPOSITORY,
        env={**os.environ, "SCHOOLGATE_TEST_KAFKA": either.bootstrap},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"broker: {either.bootstrap} (SCHOOLGATE_TEST_KAFKA)" in told.stdout


def test_a_given_broker_that_does_not_answer_is_no_reason_to_take_another() -> None:
    with pytest.raises(ProgramError, match=r"names 127\.0\.0\.1:1, and nothing answers there"):
        GivenBroker("127.0.0.1:1")


def test_a_broker_that_cannot_start_says_why_and_where_its_log_is(kafka_jars: object, tmp_path: Path) -> None:
    own = KafkaBroker(kafka_jars, folder=tmp_path, settings={"num.network.threads": "none"})  # type: ignore[arg-type]
    with pytest.raises(ProgramError, match=r"num\.network\.threads"):
        own.start()
    own.close()


async def test_the_right_password_opens_the_secure_broker(secure_broker: SecureBroker) -> None:
    login = secure_broker.administration
    topic = await new_topic(secure_broker.bootstrap, **login)
    async with producing(secure_broker.bootstrap, transactional_id=topic, **login) as producer, producer.transaction():
        await producer.send_and_wait(topic, b"by SCRAM-SHA-512")
    assert await read(secure_broker.bootstrap, topic=topic, count=1, **login) == [b"by SCRAM-SHA-512"]


async def test_a_wrong_password_opens_nothing(secure_broker: SecureBroker, caplog: pytest.LogCaptureFixture) -> None:
    wrong = Credentials(user=secure_broker.admin.user, password="wrong")  # noqa: S106 -- it is wrong
    caplog.set_level(logging.INFO, logger="aiokafka")
    with pytest.raises(KafkaConnectionError):
        await new_topic(secure_broker.bootstrap, **secure_broker.login(wrong))
    assert "SaslAuthenticationFailed" in caplog.text  # aiokafka logs the reason and raises without it


async def allow_writing(broker: SecureBroker, *, user: Credentials, topic: str) -> None:
    client = AIOKafkaClient(bootstrap_servers=broker.bootstrap, **broker.administration)
    await client.bootstrap()
    try:
        answer = await client.send(
            client.get_random_node(),
            CreateAclsRequest(TOPIC, topic, LITERAL, f"User:{user.user}", "*", WRITE, ALLOW),
        )
        assert [code for code, _ in answer.creation_responses] == [0]
    finally:
        await client.close()


async def test_a_user_may_do_nothing_that_no_acl_allows(secure_broker: SecureBroker) -> None:
    topic = await new_topic(secure_broker.bootstrap, **secure_broker.administration)
    collector = Credentials(user=f"user-{topic}", password="a b=c")  # noqa: S106 -- made for this test
    secure_broker.add_user(collector)
    login = secure_broker.login(collector)
    async with producing(secure_broker.bootstrap, enable_idempotence=False, **login) as producer:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(topic, b"before the ACL")
    await allow_writing(secure_broker, user=collector, topic=topic)
    async with producing(secure_broker.bootstrap, enable_idempotence=True, **login) as producer:
        await producer.send_and_wait(topic, b"after the ACL")
    admin = secure_broker.administration
    assert await read(secure_broker.bootstrap, topic=topic, count=1, **admin) == [b"after the ACL"]


@pytest.mark.parametrize(
    ("door", "reason"),
    [
        ("bootstrap_expired", "certificate has expired"),
        ("bootstrap_stranger", "self-signed certificate in certificate chain"),
    ],
)
async def test_a_certificate_that_cannot_be_trusted_is_refused(
    secure_broker: SecureBroker, caplog: pytest.LogCaptureFixture, door: str, reason: str
) -> None:
    caplog.set_level(logging.INFO, logger="aiokafka")
    with pytest.raises(KafkaConnectionError):
        await new_topic(getattr(secure_broker, door), **secure_broker.administration)
    assert reason in caplog.text


@pytest.mark.long
async def test_a_cluster_loses_nothing_when_its_leader_dies(kafka_cluster: KafkaCluster) -> None:
    topic = await new_topic(kafka_cluster.bootstrap, replicas=3)
    leader = kafka_cluster.nodes[await leader_of(topic, bootstrap=kafka_cluster.bootstrap) - 1]
    sent = [f"{number}".encode() for number in range(30)]
    async with producing(kafka_cluster.bootstrap, enable_idempotence=True, acks="all") as producer:
        for value in sent[:10]:
            await producer.send_and_wait(topic, value)
        leader.kill()
        for value in sent[10:20]:
            await asyncio.wait_for(producer.send_and_wait(topic, value), PATIENCE_S)
        leader.start()
        for value in sent[20:]:
            await asyncio.wait_for(producer.send_and_wait(topic, value), PATIENCE_S)
    assert await read(kafka_cluster.bootstrap, topic=topic, count=len(sent)) == sent
