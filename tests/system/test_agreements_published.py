"""Agreements through a real Apache Kafka: published once, judged by at their own time, and never by a broken record."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from collector.topics import AGREEMENTS, FLOWS, JUDGE_GROUPS, PLACES, TOPICS
from tests.parts.broker import KafkaBroker
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
    scrape,
    stray_evidence,
)

pytestmark = pytest.mark.kafka

# Noon of the sample day, 12:00 in the district: both before and after it Countwell is in use.
NOON = "2026-10-06T17:00:00.000000Z"
APPROVED, PROHIBITED = (
    "use_gate: {status: approved, from: 2025-08-01",
    "use_gate: {status: prohibited, from: 2025-08-01",
)


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


@pytest.fixture
def judge() -> Iterator[Callable[[Path], Judging]]:
    """Start judges that are ended with the test, whatever becomes of it."""
    started: list[Judging] = []

    def begin(folder: Path) -> Judging:
        started.append(Judging(folder))
        return started[-1]

    yield begin
    for one in started:
        one.program.kill()


class Judging:
    """A `schoolgate judge` in the background."""

    def __init__(self, folder: Path) -> None:
        listen = self.listen = f"127.0.0.1:{free_port()}"
        self.log = folder / f"judge-{listen.rpartition(':')[2]}.log"
        words = ("judge", "--config", folder / "config.yaml", "--metrics", listen)
        self.program = VerbProgram(words, log=self.log)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def end(self) -> int:
        self.program.signal(signal.SIGTERM)
        return self.program.wait(limit_s=PATIENCE_S)


def publish(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return schoolgate("agreements", "publish", "--config", folder / "config.yaml", *words)


def published(folder: Path, *words: str) -> str:
    """Publish, and return what became of the agreements."""
    run = publish(folder, *words)
    assert run.returncode == 0, run.stderr
    return run.stdout


def edit(folder: Path, name: str, *, old: str, new: str) -> None:
    path = folder / "agreements" / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def prohibit_countwell(folder: Path) -> None:
    edit(folder, "countwell.yaml", old=APPROVED, new=PROHIBITED)


async def write(broker: KafkaBroker, topic: str, records: list[tuple[bytes | None, bytes | None]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        for key, value in records:
            await producer.send(topic, value, key=key)
        await producer.flush()
    finally:
        await producer.stop()


def send(broker: KafkaBroker, events: list[bytes]) -> None:
    """Write events as the collector does."""
    asyncio.run(write(broker, FLOWS, [(json.loads(line)["device"].encode(), line) for line in events]))


async def records_of(broker: KafkaBroker) -> list[tuple[int, str, bytes]]:
    """Return (offset, key, value) of every record of the agreements topic."""
    place = TopicPartition(AGREEMENTS, 0)
    # Of records whose transaction is committed, and not yet marked so, who reads committed ones is told no end.
    end = await end_of(place, broker=broker)
    reader = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await reader.start()
    try:
        reader.assign([place])
        await reader.seek_to_beginning(place)
        found = []
        while await reader.position(place) < end:
            for batch in (await reader.getmany(timeout_ms=500)).values():
                found += [(each.offset, each.key.decode(), each.value) for each in batch]
    finally:
        await reader.stop()
    return found


async def end_of(place: TopicPartition, *, broker: KafkaBroker) -> int:
    reader = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap)
    await reader.start()
    try:
        return int((await reader.end_offsets([place]))[place])
    finally:
        await reader.stop()


def held(broker: KafkaBroker) -> list[tuple[int, str, bytes]]:
    return asyncio.run(records_of(broker))


def checked(folder: Path, events: list[bytes]) -> dict[str, Any]:
    """The report of `check --json` over these events and the folder as it is now."""
    path = folder / "events.jsonl"
    path.write_bytes(b"\n".join(events) + b"\n")
    run = schoolgate(
        "check", path, "--agreements", folder / "agreements", "--network", folder / "network.yaml",
        "--parties", folder / "parties.yaml", "--json",
    )  # fmt: skip
    assert run.returncode == 1, run.stderr
    report: dict[str, Any] = json.loads(run.stdout)
    return report


def wait_for(folder: Path, *, holds: Callable[[dict[str, Any]], bool], judge: Judging) -> dict[str, Any]:
    """Wait until the stored report is as it should be, and return it."""
    stored: dict[str, Any] = {}
    for _ in range(int(PATIENCE_S / DEAR_LOOK_S)):
        stored = report_now(folder / "config.yaml")
        if holds(stored):
            return stored
        assert judge.program.alive, judge.said()
        time.sleep(DEAR_LOOK_S)
    raise AssertionError(f"{judge.said()}\n{json.dumps(stored, indent=1)}")


def wait_for_word(judge: Judging, word: str) -> None:
    for _ in range(PATIENCE_S * 5):
        if word in judge.said():
            return
        assert judge.program.alive, judge.said()
        time.sleep(0.2)
    raise AssertionError(judge.said())


def cases_of(report: dict[str, Any], agreement: str) -> list[dict[str, Any]]:
    return [case for case in report["cases"] if case["agreement"] == agreement]


def test_publishing_writes_what_changed_and_twice_is_as_good_as_once(
    district: Path, mortal_broker: KafkaBroker
) -> None:
    ids = sorted(path.stem for path in (district / "agreements").iterdir())
    dry = published(district, "--dry-run")
    assert [line.split()[:2] for line in dry.splitlines()] == [["new", each] for each in ids]
    assert held(mortal_broker) == []
    assert published(district) == dry
    first = held(mortal_broker)
    assert [key for _offset, key, _value in first] == ids
    told = json.loads(first[0][2])
    assert told["versions"][0]["text"] == (district / "agreements" / f"{ids[0]}.yaml").read_text(encoding="utf-8")
    again = publish(district)
    assert (again.returncode, held(mortal_broker)) == (0, first)
    assert {line.split()[0] for line in again.stdout.splitlines()} == {"unchanged"}
    assert "nothing to publish" in again.stderr

    prohibit_countwell(district)
    (district / "agreements" / "quizgale.yaml").unlink()
    changed = published(district, "--effective", "2026-10-06T12:00")
    assert [line for line in changed.splitlines() if not line.startswith("unchanged")] == [
        f"changed countwell ({district / 'agreements' / 'countwell.yaml'}), from {NOON}",
        f"withdrawn quizgale, from {NOON}",
    ]
    assert [key for _offset, key, _value in held(mortal_broker)[len(first) :]] == ["countwell", "quizgale"]
    countwell, quizgale = (json.loads(value)["versions"] for _offset, _key, value in held(mortal_broker)[-2:])
    assert [each["effective"] for each in countwell] == [each["effective"] for each in quizgale] == [None, NOON]
    assert quizgale[1]["text"] is None


def test_with_a_problem_in_any_file_nothing_is_published(district: Path, mortal_broker: KafkaBroker) -> None:
    edit(district, "countwell.yaml", old=APPROVED, new="use_gate: {status: aproved, from: 2025-08-01")
    (district / "agreements" / "zz.yaml").write_text("schema: [\n", encoding="utf-8")
    refused = publish(district)
    assert refused.returncode == 2
    assert "countwell.yaml:" in refused.stderr
    assert "zz.yaml:" in refused.stderr
    assert refused.stdout == ""
    assert held(mortal_broker) == []
    (district / "agreements" / "zz.yaml").unlink()
    wrong_time = publish(district, "--effective", "next week")
    assert (wrong_time.returncode, "--effective:1:" in wrong_time.stderr) == (2, False)
    edit(district, "countwell.yaml", old="aproved", new="approved")
    wrong_time = publish(district, "--effective", "next week")
    assert (wrong_time.returncode, "--effective:1: `next week` is no time" in wrong_time.stderr) == (2, True)
    assert held(mortal_broker) == []


def test_a_broker_that_is_away_or_has_no_such_topic_is_said_in_one_line(
    tmp_path: Path, mortal_broker: KafkaBroker
) -> None:
    folder = copy_district(tmp_path / "district")
    config = folder / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(f"{text}kafka: {{bootstrap: [{mortal_broker.bootstrap}]}}\n", encoding="utf-8")
    no_topic = publish(folder)
    assert no_topic.returncode == 3
    assert "run `schoolgate kafka setup`" in no_topic.stderr
    config.write_text(f'{text}kafka: {{bootstrap: ["127.0.0.1:{free_port()}"]}}\n', encoding="utf-8")
    away = publish(folder)
    assert away.returncode == 3
    assert "nothing was published" in away.stderr
    assert "Traceback" not in no_topic.stderr + away.stderr


def test_each_event_is_judged_by_what_held_at_its_time_and_a_replay_says_the_same(
    district: Path, day: list[bytes], mortal_broker: KafkaBroker, judge: Callable[[Path], Judging]
) -> None:
    before = checked(district, day)
    assert cases_of(before, "countwell") == []
    published(district)
    stray = stray_evidence(district)
    one = judge(district)
    wait_for_word(one, "judging until")
    assert "judging by 13 agreements of schoolgate.agreements, 1 editions" in one.said()

    prohibit_countwell(district)
    after = checked(district, [line for line in day if json.loads(line)["started_at"] >= NOON])
    published(district, "--effective", NOON)
    # No restart: the judge follows the topic.
    wait_for_word(one, "agreements published: 13 agreements of schoolgate.agreements, 2 editions")
    send(mortal_broker, day)
    report = wait_for(
        district, holds=lambda told: told.get("coverage", {}).get("flows") == before["coverage"]["flows"]
        and len(told["cases"]) == len(before["cases"]) + 1, judge=one
    )  # fmt: skip
    # What happened before noon was allowed, and is in no case.
    assert cases_of(report, "countwell") == cases_of(after, "countwell")
    assert cases_of(report, "countwell")[0]["first_seen"] >= NOON
    assert [case for case in report["cases"] if case["agreement"] != "countwell"] == before["cases"]
    assert report["coverage"] == before["coverage"]
    assert report["agreements"] == after["agreements"]
    assert report["errors"] == [stray]
    assert one.said().count(f"warning: {stray}\n") == 1

    assert one.end() == 0, one.said()
    again = district.with_name("again")
    # The second judge's folder holds no agreement at all: the topic has everything.
    (again / "agreements").mkdir(parents=True)
    for path in district.glob("*.yaml"):
        (again / path.name).write_bytes(path.read_bytes())
    asyncio.run(forget(mortal_broker))
    second = judge(again)
    # Nor does it hold evidence that could be about nobody.
    expected = {**report, "errors": []}
    assert wait_for(again, holds=lambda told: told == expected, judge=second) == expected


def test_a_broken_record_replaces_nothing_and_is_told_and_counted(
    district: Path, day: list[bytes], mortal_broker: KafkaBroker, judge: Callable[[Path], Judging]
) -> None:
    published(district)
    one = judge(district)
    wait_for_word(one, "judging until")
    good = {key: value for _offset, key, value in held(mortal_broker)}
    # A record without a key is refused by the broker itself, since the topic is compacted.
    poison: list[tuple[bytes | None, bytes | None]] = [
        (b"countwell", b"{"),
        (b"quizgale", good["countwell"]),
        (b"choirbox", b"\x28\xb5\x2f\xfd not zstd"),
        (b"nobody", b'{"v": 9}'),
    ]
    asyncio.run(write(mortal_broker, AGREEMENTS, poison))
    wait_for_word(one, "repairs the topic")
    send(mortal_broker, day)
    expected = checked(district, day)
    report = wait_for(district, holds=lambda told: told == expected, judge=one)
    assert report == expected
    counted = re.findall(
        r"^schoolgate_refused_agreement_records_total\{.*\} ([0-9.]+)$", scrape(one.listen), re.MULTILINE
    )
    assert sum(map(float, counted)) == len(poison)
    # Who publishes again puts the good ones back.
    assert {line.split()[1] for line in published(district).splitlines() if line.startswith("repaired")} == {
        "countwell", "quizgale", "choirbox",
    }  # fmt: skip
    assert one.end() == 0, one.said()


def test_editions_outlive_the_compaction_of_the_topic(
    district: Path, mortal_broker: KafkaBroker, judge: Callable[[Path], Judging]
) -> None:
    asyncio.run(compact_at_once(mortal_broker))
    published(district)
    prohibit_countwell(district)
    published(district, "--effective", NOON)
    edit(district, "countwell.yaml", old=PROHIBITED, new=APPROVED)
    published(district, "--effective", "2026-10-06T18:00:00Z")
    # The newest segment is never compacted: one more record, of an agreement that is withdrawn, closes it.
    (district / "agreements" / "quizgale.yaml").unlink()
    published(district, "--effective", "2026-10-06T19:00:00Z")
    deadline = time.monotonic() + 2 * PATIENCE_S
    while len([key for _offset, key, _value in held(mortal_broker) if key == "countwell"]) > 1:
        assert time.monotonic() < deadline, "the broker never compacted the topic"
        time.sleep(1)
    after = judge(district)
    wait_for_word(after, "judging until")
    assert "judging by 13 agreements of schoolgate.agreements, 4 editions" in after.said()


async def compact_at_once(broker: KafkaBroker) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        wanted = {"cleanup.policy": "compact", "segment.ms": "1", "min.cleanable.dirty.ratio": "0.0",
                  "delete.retention.ms": "0", "max.compaction.lag.ms": "1000"}  # fmt: skip
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, AGREEMENTS, wanted)])
    finally:
        await admin.close()


async def forget(broker: KafkaBroker) -> None:
    """Leave nothing on the broker but events and agreements: who comes next judges everything anew."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        mine = [topic for topic in TOPICS if topic.name not in {FLOWS, AGREEMENTS}]
        await admin.delete_topics([topic.name for topic in mine])
        while set(await admin.list_topics()) & {topic.name for topic in mine}:  # noqa: ASYNC110 -- no broker tells when a topic is gone
            await asyncio.sleep(0.2)
        new = [
            NewTopic(t.name, num_partitions=t.partitions, replication_factor=1, topic_configs=t.settings) for t in mine
        ]
        await admin.create_topics(new)
    finally:
        await admin.close()
    group = next(name for name, topic in JUDGE_GROUPS.items() if topic == FLOWS)
    member = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, group_id=group, enable_auto_commit=False)
    await member.start()
    try:
        places = [TopicPartition(FLOWS, number) for number in range(PLACES[FLOWS].partitions)]
        member.assign(places)
        await member.commit(dict.fromkeys(places, 0))
    finally:
        await member.stop()
