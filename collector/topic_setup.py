"""Makes topics and rights on a broker as they should be, and says what is not: `schoolgate kafka setup` and `check`.

It adds and corrects and never takes away: no topic, partition or right of anybody is removed.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest

from collector.brokers import REFUSALS_PAUSES_S, BrokerAwayError, BrokerError, BrokerRefusedError, dial
from collector.topics import GROUP_PREFIXES, REPLICAS, TOPICS, TRANSACTION_PREFIXES, USERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from collector.brokers import Connection
    from collector.topics import Role, Topic

TIMEOUT_S = 30.0
# Numbers of Kafka's protocol (KIP-140, KIP-290).
TOPIC, GROUP, TRANSACTIONAL_ID = 2, 3, 5
LITERAL, PREFIXED = 3, 4
READ, WRITE, DESCRIBE = 3, 4, 8
ALLOW: Final = 3
_NO_AUTHORIZER = 54
_ANY = 1
_WORDS = {
    TOPIC: "topic", GROUP: "group", TRANSACTIONAL_ID: "transactional id", READ: "read", WRITE: "write",
    DESCRIBE: "describe",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Right:
    """One ACL."""

    user: str
    """Name that the broker knows; its principal is `User:` and this."""
    resource: int
    """What it is about, as a number of the protocol."""
    name: str
    """Its name, or how it begins."""
    pattern: int
    """Whether `name` is the whole name."""
    operation: int
    """What is allowed, as a number of the protocol."""

    def __str__(self) -> str:
        star = "*" if self.pattern == PREFIXED else ""
        return f"{self.user} may {_WORDS[self.operation]} {_WORDS[self.resource]} {self.name}{star}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something on the broker that is not as it should be."""

    what: str
    """One line for a person."""
    topic: Topic | None = None
    """A topic that is missing, has too few partitions, or other settings."""
    has_partitions: int = 0
    """Partitions that it has; 0: the topic is missing."""
    settings_differ: bool = False
    """Its settings are to be set."""
    right: Right | None = None
    """An ACL that is missing."""


def rights(users: Mapping[Role, str] = USERS) -> tuple[Right, ...]:
    """Return every ACL that the roles need, and no more."""
    return tuple(sorted(set(_rights(users))))


def _rights(users: Mapping[Role, str]) -> Iterator[Right]:
    for topic in TOPICS:
        for roles, operation in ((topic.writes, WRITE), (topic.reads, READ)):
            for role in roles:
                for what in (operation, DESCRIBE):
                    yield Right(user=users[role], resource=TOPIC, name=topic.name, pattern=LITERAL, operation=what)
    for role, prefix in GROUP_PREFIXES.items():
        yield Right(user=users[role], resource=GROUP, name=prefix, pattern=PREFIXED, operation=READ)
    for role, prefix in TRANSACTION_PREFIXES.items():
        for what in (WRITE, DESCRIBE):
            yield Right(user=users[role], resource=TRANSACTIONAL_ID, name=prefix, pattern=PREFIXED, operation=what)


