"""`schoolgate kafka setup` and `check` on a real broker, and what each role may do afterwards."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from collector.topics import CASES, FLOWS, TOPICS, USERS
from tests.parts.broker import KafkaBroker
from tests.parts.secure_broker import MECHANISM, Credentials, SecureBroker
from tests.system.product import configure, copy_district, free_port, schoolgate
from tests.system.topic_reader import make_topic, with_kafka

pytestmark = pytest.mark.kafka

PATIENCE_S = 20.0
REFUSAL_S = 6.0
PASSWORD = "of-this-test"  # noqa: S105 -- guards nothing but this test


@pytest.fixture
def district(tmp_path: Path) -> Path:
    return copy_district(tmp_path)


def secured(broker: SecureBroker, *, district: Path, user: str, password: str) -> Path:
    """Return a configuration that logs in as *user*."""
    (district / "password").write_text(password, encoding="utf-8")
    kafka = (
        f'{{bootstrap: ["{broker.bootstrap}"], security: {{protocol: SASL_SSL, user: {user}, '
        f"password: {{file: password}}, ca: {broker.ca}}}}}"
    )
    return with_kafka(configure(district), sensor=user, kafka=kafka)


def test_setup_makes_what_is_missing_once_and_corrects_what_is_wrong(
    mortal_broker: KafkaBroker, district: Path
) -> None:
    config = with_kafka(configure(district), sensor="tap", kafka=f'{{bootstrap: ["{mortal_broker.bootstrap}"]}}')
    make_topic(mortal_broker.bootstrap, name=CASES, partitions=2)
    dry = schoolgate("kafka", "setup", "--config", config, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert f"would set right: topic {FLOWS} is missing (12 partitions, delete)" in dry.stdout
    assert f"would set right: topic {CASES} has 2 partitions instead of 6" in dry.stdout
    check = schoolgate("kafka", "check", "--config", config)
    assert check.returncode == 3
    assert len(check.stdout.splitlines()) == len(dry.stdout.splitlines()) == len(TOPICS) + 1
    assert "run `schoolgate kafka setup`" in check.stderr
    first = schoolgate("kafka", "setup", "--config", config)
    assert first.returncode == 0, first.stderr
    assert first.stdout == dry.stdout.replace("would set right", "set right")
    assert "checks no rights" in first.stderr
    again = schoolgate("kafka", "setup", "--config", config)
    assert (again.returncode, again.stdout) == (0, "")
    assert schoolgate("kafka", "check", "--config", config).returncode == 0


def test_a_broker_that_is_not_there_is_said_after_a_few_tries(district: Path) -> None:
    config = with_kafka(configure(district), sensor="tap", kafka=f'{{bootstrap: ["127.0.0.1:{free_port()}"]}}')
    check = schoolgate("kafka", "check", "--config", config)
    assert check.returncode == 3
    assert "cannot be reached" in check.stderr


def as_user(broker: SecureBroker, user: str) -> dict[str, Any]:
    return {
        "bootstrap_servers": broker.bootstrap,
        "security_protocol": "SASL_SSL",
        "ssl_context": ssl.create_default_context(cafile=broker.ca),
        "sasl_mechanism": MECHANISM,
        "sasl_plain_username": user,
        "sasl_plain_password": PASSWORD,
    }


async def write(topic: str, **login: Any) -> None:
    producer = AIOKafkaProducer(**login, enable_idempotence=True)
    try:
        await producer.start()
        await producer.send_and_wait(topic, b"{}", key=b"k")
    finally:
        await producer.stop()


async def read(topic: str, *, group: str | None = None, **login: Any) -> None:
    """Read from the beginning until something comes."""
    consumer = AIOKafkaConsumer(**login, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        await consumer.start()
        if group:
            consumer.subscribe([topic])
        else:
            consumer.assign([TopicPartition(topic, number) for number in range(6)])
        while not await consumer.getmany(timeout_ms=500):
            pass
    finally:
        await consumer.stop()


def refused(attempt: Callable[[], Coroutine[Any, Any, None]], fault: type[Exception]) -> None:
    with pytest.raises(fault):
        asyncio.run(asyncio.wait_for(attempt(), REFUSAL_S))


def granted(attempt: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(attempt, PATIENCE_S))


def test_each_role_can_do_its_job_and_nothing_else(secure_broker: SecureBroker, district: Path) -> None:
    admin = secured(
        secure_broker, district=district, user=secure_broker.admin.user, password=secure_broker.admin.password
    )
    assert schoolgate("kafka", "setup", "--config", admin).returncode == 0
    again = schoolgate("kafka", "setup", "--config", admin)
    assert (again.returncode, again.stdout) == (0, "")
    assert schoolgate("kafka", "check", "--config", admin).returncode == 0
    logins = {}
    for role in ("collector", "judge", "dashboard"):
        secure_broker.add_user(Credentials(user=USERS[role], password=PASSWORD))
        logins[role] = as_user(secure_broker, USERS[role])
    collect = schoolgate(
        "collect", "--config", secured(secure_broker, district=district, user=USERS["collector"], password=PASSWORD)
    )
    assert collect.returncode == 0, collect.stderr
    granted(read(FLOWS, group="schoolgate-judge", **logins["judge"]))
    granted(write(CASES, **logins["judge"]))
    granted(read(CASES, **logins["dashboard"]))
    refused(lambda: read(FLOWS, **logins["collector"]), TopicAuthorizationFailedError)
    refused(lambda: read(FLOWS, group="schoolgate-judge", **logins["collector"]), GroupAuthorizationFailedError)
    refused(lambda: write(CASES, **logins["collector"]), KafkaError)
    refused(lambda: write(CASES, **logins["dashboard"]), KafkaError)
    # Whoever may not even know of a topic is told of no partition, and aiokafka asks for ever.
    refused(lambda: read(FLOWS, **logins["dashboard"]), TimeoutError)
    refused(lambda: write(FLOWS, **logins["judge"]), TopicAuthorizationFailedError)
