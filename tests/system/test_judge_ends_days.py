"""What was judged of a day that is over goes from the broker, whoever dies or refuses meanwhile, and costs nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from collector.brokers import Connection
from collector.cluster import cluster
from collector.topics import FINDINGS, FLOWS, JUDGE_GROUPS, PLACES
from tests.parts.topics import all_read
from tests.system.judged_district import JudgedDistrict
from tests.system.product import report_now, scrape, stored_report, until

# What becomes of one stage alone tests/rules/test_spent_records.py asks in a tenth of the time.
pytestmark = [pytest.mark.kafka, pytest.mark.long]

# Two hours after midnight of the sample day in its zone.
NIGHT = datetime(2026, 10, 7, 7, 0, tzinfo=UTC)
NAME = b"lakeview-tap"
ONE = ("--instance", "one")
"""The group gives a member of a name what it had, and need not wait for the session of the one that was killed."""
EACH = 6
"""One of so many events of the day will do: every partition has some."""


def set_topic(bootstrap: str, topic: str, **settings: str) -> None:
    async def at_once() -> None:
        async with cluster(Connection(bootstrap=(bootstrap,), user=None, client={})) as there:
            await there.view([topic])
            await there.set(topic, settings={name.replace("_", "."): value for name, value in settings.items()})

    asyncio.run(at_once())


def send(bootstrap: str, lines: Iterable[bytes], *, first: int = 0, at: datetime | None = None) -> None:
    """Write events as the collector does, as taken by the broker at a time; None: when each flow had ended."""

    async def at_once() -> None:
        async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
            for number, line in enumerate(lines, start=first):
                event = json.loads(line)
                taken = at or datetime.fromisoformat(event["ended_at"]) + timedelta(seconds=1)
                headers = [("collector", NAME), ("seq", b"%d" % number)]
                key = event["device"].encode()
                await producer.send(FLOWS, line, key=key, headers=headers, timestamp_ms=milliseconds(taken))
            await producer.flush()

    asyncio.run(at_once())


def tell_time(bootstrap: str, at: datetime) -> None:
    """Write a watermark to every partition, as the collector does."""

    async def at_once() -> None:
        value = json.dumps({"collector": NAME.decode(), "through": at.isoformat(), "end": False}).encode()
        async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
            for number in range(PLACES[FLOWS].partitions):
                await producer.send(
                    FLOWS, value, partition=number, headers=[("kind", b"watermark")], timestamp_ms=milliseconds(at)
                )
            await producer.flush()

    asyncio.run(at_once())


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def offsets(bootstrap: str, topic: str) -> dict[int, tuple[int, int]]:
    """Return where each partition begins and ends."""

    async def ask() -> dict[int, tuple[int, int]]:
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as reader:
            places = [TopicPartition(topic, number) for number in range(PLACES[topic].partitions)]
            begins, ends = await reader.beginning_offsets(places), await reader.end_offsets(places)
        return {place.partition: (begins[place], ends[place]) for place in places}

    return asyncio.run(ask())


def events_in(bootstrap: str, topic: str) -> int:
    """Return how many events, or findings, a consumer finds that has never been here."""

    async def read() -> int:
        found = 0
        async with AIOKafkaConsumer(
            bootstrap_servers=bootstrap, enable_auto_commit=False, isolation_level="read_committed"
        ) as reader:
            places = [TopicPartition(topic, number) for number in range(PLACES[topic].partitions)]
            reader.assign(places)
            await reader.seek_to_beginning()
            ends = await reader.end_offsets(places)
            while any([await reader.position(place) < ends[place] for place in places]):
                for messages in (await reader.getmany(timeout_ms=200)).values():
                    found += sum("kind" not in dict(message.headers) for message in messages)
        return found

    return asyncio.run(asyncio.wait_for(read(), 60))


def until_judged(judging: JudgedDistrict, events: Iterable[bytes]) -> dict[str, Any]:
    """Wait until these events, and no more, are counted, and both stages have read all there is; return the report."""
    told = [json.loads(line) for line in events]
    flows = sum(each["app"] != "dns" and each["part"] == 0 for each in told)
    until(lambda: report_now(judging.config)["coverage"]["flows"] == flows, what=f"{flows} flows")
    until(lambda: all_read(judging.broker.bootstrap, groups=JUDGE_GROUPS), what="everything to be judged")
    return stored_report(judging.config)


def test_what_was_judged_of_a_lived_day_goes_from_the_broker_whoever_dies_or_refuses(judging: JudgedDistrict) -> None:
    bootstrap, day = judging.broker.bootstrap, judging.day[::EACH]
    # Records are to lie there as if they had come on the day itself.
    set_topic(bootstrap, FLOWS, message_timestamp_type="CreateTime", retention_ms="-1")
    send(bootstrap, day)
    first, _ = judging.judge(*ONE)
    before = until_judged(judging, day)
    first.kill()

    tell_time(bootstrap, NIGHT)
    lay = offsets(bootstrap, FLOWS)
    lived = [number for number, (begin, end) in lay.items() if end > begin + 1]
    assert len(lived) > 1
    # This broker refuses to delete from a topic that it compacts.
    set_topic(bootstrap, FLOWS, cleanup_policy="compact")
    second, listen = judging.judge(*ONE)
    until(lambda: "what was judged of days that are over is not deleted" in judging.said(1), what="a refusal")
    assert until_judged(judging, day) == before
    assert f'schoolgate_failed_deletions_total{{source="devices"}} {len(lived)}.0' in scrape(listen)
    assert judging.said(1).count("is not deleted") == 1
    assert offsets(bootstrap, FLOWS) == lay
    second.kill()

    set_topic(bootstrap, FLOWS, cleanup_policy="delete")
    judging.judge(*ONE)
    until(lambda: events_in(bootstrap, FLOWS) == 0, what="no event")
    until(lambda: events_in(bootstrap, FINDINGS) == 0, what="no finding")
    left = offsets(bootstrap, FLOWS)
    assert all(left[number][0] == lay[number][1] for number in lived)

    # What the collector sends again is known, and what comes late counts once.
    late = judging.day[1 :: 5 * EACH]
    send(bootstrap, day[-5:], first=len(day) - 5, at=NIGHT)
    send(bootstrap, late, first=len(day), at=NIGHT)
    assert until_judged(judging, [*day, *late])["duplicates"] == 0
    assert "Traceback" not in "".join(map(judging.said, range(3)))
