"""Looks at a broker as one login sees it: `schoolgate kafka check`. Changes nothing.

What a login may do is asked of the broker itself, so a plain role gets an answer without any right on the cluster.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, get_args

from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from collector.acls import DELETE, DESCRIBE, GROUP, READ, TOPIC, WRITE, needs
from collector.broker_release import Release, release_of
from collector.broker_requests import NEWEST
from collector.brokers import BrokerError, dial
from collector.group_lag import GroupLag, group_lag
from collector.topic_setup import TopicSetup
from collector.topics import FLOWS, JUDGE_GROUPS, PLACES, TOPICS, USERS, Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collector.acls import Right
    from collector.brokers import Connection
    from collector.cluster import Cluster, TopicThere, View
    from collector.topics import Topic

ROLES: Final[tuple[Role, ...]] = get_args(Role)
# Nobody works under this name, so asking about it disturbs nobody.
PROBE: Final = "-check"
MAY: Final = ((READ, "read"), (WRITE, "write"), (DELETE, "delete"))
# The broker's clock stamps records and decides what is too old or from the future; a minute is no matter.
CLOCK_MAY_DIFFER_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that is wrong."""

    what: str
    """One line for a person."""
    remedy: str
    """What to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSeen:
    """One broker of the cluster."""

    address: str
    """HOST:PORT as the cluster tells its clients."""
    login_ms: float | None
    """How long it took to log in; None: it could not be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSeen:
    """Whether this login can work as a role."""

    role: Role
    can: bool
    missing: tuple[str, ...]
    """What it may not do and would have to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSeen:
    """One topic."""

    name: str
    seen: bool
    """False: this login may not look at it."""
    partitions: int
    """0: there is no such topic, or it is not seen."""
    copies: int
    """Brokers that keep a record, in the partition that has the fewest."""
    may: tuple[str, ...]
    """What this login may do with it: read, write, delete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """All that one look at a broker showed."""

    login: str | None
    """User that we logged in with; None: no login."""
    cluster: str
    """Id of the cluster."""
    release: Release
    brokers: tuple[BrokerSeen, ...]
    guarded: bool
    """False: this broker checks no rights at all."""
    roles: tuple[RoleSeen, ...]
    topics: tuple[TopicSeen, ...]
    groups: tuple[GroupLag, ...]
    """The judge's groups that this login may look at."""
    newest_flow_s: float | None
    """How long ago, by our clock, the broker stamped the newest record of flows; negative: its clock is ahead of ours.
    None: there is no record, or it is not seen."""
    troubles: tuple[Trouble, ...]
    notes: tuple[str, ...]
    """What is not wrong and worth knowing."""


