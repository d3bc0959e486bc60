"""How a judge ends and begins against a real broker: killed before the store, asked to stop, kept waiting."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import murmur2

from collector.topics import CASES, ENGINE_STATE, FLOWS, TOPICS
from tests.chaos.topics import make_anew
from tests.parts.broker import KafkaBroker
from tests.parts.program import Program
from tests.system.product import (
    PATIENCE_S,
    command,
    copy_district,
    free_port,
    report_now,
    schoolgate,
    scrape,
    stored_report,
    until,
)

pytestmark = pytest.mark.kafka

PARTITIONS = next(topic.partitions for topic in TOPICS if topic.name == FLOWS)


class District:
    """The sample district with a broker of its own, and the events of its day."""

    def __init__(self, folder: Path, broker: KafkaBroker) -> None:
        self.folder = copy_district(folder)
        self.config = self.folder / "config.yaml"
        self.broker = broker
        with self.config.open("a", encoding="utf-8") as file:
            file.write(f"kafka: {{bootstrap: [{broker.bootstrap}]}}\n")
        assert schoolgate("kafka", "setup", "--config", self.config).returncode == 0
        words = command("flows", self.folder / "day.pcap.gz", "--network", self.folder / "network.yaml")
        self.day = subprocess.run(words, capture_output=True, check=True, timeout=240).stdout.splitlines()
        self._started: list[Program] = []

    def judge(self, *words: str) -> tuple[Program, str]:
        """Start a judge; return it, and where it shows its metrics."""
        listen = f"127.0.0.1:{free_port()}"
        log = self.folder / f"judge-{len(self._started)}.log"
        program = Program(command("judge", "--config", self.config, "--metrics", listen, *words), log=log)
        self._started.append(program)
        return program, listen

    def said(self, number: int = 0) -> str:
        """Return what a judge said."""
        return (self.folder / f"judge-{number}.log").read_text(encoding="utf-8")

    def checked(self, events: list[bytes]) -> dict[str, Any]:
        """Return the report of `check --json` over these events."""
        path = self.folder / "events.jsonl.gz"
        path.write_bytes(gzip.compress(b"\n".join(events) + b"\n"))
        files = ("--agreements", self.folder / "agreements", "--network", self.folder / "network.yaml")
        run = schoolgate("check", path, *files, "--parties", self.folder / "parties.yaml", "--json")
        report: dict[str, Any] = json.loads(run.stdout)
        return report

    def send(self, events: list[bytes], *, first: int = 0) -> None:
        """Write events as the collector does."""
        asyncio.run(self._send(events, first=first))

    async def _send(self, events: list[bytes], *, first: int) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.broker.bootstrap, enable_idempotence=True) as producer:
            for number, line in enumerate(events, start=first):
                headers = [("collector", b"lakeview-tap"), ("seq", b"%d" % number)]
                await producer.send(FLOWS, line, key=json.loads(line)["device"].encode(), headers=headers)
            await producer.flush()

    def wait_for(self, expected: dict[str, Any]) -> None:
        """Wait until the store holds this report, field by field."""
        deadline = time.monotonic() + 4 * PATIENCE_S
        while report_now(self.config) != expected and time.monotonic() < deadline:
            time.sleep(0.2)
        assert stored_report(self.config) == expected, self.said(len(self._started) - 1)

    def close(self) -> None:
        """End what still runs."""
        for program in self._started:
            program.kill()


@pytest.fixture
def here(tmp_path: Path, mortal_broker: KafkaBroker) -> Iterator[District]:
    district = District(tmp_path / "district", mortal_broker)
    yield district
    district.close()


def case_versions(bootstrap: str) -> dict[str, int]:
    """The highest committed version of each case in the topic of cases."""

    async def read() -> dict[str, int]:
        found: dict[str, int] = {}
        reader = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False
        )
        async with reader:
            places = [TopicPartition(CASES, number) for number in range(6)]
            reader.assign(places)
            await reader.seek_to_beginning()
            ends = await reader.end_offsets(places)
            while any([await reader.position(place) < ends[place] for place in places]):
                for messages in (await reader.getmany(timeout_ms=500)).values():
                    told = [json.loads(message.value) for message in messages]
                    found |= {each["id"]: max(each["version"], found.get(each["id"], 0)) for each in told}
        return found

    return asyncio.run(asyncio.wait_for(read(), 4 * PATIENCE_S))


def test_what_a_judge_killed_before_it_reached_the_store_had_committed_is_stored_by_the_next(here: District) -> None:
    here.send(here.day)
    first, _ = here.judge()
    here.wait_for(here.checked(here.day))
    (case, *_) = [each for each in stored_report(here.config)["cases"] if each["rule"] == "use-paused"]
    told = [json.loads(line) for line in here.day]
    (model, *_) = [each for each in told if (each["server_name"] or "").endswith(case["subject"]) and each["school"]]
    extra = json.dumps({**model, "id": "one-flow-more", "part": 0}).encode()
    stored = {each: version for each, version in case_versions(here.broker.bootstrap).items() if each == case["id"]}

    with sqlite3.connect(here.folder / "cases.db", isolation_level=None) as store:
        # Nobody else can write to the store now: the judge commits its transaction, and waits.
        store.execute("BEGIN IMMEDIATE")
        here.send([extra], first=len(here.day))
        until(
            lambda: case_versions(here.broker.bootstrap)[case["id"]] > stored[case["id"]], what="a version in the topic"
        )
        first.kill()
        (version,) = store.execute("SELECT version FROM cases WHERE id = ?", [case["id"]]).fetchone()
        store.execute("ROLLBACK")
    assert version == stored[case["id"]]
    here.judge()
    here.wait_for(here.checked([*here.day, extra]))


@pytest.mark.parametrize("words", [(), ("--instance", "one")])
def test_a_judge_that_is_asked_to_stop_while_the_broker_is_away_ends_in_order_within_seconds(
    here: District, words: tuple[str, ...]
) -> None:
    here.send(here.day[:700])
    judge, _ = here.judge(*words)
    until(lambda: bool(report_now(here.config)["coverage"]["flows"]), what="the first cases")
    here.broker.kill()
    judge.signal(signal.SIGTERM)
    assert judge.wait(limit_s=PATIENCE_S) == 0, here.said()
    assert "stopped as asked" in here.said()
    assert "Traceback" not in here.said()
    assert "never retrieved" not in here.said()


def judged(listen: str) -> float:
    """Flows that a judge has judged, look-ups included."""
    found = re.findall(r"^schoolgate_flows_total\{[^}]*\} ([0-9.e+]+)$", scrape(listen), re.MULTILINE)
    return sum(map(float, found))


def partition_of(line: bytes) -> int:
    """The partition into which every Kafka client puts this event."""
    hashed: int = murmur2(json.loads(line)["device"].encode())
    return (hashed & 0x7FFFFFFF) % PARTITIONS


async def while_a_restore_stands_still(bootstrap: str, *, partition: int, doing: Callable[[], None]) -> None:
    """Do something while the state of one partition cannot be read to its end: a transaction stands open in it."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="stands-still") as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(ENGINE_STATE, b"x", key=b"barrier", partition=partition)
        await asyncio.to_thread(doing)
        await producer.abort_transaction()


