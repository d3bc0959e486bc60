"""What the broker holds: each topic with its retention as the broker really has it, its oldest record, how many."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from collector import topics
from collector.broker_requests import BEGINNING, END
from collector.brokers import BrokerError, connection, dial
from collector.cluster import cluster
from schoolgate.held_place import Held

if TYPE_CHECKING:
    from pathlib import Path

    from collector.cluster import Cluster, TopicThere
    from schoolgate.configuration import Configuration

WORDS: Final = {
    topics.FLOWS: "flow events: pseudonyms of a day, names, times",
    topics.ENGINE_STATE: "state of judging: keys of open days, sums, ids seen, contacts",
    topics.FINDINGS: "what one device-day means for a promise, counts of contacts, on their way to the state of cases",
    topics.CASE_STATE: "state of cases: what is left of findings and counts (as long as findings), cases",
    topics.CASES: "every version of a case; the last of each is kept",
    topics.AGREEMENTS: "the published agreements; nothing about devices",
    topics.DEAD_LETTERS: "records that could not be judged, as they came",
}
PREFIX: Final = "schoolgate."
FIRST: Final = 0
"""Asked for the first record of any time, a broker tells its time as well."""


async def held_topics(settings: Configuration, *, config: Path, now: datetime) -> list[Held]:
    """Return what lies in the topics of the broker in *settings*."""
    to = connection(settings.kafka, config=config)
    privacy = settings.privacy
    wanted = topics.kept_for(flow_hours=privacy.flow_retention_hours, finding_days=privacy.finding_retention_days)
    try:
        await dial(to)
        admin = AIOKafkaAdminClient(**to.options)
        await admin.start()
        try:
            there = sorted(name for name in await admin.list_topics() if name.startswith(PREFIX))
        finally:
            await admin.close()
        async with cluster(to) as broker:
            found = [await _held(topic, broker=broker, now=now) for topic in wanted if topic.name in there]
    except (BrokerError, KafkaError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        return [Held(place="topic", name=", ".join(to.bootstrap), what="the broker", keep="unknown", unseen=reason)]
    strange = [name for name in there if name not in topics.PLACES]
    found += [
        Held(place="topic", name=name, what="unknown", keep="unknown", overdue="nobody knows what this is")
        for name in strange
    ]
    missing = [topic.name for topic in wanted if topic.name not in there]
    return found + [Held(place="topic", name=name, what=WORDS[name], count=0, keep="not there") for name in missing]


async def _held(topic: topics.Topic, *, broker: Cluster, now: datetime) -> Held:
    view = await broker.view([topic.name])
    has = view.topics[topic.name]
    try:
        settings = (await broker.settings([topic.name]))[topic.name]
    except TopicAuthorizationFailedError:
        settings = {}
    count, oldest = await _records(has, broker=broker)
    keep, wrong = _policy(topic, settings=settings)
    late = (
        topic.retention_ms is not None
        and oldest is not None
        and now - oldest > timedelta(milliseconds=topic.retention_ms * 13 // 12) + timedelta(hours=2)
    )
    overdue = wrong or ("a record is older than that: look at the broker's log cleaner" if late else "")
    return Held(
        place="topic", name=topic.name, what=WORDS[topic.name], count=count, keep=keep, overdue=overdue,
        since=None if oldest is None else oldest.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )  # fmt: skip


def _policy(topic: topics.Topic, *, settings: dict[str, str]) -> tuple[str, str]:
    """Return how long the broker keeps it, as it has it, and what is wrong with that."""
    if not settings:
        return "the broker shows it to its administrator only", ""
    kept = int(settings["retention.ms"])
    cleanup = set(settings["cleanup.policy"].split(","))
    words = "the last record of each key" if "compact" in cleanup else "every record"
    if "delete" in cleanup and kept >= 0:
        words += (
            f", {kept / topics.HOUR_MS:,.0f} hours" if kept < topics.DAY_MS * 4 else f", {kept // topics.DAY_MS} days"
        )
    if topic.deletes:
        words += " at most: judges delete what they have judged when its day is over"
    wanted = topic.retention_ms
    longer = wanted is not None and ("delete" not in cleanup or kept < 0 or kept > wanted)
    return words, "the broker keeps it for longer than the policy: run `schoolgate kafka setup`" if longer else ""


async def _records(has: TopicThere, *, broker: Cluster) -> tuple[int, datetime | None]:
    """Return how many offsets a topic spans, which is no less than its records, and when the first came."""
    first, begin, end = await asyncio.gather(
        broker.offsets(has, at=FIRST), broker.offsets(has, at=BEGINNING), broker.offsets(has, at=END)
    )
    count = sum(end[number][0] - begin[number][0] for number in end)
    times = [time for _offset, time in first.values() if time >= 0]
    return count, datetime.fromtimestamp(min(times) / 1000, tz=UTC) if times else None
