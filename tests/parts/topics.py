"""The product's topics on a broker for tests: made anew and empty, and whether a group has read all there is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError

from collector.brokers import Connection
from collector.cluster import cluster
from collector.topics import TOPICS
from tests.parts.sockets import given_back

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A busy machine may take seconds for what takes a tenth of one; a broker that is gone shall still end the test.
LIMIT_S = 60.0
POLL_MS = 200
PLAINTEXT: Final = {"security_protocol": "PLAINTEXT"}


def make_topics(bootstrap: str) -> None:
    """Make every topic of the product, each with one replica."""

    async def make() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            wanted = [
                NewTopic(
                    topic.name, num_partitions=topic.partitions, replication_factor=1, topic_configs=topic.settings
                )
                for topic in TOPICS
            ]
            answer = await admin.create_topics(wanted)
        finally:
            await admin.close()
        # The broker puts its refusals into the answer, and the library raises none of them.
        refused = [error for error in answer.topic_errors if error[1]]
        assert not refused, refused

    asyncio.run(asyncio.wait_for(make(), LIMIT_S))


def remove_topics(bootstrap: str, *, login: Mapping[str, Any] = PLAINTEXT) -> None:
    """Remove every topic that programs made, and return when the broker knows none of them, and no member of a group.

    Where the groups stood goes with the topics; a member that was killed is forgotten when its session ends.

    Args:
        bootstrap: the broker.
        login: what aiokafka's clients need there.
    """

    async def remove() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **login)
        await admin.start()
        try:
            groups = await _groups(admin)
            while names := [name for name in await admin.list_topics() if not name.startswith("__")]:
                await admin.delete_topics(names)
                await asyncio.sleep(POLL_MS / 1_000)
            while await _in_use(bootstrap, groups=groups, login=login):  # noqa: ASYNC110 -- a broker calls nobody
                await asyncio.sleep(POLL_MS / 1_000)
        finally:
            await admin.close()
            await given_back()

    asyncio.run(asyncio.wait_for(remove(), LIMIT_S))


def remove_rights(bootstrap: str, *, login: Mapping[str, Any]) -> None:
    """Remove every right that anybody was given."""

    async def remove() -> None:
        async with cluster(Connection(bootstrap=(bootstrap,), user=None, client=dict(login))) as there:
            for acl in await there.acls() or ():
                await there.take_away(acl)
        await given_back()

    asyncio.run(asyncio.wait_for(remove(), LIMIT_S))


async def _in_use(bootstrap: str, *, groups: Iterable[str], login: Mapping[str, Any]) -> bool:
    # aiokafka's own way to describe a group stumbles over members that name an instance.
    async with cluster(Connection(bootstrap=(bootstrap,), user=None, client=dict(login))) as there:
        found = [await there.group(group) for group in groups]
    return any(group is not None and group.members for group in found)


def all_read(bootstrap: str, *, groups: Mapping[str, str]) -> bool:
    """Return whether each group has taken every committed record of its topic.

    Args:
        bootstrap: the broker.
        groups: consumer group -> topic.
    """

    async def ask() -> bool:
        for group, topic in groups.items():
            if await _has_more(bootstrap, group=group, topic=topic):
                return False
        return True

    return asyncio.run(asyncio.wait_for(ask(), LIMIT_S))


async def _groups(admin: AIOKafkaAdminClient) -> list[str]:
    """Return the names of all groups; a broker that has just started reads them first."""
    while True:
        try:
            return [name for name, _kind in await admin.list_consumer_groups()]
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
            await asyncio.sleep(POLL_MS / 1_000)


async def _has_more(bootstrap: str, *, group: str, topic: str) -> bool:
    """Read on from where the group stands: the numbers alone count marks of transactions, too."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, isolation_level="read_committed")
    await admin.start()
    try:
        await reader.start()
        (told,) = await admin.describe_topics([topic])
        places = [TopicPartition(topic, each["partition"]) for each in told["partitions"]]
        try:
            stands = await admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:  # no group has ever been on this broker
            stands = {}
        except GroupLoadInProgressError:  # it has just started: nobody can say yet
            return True
        reader.assign(places)
        ends = await reader.end_offsets(places)
        for place in places:
            reader.seek(place, max(stands[place].offset, 0) if place in stands else 0)
        while any([await reader.position(place) < ends[place] for place in places]):
            if await reader.getmany(timeout_ms=POLL_MS, max_records=1):
                return True
    finally:
        await reader.stop()
        await admin.close()
    return False
