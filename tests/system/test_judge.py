"""Through a real Apache Kafka: the cases of `judge` are those of `check`, whatever dies on the way."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from collector.topics import FINDINGS, FLOWS
from rules.edge_records import KeptEdges
from rules.edges import Edge
from rules.estimator import Estimator
from rules.intake import read_event
from rules.judgement import Judgement
from rules.key_ring import KeyRing
from rules.records import Record
from rules.rulebook import RulebookFiles, load_rulebook
from rules.sealed_records import open_edges, open_finding
from rules.store import Store
from rules.windows import Counts
from tests.parts.broker import Broker, KafkaBroker
from tests.parts.patience import PATIENCE_S
from tests.parts.topics import make_topics
from tests.parts.verb_program import VerbProgram
from tests.parts.verbs import run_verb
from tests.system.product import (
    DEAR_LOOK_S,
    copy_district,
    free_port,
    report_now,
    schoolgate,
    stored_report,
    until,
)

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The sample day's events, as the collector writes them."""
    folder = copy_district(tmp_path_factory.mktemp("day"))
    made = run_verb(["flows", folder / "day.pcap.gz", "--network", folder / "network.yaml"])
    assert made.returncode == 0, made.stderr
    return made.stdout.splitlines()


@pytest.fixture
def district(tmp_path: Path, mortal_broker: KafkaBroker) -> Path:
    """The sample district with a broker of its own, topics made."""
    folder = copy_district(tmp_path / "district")
    with (folder / "config.yaml").open("a", encoding="utf-8") as config:
        config.write(f"kafka: {{bootstrap: [{mortal_broker.bootstrap}]}}\n")
    make_topics(mortal_broker.bootstrap)
    return folder


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
        self.program = VerbProgram(("judge", "--config", config, "--metrics", listen, *words), log=self.log)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def end(self) -> int:
        self.program.signal(signal.SIGTERM)
        return self.program.wait(limit_s=PATIENCE_S)


@pytest.fixture
def judge() -> Iterator[Callable[..., Judging]]:
    """Start judges that are ended with the test, whatever becomes of it."""
    started: list[Judging] = []

    def begin(config: Path, *words: str) -> Judging:
        started.append(Judging(config, *words))
        return started[-1]

    yield begin
    for one in started:
        one.program.kill()


def flows_judged(config: Path) -> int:
    """Flows in the stored report, DNS look-ups left out."""
    flows: int = report_now(config)["coverage"]["flows"]
    return flows


def wait_for_report(config: Path, expected: dict[str, Any], *judges: Judging) -> None:
    """Wait until the store holds *expected*, field by field, and `cases` says so."""
    deadline = time.monotonic() + 2 * PATIENCE_S
    while report_now(config) != expected and time.monotonic() < deadline:
        time.sleep(DEAR_LOOK_S)
    told = "\n".join(one.said() for one in judges)
    assert stored_report(config) == expected, told


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
    first.program.kill()
    # The collector did not hear that its last records arrived, and sends them again.
    asyncio.run(send(mortal_broker, day[-100:], first=len(day) - 100))
    second = judge(config)
    wait_for_report(config, expected, first, second)
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
    wait_for_report(config, expected, *both)


def edges_in_one_process(folder: Path, events: list[bytes]) -> list[Edge]:
    """What attribution says of the events where one process sees them all."""
    files = RulebookFiles(
        agreements=folder / "agreements", network=folder / "network.yaml", parties=(folder / "parties.yaml",)
    )
    rulebook, counts = load_rulebook(files), Counts()
    judgement = Judgement(rulebook, token_key=lambda _day: b"a key", today=date(2026, 10, 14))
    judgement.judge(read_event(line) for line in events)
    estimator = Estimator(rulebook)
    for on in judgement.contacts.days():
        for part in estimator.hours(judgement.contacts, day=on, key=b"a key").values():
            counts.add(part)
    return sorted(estimator.edges(counts), key=lambda edge: (edge.agreement, edge.party))


