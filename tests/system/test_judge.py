"""Through a real Apache Kafka: the cases of `judge` are those of `check`, whatever dies on the way."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from collector.topics import DEAD_LETTERS, FINDINGS, FLOWS, TOPICS
from tests.parts.broker import Broker, KafkaBroker
from tests.system.product import PATIENCE_S, command, copy_district, free_port, schoolgate, stored_report, until

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The sample day's events, as the collector writes them."""
    folder = copy_district(tmp_path_factory.mktemp("day"))
    made = subprocess.run(
        command("flows", folder / "day.pcap.gz", "--network", folder / "network.yaml"),
        capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    return made.stdout.splitlines()


@pytest.fixture
def district(tmp_path: Path, mortal_broker: KafkaBroker) -> Path:
    """The sample district with a broker of its own, topics made."""
    folder = copy_district(tmp_path / "district")
    with (folder / "config.yaml").open("a", encoding="utf-8") as config:
        config.write(f"kafka: {{bootstrap: [{mortal_broker.bootstrap}]}}\n")
    asyncio.run(make_topics(mortal_broker))
    return folder


async def make_topics(broker: Broker) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.create_topics(
            [
                NewTopic(
                    topic.name, num_partitions=topic.partitions, replication_factor=1, topic_configs=topic.settings
                )
                for topic in TOPICS
            ]
        )
    finally:
        await admin.close()


async def send(broker: Broker, events: list[bytes], *, first: int = 0) -> None:
    """Write events as the collector does."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        sent = []
        for number, line in enumerate(events, start=first):
            key = json.loads(line)["device"].encode()
            headers = [("collector", b"lakeview-tap"), ("seq", str(number).encode())]
            sent.append(await producer.send(FLOWS, line, key=key, headers=headers))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def read_all(broker: Broker, topic: str) -> AsyncIterator[Any]:
    """Yield every committed record of a topic."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False,
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


def checked(folder: Path, events: list[bytes]) -> dict[str, Any]:
    """The report of `check --json` over these events."""
    path = folder / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join(events) + b"\n"))
    run = schoolgate(
        "check", path, "--agreements", folder / "agreements", "--network", folder / "network.yaml",
        "--parties", folder / "parties.yaml", "--json",
    )  # fmt: skip
    assert run.returncode == 1, run.stderr
    report: dict[str, Any] = json.loads(run.stdout)
    return report


class Judging:
    """A `schoolgate judge` in the background."""

    def __init__(self, config: Path, *words: str) -> None:
        listen = f"127.0.0.1:{free_port()}"
        self.log = config.with_name(f"judge-{listen.rpartition(':')[2]}.log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command("judge", "--config", config, "--metrics", listen, *words), stderr=log, stdout=log
            )

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=60)


@pytest.fixture
def judge() -> Iterator[Callable[..., Judging]]:
    """Start judges that are ended with the test, whatever becomes of it."""
    started: list[Judging] = []

    def begin(config: Path, *words: str) -> Judging:
        started.append(Judging(config, *words))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.wait()


def flows_judged(config: Path) -> int:
    """Flows in the stored report, DNS look-ups left out."""
    flows: int = stored_report(config)["coverage"]["flows"]
    return flows


def wait_for_report(config: Path, expected: dict[str, Any], *judges: Judging, patience_s: float = PATIENCE_S) -> None:
    """Wait until the store holds *expected*, field by field."""
    deadline_runs = int(patience_s)
    stored: dict[str, Any] = {}
    for _ in range(deadline_runs):
        stored = stored_report(config)
        if stored == expected:
            return
    told = "\n".join(one.said() for one in judges)
    assert stored == expected, told


def test_the_report_through_kafka_is_that_of_check(
    district: Path, day: list[bytes], mortal_broker: KafkaBroker, judge: Callable[..., Judging]
) -> None:
    expected = checked(district, day)
    asyncio.run(send(mortal_broker, day))
    one = judge(district / "config.yaml", "--instance", "one")
    wait_for_report(district / "config.yaml", expected, one)
    assert one.end() == 0, one.said()
    assert "Traceback" not in one.said()


def test_a_second_judge_takes_over_from_one_that_was_killed(
    district: Path, day: list[bytes], mortal_broker: KafkaBroker, judge: Callable[..., Judging]
) -> None:
    config = district / "config.yaml"
    expected = checked(district, day)
    half = len(day) // 2
    asyncio.run(send(mortal_broker, day[:half]))
    first = judge(config)
    until(lambda: flows_judged(config) > 0, what="the first cases")
    asyncio.run(send(mortal_broker, day[half:], first=half))
    os.kill(first.process.pid, signal.SIGKILL)
    # The collector did not hear that its last records arrived, and sends them again.
    asyncio.run(send(mortal_broker, day[-100:], first=len(day) - 100))
    second = judge(config)
    wait_for_report(config, expected, first, second, patience_s=60)
    assert second.end() == 0, second.said()
    assert "Traceback" not in second.said()


def test_two_judges_share_the_work_and_one_that_stops_in_order_is_followed_at_once(
    district: Path, day: list[bytes], mortal_broker: KafkaBroker, judge: Callable[..., Judging]
) -> None:
    config = district / "config.yaml"
    expected = checked(district, day)
    both = [judge(config), judge(config)]
    until(lambda: all("schoolgate.flows: partitions [" in one.said() for one in both), what="both to join")
    asyncio.run(send(mortal_broker, day[:700]))
    assert both[0].end() == 0, both[0].said()
    asyncio.run(send(mortal_broker, day[700:], first=700))
    wait_for_report(config, expected, *both, patience_s=60)