class BrokerCheck:
    """One look at a cluster.

    Args:
        cluster: where.
        to: how we reach it.
        users: names on the broker of each role.
        role: what this login is meant to be; None: anything.
        topics: the topics as they should be.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        to: Connection,
        users: Mapping[Role, tuple[str, ...]] = USERS,
        role: Role | None = None,
        topics: Sequence[Topic] = TOPICS,
    ) -> None:
        self._topics = topics
        self._cluster = cluster
        self._to = to
        self._users = users
        self._role = role
        self._troubles: list[Trouble] = []
        self._notes: list[str] = []

    async def inspect(self) -> Inspection:
        """Look at everything that this login may look at.

        Raises:
            KafkaError: the broker does not tell even what everybody may ask.
        """
        versions, features = await self._cluster.versions()
        release = release_of(versions, features=features)
        self._troubles += [Trouble(what=fault, remedy=release.remedy) for fault in release.faults]
        view = await self._cluster.view(PLACES)
        brokers = await self._brokers(view)
        guarded = await self._rights()
        await self._settings(view)
        roles = tuple([await self._can(role, view=view) for role in ROLES])
        self._judge_roles(roles, view=view, guarded=guarded)
        self._judge_partitions(view)
        groups = [
            await group_lag(self._cluster, group, topic=view.topics[name]) for group, name in JUDGE_GROUPS.items()
        ]
        return Inspection(
            login=self._to.user,
            cluster=view.cluster_id,
            release=release,
            brokers=brokers,
            guarded=guarded,
            roles=roles,
            topics=tuple(_seen(view.topics[topic.name]) for topic in TOPICS),
            groups=tuple(group for group in groups if group is not None),
            newest_flow_s=await self._newest(view.topics[FLOWS]),
            troubles=tuple(self._troubles),
            notes=tuple(self._notes),
        )

    async def _brokers(self, view: View) -> tuple[BrokerSeen, ...]:
        """Log in to every broker where the cluster says that it is: clients must reach them all."""
        seen = []
        for address in view.brokers.values():
            began = time.monotonic()
            try:
                await dial(replace(self._to, bootstrap=(address,)))
            except BrokerError as fault:
                remedy = "correct `advertised.listeners` on that broker, or the way from here to it"
                self._troubles.append(Trouble(what=f"the cluster names a broker at {address}: {fault}", remedy=remedy))
                seen.append(BrokerSeen(address=address, login_ms=None))
            else:
                seen.append(BrokerSeen(address=address, login_ms=round((time.monotonic() - began) * 1000, 1)))
        return tuple(seen)

    async def _rights(self) -> bool:
        """Compare the ACLs where we may see them; return whether the broker checks rights at all."""
        setup = TopicSetup(self._cluster, users=self._users, topics=self._topics)
        try:
            wrong = await setup.right_differences()
        except ClusterAuthorizationFailedError:
            self._notes.append("the rights of other users are shown to the broker's administrator only")
            return True
        self._troubles += [Trouble(what=each.what, remedy=each.remedy) for each in wrong]
        self._notes += setup.remarks
        if not setup.guarded:
            self._notes.append("this broker checks no rights: whoever reaches it may read and write everything")
        return setup.guarded

    async def _settings(self, view: View) -> None:
        """Compare topics with what they should be, as far as this login may see it."""
        setup = TopicSetup(self._cluster, users=self._users, topics=self._topics)
        try:
            for each in await setup.topic_differences():
                if each.harmless:
                    self._notes.append(f"{each.what}; {each.remedy}")
                else:
                    self._troubles.append(Trouble(what=each.what, remedy=each.remedy))
        except TopicAuthorizationFailedError:
            self._notes.append("the settings of topics are shown to the broker's administrator only")
            for topic in TOPICS:
                there = view.topics[topic.name]
                if there.seen and not there.partitions:
                    self._troubles.append(Trouble(what=f"topic {topic.name} is missing", remedy=_ADMINISTRATOR))

    async def _can(self, role: Role, *, view: View) -> RoleSeen:
        user = self._to.user or "anybody"
        denied = [right for right in sorted(set(needs(role, user=user))) if not await self._may(right, view=view)]
        told = [str(right).removeprefix(f"{user} may ") for right in denied]
        return RoleSeen(role=role, can=not denied, missing=tuple(told))

    async def _may(self, right: Right, *, view: View) -> bool:
        if right.resource == TOPIC:
            there = view.topics[right.name]
            # What does not exist is a trouble of its own, and no matter of rights.
            return there.seen and (not there.partitions or right.operation in there.operations)
        if right.resource == GROUP:
            group = await self._cluster.group(right.name + PROBE)
            return group is not None and right.operation in group.operations
        if right.operation == DESCRIBE:
            return await self._cluster.may_describe_transactions(right.name + PROBE)
        return await self._cluster.may_write_transactions(right.name + PROBE)

    def _judge_roles(self, roles: tuple[RoleSeen, ...], *, view: View, guarded: bool) -> None:
        can = {each.role for each in roles if each.can}
        meant = [each for each in roles if each.role == self._role and not each.can]
        for each in meant:
            what = f"this login cannot work as {each.role}: it may not {', nor '.join(each.missing)}"
            self._troubles.append(Trouble(what=what, remedy=_ADMINISTRATOR))
        if not can and not meant:
            what = "this login can be neither collector nor judge, publisher or dashboard"
            self._troubles.append(Trouble(what=what, remedy=f"log in as another user, or name this one: {_NAME_USER}"))
        if not guarded:
            return
        if len(can) == len(ROLES):
            self._notes.append("this login may do everything: good for `kafka setup`; give each program its own")
            return
        granted = {(right.name, right.operation) for role in can for right in needs(role, user="")}
        for topic in TOPICS:
            for operation, word in MAY:
                beyond = operation in view.topics[topic.name].operations and (topic.name, operation) not in granted
                if can and beyond:
                    what = f"this login may {word} {topic.name}, which {' and '.join(sorted(can))} has no use for"
                    self._troubles.append(Trouble(what=what, remedy=_ADMINISTRATOR))

    def _judge_partitions(self, view: View) -> None:
        for topic in view.topics.values():
            headless = [each.number for each in topic.partitions if each.leader < 0]
            behind = [each.number for each in topic.partitions if len(each.in_sync) < len(each.replicas)]
            if headless:
                what = f"topic {topic.name}: nobody leads partitions {headless}"
                self._troubles.append(Trouble(what=what, remedy="start the brokers that keep them"))
            elif behind:
                self._notes.append(f"topic {topic.name}: a copy of partitions {behind} is behind; is a broker away?")

    async def _newest(self, flows: TopicThere) -> float | None:
        if DESCRIBE not in flows.operations or not flows.partitions:
            return None
        try:
            stamps = [stamp for _, stamp in (await self._cluster.offsets(flows, at=NEWEST)).values() if stamp >= 0]
        except KafkaError as fault:
            self._notes.append(f"the broker does not tell the time of its newest record ({fault})")
            return None
        if not stamps:
            return None
        age = round(time.time() - max(stamps) / 1000, 1)
        if age < -CLOCK_MAY_DIFFER_S:
            what = f"the broker's clock is at least {-age:.0f} s ahead of this host's"
            self._troubles.append(Trouble(what=what, remedy="set both clocks by NTP"))
        return age


_ADMINISTRATOR: Final = "run `schoolgate kafka setup` as the broker's administrator"
_NAME_USER: Final = "`schoolgate kafka setup --user ROLE=NAME`, as the broker's administrator"


def _seen(topic: TopicThere) -> TopicSeen:
    words = tuple(word for operation, word in MAY if operation in topic.operations)
    copies = min((len(each.replicas) for each in topic.partitions), default=0)
    return TopicSeen(name=topic.name, seen=topic.seen, partitions=len(topic.partitions), copies=copies, may=words)