class TopicSetup:
    """A broker that is to have our topics and rights.

    Args:
        admin: aiokafka's admin client, started.
        client: a plain client, for what the admin client cannot do.
    """

    def __init__(self, admin: AIOKafkaAdminClient, client: AIOKafkaClient) -> None:
        self._admin = admin
        self._client = client
        self.guarded = True
        """False: this broker checks no rights at all."""

    async def differences(self) -> list[Difference]:
        """Return what is not as it should be.

        Raises:
            KafkaError: the broker does not tell.
        """
        return [*await self._topic_differences(), *await self._right_differences()]

    async def correct(self, difference: Difference) -> None:
        """Make it as it should be.

        Raises:
            KafkaError: the broker refused.
        """
        topic = difference.topic
        if difference.right is not None:
            await self._allow(difference.right)
        elif topic is not None and difference.has_partitions == 0:
            await self._create(topic)
        elif topic is not None and difference.settings_differ:
            resource = ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=topic.settings)
            for answer in await self._admin.alter_configs([resource]):
                _refuse([(row[0], row[1]) for row in answer.resources])
        elif topic is not None:
            answer = await self._admin.create_partitions({topic.name: NewPartitions(topic.partitions)})
            _refuse([(row[1], row[2]) for row in answer.topic_errors])

    async def _topic_differences(self) -> list[Difference]:
        there = {
            told["topic"]: len(told["partitions"])
            for told in await self._admin.describe_topics()
            if told["error_code"] == 0
        }
        present = [topic for topic in TOPICS if topic.name in there]
        settings = await self._settings(present)
        found: list[Difference] = []
        for topic in TOPICS:
            has = there.get(topic.name, 0)
            if not has:
                what = f"topic {topic.name} is missing ({topic.partitions} partitions, {topic.cleanup})"
                found.append(Difference(what=what, topic=topic))
                continue
            if has < topic.partitions:
                what = f"topic {topic.name} has {has} partitions instead of {topic.partitions}"
                found.append(Difference(what=what, topic=topic, has_partitions=has))
            has_settings = settings.get(topic.name, {})
            wrong = {name: value for name, value in topic.settings.items() if has_settings.get(name) != value}
            if wrong:
                told = ", ".join(f"{name} {has_settings.get(name)} instead of {value}" for name, value in wrong.items())
                what = f"topic {topic.name}: {told}"
                found.append(Difference(what=what, topic=topic, has_partitions=has, settings_differ=True))
        return found

    async def _settings(self, topics: list[Topic]) -> dict[str, dict[str, str]]:
        if not topics:
            return {}
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics]
        told: dict[str, dict[str, str]] = {}
        for answer in await self._admin.describe_configs(asked):
            for code, message, _kind, name, entries in answer.resources:
                _refuse([(code, message)])
                told[name] = {entry[0]: entry[1] for entry in entries}
        return told

    async def _create(self, topic: Topic) -> None:
        brokers = len((await self._admin.describe_cluster())["brokers"])
        new = NewTopic(
            topic.name,
            num_partitions=topic.partitions,
            replication_factor=min(REPLICAS, brokers),
            topic_configs=topic.settings,
        )
        answer = await self._admin.create_topics([new])
        _refuse([(row[1], row[2]) for row in answer.topic_errors])

    async def _right_differences(self) -> list[Difference]:
        answer = await self._client.send(
            self._client.get_random_node(), DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY)
        )
        if answer.error_code == _NO_AUTHORIZER:
            self.guarded = False
            return []
        _refuse([(answer.error_code, answer.error_message)])
        there = {
            (principal, kind, name, pattern, operation)
            for kind, name, pattern, acls in answer.resources
            for principal, _host, operation, permission in acls
            if permission == ALLOW
        }
        return [
            Difference(what=f"right missing: {right}", right=right)
            for right in rights()
            if (f"User:{right.user}", right.resource, right.name, right.pattern, right.operation) not in there
        ]

    async def _allow(self, right: Right) -> None:
        answer = await self._client.send(
            await self._controller(),
            CreateAclsRequest(
                right.resource, right.name, right.pattern, f"User:{right.user}", "*", right.operation, ALLOW
            ),
        )
        _refuse(list(answer.creation_responses))

    async def _controller(self) -> int:
        return int((await self._admin.describe_cluster())["controller_id"])


@asynccontextmanager
async def topic_setup(to: Connection) -> AsyncIterator[TopicSetup]:
    """Log in and give the broker's topics and rights to work on, for half a minute at most.

    Raises:
        BrokerError: it cannot be reached, does not let us in, or refused something.
    """
    await _dial_patiently(to)
    admin, client = AIOKafkaAdminClient(**to.options), AIOKafkaClient(**to.options)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await admin.start()
            await client.bootstrap()
            yield TopicSetup(admin, client)
    except TimeoutError:
        raise BrokerAwayError("the broker does not answer in time") from None
    except KafkaError as error:
        user = to.user or "without a user"
        raise BrokerRefusedError(f"the broker refused it, {user}: {error}") from None
    finally:
        await admin.close()
        await client.close()


async def _dial_patiently(to: Connection) -> None:
    for pause in REFUSALS_PAUSES_S:
        try:
            await dial(to)
        except BrokerError:
            await asyncio.sleep(pause)
        else:
            return
    await dial(to)


def _refuse(told: list[tuple[Any, Any]]) -> None:
    """Raise what the broker answered, if it is an error."""
    for code, message in told:
        if code:
            raise for_code(code)(message or "")
