"""A Kafka cluster, as far as we ask it and change it: topics, settings, ACLs, groups, offsets.

Everything here says what is, or does what it is told; what should be stands in `topics` and `acls`.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    for_code,
)
from aiokafka.protocol.admin import (
    CreateAclsRequest,
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteAclsRequest,
    DescribeAclsRequest,
    DescribeConfigsRequest,
)
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.transaction import EndTxnRequest

from collector import broker_requests
from collector.acls import ALLOW, Acl, Right
from collector.brokers import BrokerAwayError, BrokerRefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

    from collector.brokers import Connection

T = TypeVar("T")

TIMEOUT_S = 30.0
REQUEST_TIMEOUT_MS = 15_000
# A coordinator of groups is there a moment after the first group asks for it.
COORDINATOR_TRIES = 20
COORDINATOR_PAUSE_S = 0.25
NO_AUTHORIZER: Final = 54
NOT_ALLOWED: Final = (30, 31, 53)
_ANY = 1
_GROUP, _TRANSACTION = 0, 1
_TOPIC_RESOURCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionThere:
    """One partition as it is."""

    number: int
    leader: int
    """Broker that leads it; -1: none."""
    replicas: tuple[int, ...]
    """Brokers that keep it."""
    in_sync: tuple[int, ...]
    """Those of them that have all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicThere:
    """One topic as it is, or as it is shown to this login."""

    name: str
    seen: bool
    """False: this login may not even know whether it exists."""
    partitions: tuple[PartitionThere, ...]
    """In order; none: there is no such topic, or it is not seen."""
    operations: frozenset[int]
    """What this login may do with it, as numbers of the protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A cluster at one moment."""

    cluster_id: str
    brokers: Mapping[int, str]
    """HOST:PORT of each broker, as clients are told."""
    topics: Mapping[str, TopicThere]
    """Those that were asked for, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupThere:
    """One consumer group as it is."""

    state: str
    """Kafka's word: Stable, Empty, Dead (there is none), PreparingRebalance, CompletingRebalance."""
    members: tuple[str, ...]
    """Where each member calls from."""
    operations: frozenset[int]
    """What this login may do with it, as numbers of the protocol."""