def test_open_partitions_are_judged_while_another_is_being_restored(here: District) -> None:
    slow = partition_of(here.day[0])
    others = [line for line in here.day if partition_of(line) != slow]
    whole = [json.loads(line)["part"] == 0 for line in others]
    waves, size = 6, 50
    assert len(others) > waves * size

    def in_waves() -> None:
        _, listen = here.judge()
        until(lambda: "partitions [0, " in here.said(), what="the judge to join")
        for wave in range(waves):
            here.send(others[wave * size : (wave + 1) * size], first=wave * size)
            expected = sum(whole[: (wave + 1) * size])
            until(lambda expected=expected: judged(listen) == expected, what=f"wave {wave}")  # type: ignore[misc]

    asyncio.run(while_a_restore_stands_still(here.broker.bootstrap, partition=slow, doing=in_waves))
    # A restore that stands still is given up after 20 s; had the rest waited for it, each wave had taken as long.
    assert len(re.findall(rf"schoolgate\.flows {slow}: ", here.said())) < waves - 2
    rest = [line for line in here.day if line not in set(others[: waves * size])]
    here.send(rest, first=waves * size)
    here.wait_for(here.checked(here.day))


def test_a_static_member_that_comes_back_to_topics_made_anew_with_fewer_partitions_goes_on(here: District) -> None:
    first, _ = here.judge("--instance", "one")
    until(lambda: f"partitions [{', '.join(map(str, range(PARTITIONS)))}]" in here.said(), what="the judge to join")
    first.kill()
    asyncio.run(make_anew(here.broker.bootstrap, flows=4, findings=3))
    here.judge("--instance", "one")
    here.send(here.day)
    here.wait_for(here.checked(here.day))
    assert "Traceback" not in here.said(1)
