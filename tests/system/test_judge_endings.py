"""How a judge ends and begins against a real broker: killed before the store, asked to stop, kept waiting."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import murmur2

from collector.topics import CASES, ENGINE_STATE, FLOWS, TOPICS
from tests.parts.patience import PATIENCE_S
from tests.system.judged_district import JudgedDistrict
from tests.system.product import (
    report_now,
    scrape,
    stored_report,
    until,
)

pytestmark = pytest.mark.kafka

PARTITIONS = next(topic.partitions for topic in TOPICS if topic.name == FLOWS)


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


def test_what_a_judge_killed_before_it_reached_the_store_had_committed_is_stored_by_the_next(
    judging: JudgedDistrict,
) -> None:
    judging.send(judging.day)
    first, _ = judging.judge()
    judging.wait_for(judging.checked(judging.day))
    (case, *_) = [each for each in stored_report(judging.config)["cases"] if each["rule"] == "use-paused"]
    told = [json.loads(line) for line in judging.day]
    (model, *_) = [each for each in told if (each["server_name"] or "").endswith(case["subject"]) and each["school"]]
    extra = json.dumps({**model, "id": "one-flow-more", "part": 0}).encode()
    stored = {each: version for each, version in case_versions(judging.broker.bootstrap).items() if each == case["id"]}

    with sqlite3.connect(judging.folder / "cases.db", isolation_level=None) as store:
        # Nobody else can write to the store now: the judge commits its transaction, and waits.
        store.execute("BEGIN IMMEDIATE")
        judging.send([extra], first=len(judging.day))
        until(
            lambda: case_versions(judging.broker.bootstrap)[case["id"]] > stored[case["id"]],
            what="a version in the topic",
        )
        first.kill()
        (version,) = store.execute("SELECT version FROM cases WHERE id = ?", [case["id"]]).fetchone()
        store.execute("ROLLBACK")
    assert version == stored[case["id"]]
    judging.judge()
    judging.wait_for(judging.checked([*judging.day, extra]))


@pytest.mark.parametrize("words", [(), ("--instance", "one")])
def test_a_judge_that_is_asked_to_stop_while_the_broker_is_away_ends_in_order_within_seconds(
    judging: JudgedDistrict, words: tuple[str, ...]
) -> None:
    judging.send(judging.day[:700])
    judge, _ = judging.judge(*words)
    until(lambda: bool(report_now(judging.config)["coverage"]["flows"]), what="the first cases")
    judging.broker.kill()
    judge.signal(signal.SIGTERM)
    assert judge.wait(limit_s=PATIENCE_S) == 0, judging.said()
    assert "stopped as asked" in judging.said()
    assert "Traceback" not in judging.said()
    assert "never retrieved" not in judging.said()


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


def test_open_partitions_are_judged_while_another_is_being_restored(judging: JudgedDistrict) -> None:
    slow = partition_of(judging.day[0])
    others = [line for line in judging.day if partition_of(line) != slow]
    whole = [json.loads(line)["part"] == 0 for line in others]
    waves, size = 6, 50
    assert len(others) > waves * size

    def in_waves() -> None:
        _, listen = judging.judge()
        until(lambda: "partitions [0, " in judging.said(), what="the judge to join")
        for wave in range(waves):
            judging.send(others[wave * size : (wave + 1) * size], first=wave * size)
            expected = sum(whole[: (wave + 1) * size])
            until(lambda expected=expected: judged(listen) == expected, what=f"wave {wave}")  # type: ignore[misc]

    asyncio.run(while_a_restore_stands_still(judging.broker.bootstrap, partition=slow, doing=in_waves))
    # A restore that stands still is given up after 20 s; had the rest waited for it, each wave had taken as long.
    assert len(re.findall(rf"schoolgate\.flows {slow}: ", judging.said())) < waves - 2
    rest = [line for line in judging.day if line not in set(others[: waves * size])]
    judging.send(rest, first=waves * size)
    judging.wait_for(judging.checked(judging.day))