def test_a_judge_that_was_stopped_for_longer_than_its_session_wakes_and_does_no_harm(
    district: Path, day: list[bytes], mortal_broker: KafkaBroker, judge: Callable[..., Judging]
) -> None:
    config = district / "config.yaml"
    expected = checked(district, day)
    asyncio.run(send(mortal_broker, day[:500]))
    sleeper = judge(config)
    until(lambda: flows_judged(config) > 0, what="the first cases")
    os.kill(sleeper.process.pid, signal.SIGSTOP)
    asyncio.run(send(mortal_broker, day[500:1000], first=500))
    heir = judge(config)
    until(lambda: "schoolgate.findings: partitions [0, 1, 2, 3, 4, 5]" in heir.said(), what="the heir to have it all")
    os.kill(sleeper.process.pid, signal.SIGCONT)
    asyncio.run(send(mortal_broker, day[1000:], first=1000))
    wait_for_report(config, expected, sleeper, heir, patience_s=90)
    assert sleeper.process.poll() is None, sleeper.said()


def test_judges_that_are_killed_again_and_again_give_the_same_report(
    district: Path, day: list[bytes], mortal_broker: KafkaBroker, judge: Callable[..., Judging]
) -> None:
    config = district / "config.yaml"
    expected = checked(district, day)
    chance = random.Random(20261006)  # noqa: S311 -- a seed makes the round the same every time
    alive = [judge(config) for _ in range(3)]
    for first in range(0, len(day), 300):
        asyncio.run(send(mortal_broker, day[first : first + 300], first=first))
        time.sleep(chance.uniform(0.5, 4))
        victim = alive.pop(chance.randrange(len(alive)))
        victim.process.kill()
        alive.append(judge(config))
    wait_for_report(config, expected, *alive, patience_s=120)


def test_a_broker_that_dies_and_comes_back_costs_nothing(
    district: Path, day: list[bytes], mortal_broker: KafkaBroker, judge: Callable[..., Judging]
) -> None:
    config = district / "config.yaml"
    expected = checked(district, day)
    asyncio.run(send(mortal_broker, day[:700]))
    one = judge(config)
    until(lambda: flows_judged(config) > 0, what="the first cases")
    mortal_broker.kill()
    mortal_broker.restart()
    asyncio.run(send(mortal_broker, day[700:], first=700))
    wait_for_report(config, expected, one, patience_s=90)


async def poison(broker: Broker, good: bytes) -> list[tuple[bytes, bytes]]:
    """Write records that nobody can use, and return (reason, octets) of each."""
    old = json.loads(good) | {"started_at": "1999-12-31T23:59:59.999999Z"}
    device = json.loads(good)["device"].encode()
    bad = [
        (b"not_json", device, b"{"),
        (b"wrong_version", device, good.replace(b'"v":1', b'"v":9')),
        (b"too_large", device, b"x" * 900_000),
        (b"wrong_key", b"somebody-else", good),
        (b"too_old", device, json.dumps(old).encode()),
        (b"in_the_future", device, good.replace(b'"started_at":"20', b'"started_at":"21')),
    ]
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, max_request_size=1_048_576)
    await producer.start()
    try:
        for _reason, key, value in bad:
            await producer.send_and_wait(FLOWS, value, key=key)
    finally:
        await producer.stop()
    return [(reason, value) for reason, _key, value in bad]


async def dead_letters(broker: Broker) -> list[tuple[bytes, bytes, bytes]]:
    """Return (reason, SHA-256, octets) of every dead letter."""
    letters = []
    async for letter in read_all(broker, DEAD_LETTERS):
        headers = dict(letter.headers)
        letters.append((headers["reason"], headers["sha256"], letter.value))
    return letters


def test_poison_becomes_dead_letters_and_the_partitions_move_on(
    district: Path, day: list[bytes], mortal_broker: KafkaBroker, judge: Callable[..., Judging]
) -> None:
    expected = checked(district, day)
    sent = asyncio.run(poison(mortal_broker, day[0]))
    asyncio.run(send(mortal_broker, day))
    one = judge(district / "config.yaml")
    wait_for_report(district / "config.yaml", expected, one)
    letters = asyncio.run(dead_letters(mortal_broker))
    told = {(reason, hashlib.sha256(octets).hexdigest().encode(), octets[:65_536]) for reason, octets in sent}
    assert set(letters) == told
    assert len(letters) == len(sent)


async def finding_texts(broker: Broker) -> str:
    return "\n".join([message.value.decode() async for message in read_all(broker, FINDINGS)])


def test_no_finding_names_a_device(
    district: Path, day: list[bytes], mortal_broker: KafkaBroker, judge: Callable[..., Judging]
) -> None:
    asyncio.run(send(mortal_broker, day))
    judge(district / "config.yaml")
    until(lambda: flows_judged(district / "config.yaml") > 0, what="the first cases")
    text = asyncio.run(finding_texts(mortal_broker))
    assert '"rule"' in text
    assert not [device for device in {json.loads(line)["device"] for line in day} if device in text]


def test_missing_topics_are_named_with_their_remedy(tmp_path: Path, broker: Broker) -> None:
    folder = copy_district(tmp_path)
    with (folder / "config.yaml").open("a", encoding="utf-8") as config:
        config.write(f"kafka: {{bootstrap: [{broker.bootstrap}]}}\n")
    ended = schoolgate("judge", "--config", folder / "config.yaml")
    assert ended.returncode == 3
    assert "schoolgate.flows" in ended.stderr
    assert "schoolgate kafka setup" in ended.stderr
    assert "Traceback" not in ended.stderr