async def edges_told(broker: Broker, keys: KeyRing) -> list[Edge]:
    """The edges that partition 0 told last, put together as a task does it."""
    kept = KeptEdges({}, keys=keys)
    async for message in read_all(broker, FINDINGS):
        headers = dict(message.headers)
        if headers.get("kind") == b"edges":
            told = Record(
                key=message.key, value=message.value, headers=headers, partition=0, offset=0, at=datetime.now(UTC)
            )  # fmt: skip
            kept.put({kept.check(told): message.value})
    return sorted(kept.all(), key=lambda edge: (edge.agreement, edge.party))


def test_the_edges_of_two_judges_of_which_one_is_killed_are_those_of_one_process(
    district: Path, day: list[bytes], mortal_broker: KafkaBroker, judge: Callable[..., Judging]
) -> None:
    expected = edges_in_one_process(district, day)
    assert expected
    store = Store(f"sqlite:///{district / 'cases.db'}")
    keys = KeyRing(store)
    both = [judge(district / "config.yaml"), judge(district / "config.yaml")]
    until(lambda: all("schoolgate.flows: partitions [" in one.said() for one in both), what="both to join")
    half = len(day) // 2
    asyncio.run(send(mortal_broker, day[:half]))
    until(lambda: asyncio.run(edges_told(mortal_broker, keys)) != [], what="the first edges")
    assert asyncio.run(edges_told(mortal_broker, keys)) != expected
    both[0].program.kill()
    asyncio.run(send(mortal_broker, day[half:], first=half))
    until(lambda: asyncio.run(edges_told(mortal_broker, keys)) == expected, what="the edges of one process")
    assert both[1].end() == 0, both[1].said()


def test_a_judge_that_was_stopped_for_longer_than_its_session_wakes_and_does_no_harm(
    district: Path, day: list[bytes], mortal_broker: KafkaBroker, judge: Callable[..., Judging]
) -> None:
    config = district / "config.yaml"
    expected = checked(district, day)
    asyncio.run(send(mortal_broker, day[:500]))
    sleeper = judge(config)
    until(lambda: flows_judged(config) > 0, what="the first cases")
    sleeper.program.pause()
    asyncio.run(send(mortal_broker, day[500:1000], first=500))
    heir = judge(config)
    until(lambda: "schoolgate.findings: partitions [0, 1, 2, 3, 4, 5]" in heir.said(), what="the heir to have it all")
    sleeper.program.resume()
    asyncio.run(send(mortal_broker, day[1000:], first=1000))
    wait_for_report(config, expected, sleeper, heir)
    assert sleeper.program.alive, sleeper.said()


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
    wait_for_report(config, expected, one)


async def finding_texts(broker: Broker, keys: KeyRing) -> str:
    return "\n".join([plain(message, keys=keys).decode("latin-1") async for message in read_all(broker, FINDINGS)])


def plain(message: Any, *, keys: KeyRing) -> bytes:
    """The octets of a record, opened, and unpacked where they are counts of contacts."""
    value: bytes = message.value
    kind = dict(message.headers).get("kind")
    if kind == b"edges":
        return msgspec.json.encode(open_edges(value, keys=keys))
    if kind is None:
        return msgspec.json.encode(open_finding(value, keys=keys)[1])
    return zlib.decompress(value) if kind == b"contacts" else value


def test_no_finding_names_a_device(
    district: Path, day: list[bytes], mortal_broker: KafkaBroker, judge: Callable[..., Judging]
) -> None:
    asyncio.run(send(mortal_broker, day))
    judge(district / "config.yaml")
    keys = KeyRing(Store(f"sqlite:///{district / 'cases.db'}"))
    until(lambda: asyncio.run(edges_told(mortal_broker, keys)) != [], what="the first edges")
    text = asyncio.run(finding_texts(mortal_broker, keys))
    assert '"rule"' in text
    assert '"exposures"' in text
    assert not [device for device in {json.loads(line)["device"] for line in day} if device in text]


def test_missing_topics_are_named_with_their_remedy(tmp_path: Path, mortal_broker: KafkaBroker) -> None:
    folder = copy_district(tmp_path)
    with (folder / "config.yaml").open("a", encoding="utf-8") as config:
        config.write(f"kafka: {{bootstrap: [{mortal_broker.bootstrap}]}}\n")
    ended = schoolgate("judge", "--config", folder / "config.yaml")
    assert ended.returncode == 3
    assert "schoolgate.flows" in ended.stderr
    assert "schoolgate kafka setup" in ended.stderr
    assert "Traceback" not in ended.stderr
