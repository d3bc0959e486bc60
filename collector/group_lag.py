"""How far a consumer group is behind, partition by partition, and who is in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.acls import DESCRIBE
from collector.broker_requests import BEGINNING, END

if TYPE_CHECKING:
    from collector.cluster import Cluster, TopicThere


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """One partition of the topic that a group reads."""

    partition: int
    committed: int | None
    """Offset at which the group goes on; None: it has never committed here."""
    end: int
    """Offset that the next record gets."""
    lag: int
    """Offsets in between: records, and the marks that transactions leave behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLag:
    """A consumer group."""

    group: str
    topic: str
    """What it reads."""
    state: str
    """Kafka's word: Stable, Empty (nobody is in it), Dead (it has never been), PreparingRebalance, ..."""
    members: tuple[str, ...]
    """Where each member calls from."""
    lag: int
    """Over all partitions."""
    partitions: tuple[PartitionLag, ...]


async def group_lag(cluster: Cluster, group: str, *, topic: TopicThere) -> GroupLag | None:
    """Return how far *group* is behind in *topic*; None: this login may not look at the one or the other.

    Raises:
        KafkaError: the broker does not tell.
    """
    if DESCRIBE not in topic.operations:
        return None
    there = await cluster.group(group)
    if there is None:
        return None
    # Asked for before the end: the other way round a busy group would seem to be ahead.
    committed = await cluster.committed(group, topic=topic)
    beginnings = await cluster.offsets(topic, at=BEGINNING)
    ends = await cluster.offsets(topic, at=END)
    partitions = []
    for number, (end, _) in sorted(ends.items()):
        at = committed.get(number, -1)
        # A group that has never committed, or not for longer than records are kept, begins with the first there is.
        lag = max(0, end - max(beginnings[number][0], at))
        partitions.append(PartitionLag(partition=number, committed=at if at >= 0 else None, end=end, lag=lag))
    return GroupLag(
        group=group,
        topic=topic.name,
        state=there.state,
        members=there.members,
        lag=sum(each.lag for each in partitions),
        partitions=tuple(partitions),
    )
