"""Makes topics and rights on a broker as they should be, and says what is not: `schoolgate kafka setup`.

It makes and corrects what is ours, and takes rights away that our users have beyond their role. No topic, no record and
nothing that belongs to anybody else is ever touched, and no key of a topic in use is moved without being asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aiokafka.errors import TopicAuthorizationFailedError

from collector.acls import missing, remarks, rights, too_many
from collector.broker_requests import END
from collector.topics import IN_SYNC, PLACES, REPLICAS, TOPICS, USERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from collector.cluster import Cluster, TopicThere, View
    from collector.topics import Role, Topic

_MOVED = {
    "lasting": "what is known under a key would stay behind where the key lay before. It works as it is, with at most "
    "that many judges of this stage at once; to have more, start with empty topics",
    "daily": "a device's events would lie in two partitions on that day. It works as it is, with that many judges at "
    "once; to have more, stop the collectors when their spools are empty, wait until the judges have no lag, run "
    "`schoolgate kafka setup --raise-partitions` before the first lesson, and start them again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something on the broker that is not as it should be."""

    what: str
    """One line for a person."""
    change: Callable[[], Awaitable[None]] | None
    """Sets it right; None: that is left to a person."""
    remedy: str = "run `schoolgate kafka setup` as the broker's administrator"
    """What to do about it."""
    harmless: bool = False
    """Everything works meanwhile."""


class TopicSetup:
    """A cluster that is to have our topics and rights.

    Args:
        cluster: where.
        users: names on the broker of each role.
        move_keys: also raise the partitions of topics in use whose keys last a day.
        topics: the topics as they should be.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        users: Mapping[Role, tuple[str, ...]] = USERS,
        move_keys: bool = False,
        topics: Sequence[Topic] = TOPICS,
    ) -> None:
        self._cluster = cluster
        self._topics = topics
        self._wanted = rights(users)
        self._move_keys = move_keys
        self.guarded = True
        """False: this broker checks no rights at all."""
        self.remarks: list[str] = []
        """What somebody should know about rights that are not ours to change."""

    async def differences(self) -> list[Difference]:
        """Return what is not as it should be, in the order in which it is to be set right.

        Raises:
            KafkaError: the broker does not tell.
        """
        return [*await self.topic_differences(), *await self.right_differences()]

    async def topic_differences(self) -> list[Difference]:
        """Return what is wrong with the topics.

        Raises:
            KafkaError: the broker does not tell.
        """
        view = await self._cluster.view(PLACES)
        unseen = [name for name, topic in view.topics.items() if not topic.seen]
        if unseen:
            # It may be there or not: only somebody who may see it can say.
            raise TopicAuthorizationFailedError(unseen)
        there = [view.topics[topic.name] for topic in self._topics if view.topics[topic.name].partitions]
        settings = await self._cluster.settings([topic.name for topic in there])
        found: list[Difference] = []
        for topic in self._topics:
            has = view.topics[topic.name]
            if not has.partitions:
                found.append(self._to_make(topic, view=view))
                continue
            found += await self._partitions(topic, view=view)
            found += self._copies(topic, view=view)
            found += self._settings(topic, has=has, settings=settings[topic.name])
        return found

    async def all_known(self) -> bool:
        """Return whether the broker tells of every topic: one just made is told of a moment after it is there.

        Raises:
            KafkaError: the broker does not tell.
        """
        view = await self._cluster.view(PLACES)
        return all(view.topics[topic.name].partitions for topic in self._topics)

    async def right_differences(self) -> list[Difference]:
        """Return which rights are missing, and which are too many.

        Raises:
            KafkaError: the broker does not tell.
        """
        acls = await self._cluster.acls()
        if acls is None:
            self.guarded = False
            return []
        self.remarks = remarks(self._wanted, acls=acls)
        found = [
            Difference(what=f"right missing: {right}", change=partial(self._cluster.allow, right))
            for right in missing(self._wanted, acls=acls)
        ]
        found += [
            Difference(what=f"right too many: {acl.right}", change=partial(self._cluster.take_away, acl))
            for acl in too_many(self._wanted, acls=acls)
        ]
        return found

    def _to_make(self, topic: Topic, *, view: View) -> Difference:
        partitions = _wanted_partitions(topic, view=view)
        replicas = min(REPLICAS, len(view.brokers))
        settings = {**topic.settings, **_in_sync(replicas)}

        async def change() -> None:
            await self._cluster.create(topic.name, partitions=partitions, replicas=replicas, settings=settings)

        copies = f"{replicas} copies" if replicas > 1 else "1 copy"
        what = f"topic {topic.name} is missing ({partitions} partitions, {topic.cleanup}, {copies})"
        return Difference(what=what, change=change)

    async def _partitions(self, topic: Topic, *, view: View) -> list[Difference]:
        has, wanted = view.topics[topic.name], _wanted_partitions(topic, view=view)
        count = len(has.partitions)
        if count >= wanted:
            return []
        what = f"topic {topic.name} has {count} partitions instead of {wanted}"
        daily = topic.keys == "daily" and self._move_keys
        if topic.keys != "none" and not daily and await self._in_use(has):
            return [Difference(what=what, change=None, remedy=f"left alone: {_MOVED[topic.keys]}", harmless=True)]
        return [Difference(what=what, change=lambda: self._cluster.raise_partitions(topic.name, to=wanted))]

    async def _in_use(self, has: TopicThere) -> bool:
        """Whether anybody ever wrote to it."""
        return any(offset > 0 for offset, _ in (await self._cluster.offsets(has, at=END)).values())

    def _copies(self, topic: Topic, *, view: View) -> list[Difference]:
        fewest = min(len(partition.replicas) for partition in view.topics[topic.name].partitions)
        wanted = min(REPLICAS, len(view.brokers))
        if fewest >= wanted:
            return []
        what = (
            f"topic {topic.name} keeps {fewest} copies of a record instead of {wanted} on {len(view.brokers)} brokers"
        )
        remedy = "left alone: give its partitions more replicas with Kafka's own kafka-reassign-partitions.sh"
        return [Difference(what=what, change=None, remedy=remedy)]

    def _settings(self, topic: Topic, *, has: TopicThere, settings: Mapping[str, str]) -> list[Difference]:
        fewest = min(len(partition.replicas) for partition in has.partitions)
        wanted = {**topic.settings, **_in_sync(fewest)}
        wrong = {name: value for name, value in wanted.items() if settings.get(name) != value}
        if not wrong:
            return []
        told = ", ".join(f"{name} {settings.get(name)} instead of {value}" for name, value in wrong.items())
        return [
            Difference(what=f"topic {topic.name}: {told}", change=lambda: self._cluster.set(topic.name, settings=wrong))
        ]


def _wanted_partitions(topic: Topic, *, view: View) -> int:
    """Return how many partitions a topic is to have: of state, one for each of its input, however many those are."""
    if topic.state_of is None:
        return topic.partitions
    return max(topic.partitions, len(view.topics[topic.state_of].partitions))


def _in_sync(replicas: int) -> dict[str, str]:
    """Return how many copies a record needs before it counts; with fewer replicas than that nothing is written."""
    return {"min.insync.replicas": str(min(IN_SYNC, replicas))}