class Cluster:
    """Asks and changes a cluster. Each method raises KafkaError where the broker does not tell or do it.

    Args:
        client: aiokafka's client, bootstrapped.
    """

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client
        self._controller = -1

    async def versions(self) -> tuple[dict[int, tuple[int, int]], dict[str, int]]:
        """Return the lowest and highest version of each request by its number, and the features decided on."""
        answer = await self._ask(broker_requests.ask_versions())
        refuse(answer.error_code)
        return {key: (low, high) for key, low, high, _ in answer.apis}, broker_requests.features(answer.tags)

    async def view(self, names: Iterable[str]) -> View:
        """Return the brokers and these topics, and what this login may do with them."""
        answer = (await self._ask(broker_requests.ask_topics(list(names)))).to_object()
        self._controller = answer["controller_id"]
        return View(
            cluster_id=answer["cluster_id"] or "",
            brokers={each["node_id"]: f"{each['host']}:{each['port']}" for each in answer["brokers"]},
            topics={each["name"]: _topic(each) for each in answer["topics"]},
        )

    async def offsets(self, topic: TopicThere, *, at: int) -> dict[int, tuple[int, int]]:
        """Return offset and time (milliseconds; -1: none) of each partition's BEGINNING, END or NEWEST record."""
        by_leader: dict[int, list[int]] = {}
        for partition in topic.partitions:
            by_leader.setdefault(partition.leader, []).append(partition.number)
        found: dict[int, tuple[int, int]] = {}
        for leader, numbers in by_leader.items():
            question = broker_requests.ask_offsets(topic.name, partitions=numbers, at=at)
            for row in (await self._ask(question, node=leader)).to_object()["topics"][0]["partitions"]:
                refuse(row["error_code"])
                found[row["partition"]] = (row["offset"], row["timestamp"])
        return found

    async def settings(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the settings in force of each topic."""
        if not names:
            return {}
        told: dict[str, dict[str, str]] = {}
        answer = await self._ask(DescribeConfigsRequest([(_TOPIC_RESOURCE, name, None) for name in names], False))  # noqa: FBT003 -- a field of the message
        for code, message, _kind, name, entries in answer.resources:
            refuse(code, message)
            told[name] = {entry[0]: entry[1] for entry in entries}
        return told

    async def acls(self) -> list[Acl] | None:
        """Return every ACL there is; None: this broker checks no rights at all."""
        answer = await self._ask(DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY))
        if answer.error_code == NO_AUTHORIZER:
            return None
        refuse(answer.error_code, answer.error_message)
        return [
            Acl(
                right=Right(
                    user=principal.removeprefix("User:"), resource=kind, name=name, pattern=pattern, operation=operation
                ),
                host=host,
                permission=permission,
            )
            for kind, name, pattern, acls in answer.resources
            for principal, host, operation, permission in acls
        ]

    async def group(self, name: str) -> GroupThere | None:
        """Return a group; None: this login may not know of it."""
        try:
            return await _patiently(lambda: self._group(name))
        except GroupAuthorizationFailedError:
            return None

    async def _group(self, name: str) -> GroupThere:
        node = await self._coordinator(name, kind=_GROUP)
        told = (await self._ask(broker_requests.ask_group(name), node=node)).to_object()["groups"][0]
        refuse(told["error_code"])
        return GroupThere(
            state=told["state"],
            members=tuple(sorted(f"{each['client_id']} at {each['client_host']}" for each in told["members"])),
            operations=_bits(told["operations"]),
        )

    async def committed(self, group: str, *, topic: TopicThere) -> dict[int, int]:
        """Return where a group goes on in each partition; -1: it has never committed."""
        return await _patiently(lambda: self._committed(group, topic=topic))

    async def _committed(self, group: str, *, topic: TopicThere) -> dict[int, int]:
        node = await self._coordinator(group, kind=_GROUP)
        asked = [(topic.name, [partition.number for partition in topic.partitions])]
        answer = await self._ask(OffsetFetchRequest(group, asked), node=node)
        refuse(answer.error_code)
        found = {}
        for _name, partitions in answer.topics:
            for number, offset, _metadata, code in partitions:
                refuse(code)
                found[number] = offset
        return found

    async def may_describe_transactions(self, name: str) -> bool:
        """Whether this login may look a transactional id up."""
        try:
            await _patiently(lambda: self._coordinator(name, kind=_TRANSACTION))
        except TransactionalIdAuthorizationFailed:
            return False
        return True

    async def may_write_transactions(self, name: str) -> bool:
        """Whether this login may work under a transactional id, which nobody may be using.

        Asks to end a transaction of a producer that does not exist: the right is looked at first, and nothing is kept.
        """
        answer = await self._ask(EndTxnRequest(name, 0, 0, False))  # noqa: FBT003 -- a field of the message
        return answer.error_code not in NOT_ALLOWED

    async def create(self, topic: str, *, partitions: int, replicas: int, settings: Mapping[str, str]) -> None:
        """Make a topic."""
        asked: list[Any] = [(topic, partitions, replicas, [], list(settings.items()))]
        answer = await self._ask(CreateTopicsRequest(asked, REQUEST_TIMEOUT_MS, False), node=self._controller)  # noqa: FBT003 -- a field of the message
        for row in answer.topic_errors:
            refuse(row[1], row[2])

    async def raise_partitions(self, topic: str, *, to: int) -> None:
        """Give a topic more partitions."""
        asked = [(topic, (to, None))]
        answer = await self._ask(CreatePartitionsRequest(asked, REQUEST_TIMEOUT_MS, False), node=self._controller)  # noqa: FBT003 -- a field of the message
        for row in answer.topic_errors:
            refuse(row[1], row[2])

    async def set(self, topic: str, *, settings: Mapping[str, str]) -> None:
        """Set these settings of a topic and leave its others alone."""
        question = broker_requests.set_settings(topic, settings=settings)
        for row in (await self._ask(question, node=self._controller)).to_object()["resources"]:
            refuse(row["error_code"], row["error_message"])

    async def allow(self, right: Right) -> None:
        """Make an ACL that gives this right, from anywhere."""
        asked = (right.resource, right.name, right.pattern, f"User:{right.user}", "*", right.operation, ALLOW)
        answer = await self._ask(CreateAclsRequest(*asked), node=self._controller)
        for code, message in answer.creation_responses:
            refuse(code, message)

    async def take_away(self, acl: Acl) -> None:
        """Remove this ACL, and no other."""
        right = acl.right
        asked = (right.resource, right.name, right.pattern, f"User:{right.user}", acl.host, right.operation)
        answer = await self._ask(DeleteAclsRequest(*asked, acl.permission), node=self._controller)
        for code, message, _acls in answer.filter_responses:
            refuse(code, message)

    async def _coordinator(self, name: str, *, kind: int) -> int:
        answer = await self._ask(FindCoordinatorRequest(name, kind))
        refuse(answer.error_code)
        return int(answer.coordinator_id)

    async def _ask(self, question: Any, *, node: int = -1) -> Any:
        return await self._client.send(node if node >= 0 else self._client.get_random_node(), question)


@asynccontextmanager
async def cluster(to: Connection) -> AsyncIterator[Cluster]:
    """Give a cluster to work on, for half a minute at most. It has been dialled before, so that reasons are known.

    Raises:
        BrokerError: it does not answer in time, or refused something.
    """
    client = AIOKafkaClient(**to.options, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await client.bootstrap()
            yield Cluster(client)
    except TimeoutError:
        raise BrokerAwayError("the broker does not answer in time") from None
    except (ClusterAuthorizationFailedError, TopicAuthorizationFailedError):
        raise BrokerRefusedError(
            f"user {to.user} may not look at or change topics and rights on this broker; log in as its administrator"
        ) from None
    except KafkaError as error:
        user = f"user {to.user}" if to.user else "a client without a user"
        raise BrokerRefusedError(f"the broker refused it to {user}: {error}") from None
    finally:
        await client.close()


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask a coordinator, which may only just be made, or moving."""
    for _ in range(COORDINATOR_TRIES):
        try:
            return await ask()
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError):
            await asyncio.sleep(COORDINATOR_PAUSE_S)
    return await ask()


def refuse(code: int, message: str | None = None) -> None:
    """Raise what the broker answered, if it is an error."""
    if code:
        raise for_code(code)(message or "")


def _topic(told: dict[str, Any]) -> TopicThere:
    partitions = (
        PartitionThere(
            number=each["partition"],
            leader=each["leader"],
            replicas=tuple(each["replicas"]),
            in_sync=tuple(each["in_sync"]),
        )
        for each in told["partitions"]
    )
    not_allowed = 29
    return TopicThere(
        name=told["name"],
        seen=told["error_code"] != not_allowed,
        partitions=tuple(sorted(partitions, key=lambda each: each.number)),
        operations=_bits(told["operations"]),
    )


def _bits(operations: int) -> frozenset[int]:
    """Return the numbers of a bit field of operations (KIP-430); "not told" is the least number there is."""
    return frozenset(number for number in range(31) if operations > 0 and operations >> number & 1)
