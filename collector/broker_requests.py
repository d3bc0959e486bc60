"""Requests of Kafka's protocol that aiokafka does not have, or not in the version that tells what we ask.

Each is one fixed version that Kafka 3.0 and later understand. Source: Kafka's protocol guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import (
    Array,
    Boolean,
    Bytes,
    CompactArray,
    CompactString,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from io import BytesIO

TEXT = String("utf-8")
COMPACT_TEXT = CompactString("utf-8")
NEWEST = -3
"""Asks for the record with the newest time (KIP-734)."""
BEGINNING = -2
"""Asks for the offset of the first record that is kept."""
END = -1
"""Asks for the offset that the next record gets."""
SET = 0
"""Sets a setting and leaves the others alone (KIP-339)."""


class Question:
    """One request in one version, in the form that aiokafka's clients send.

    Args:
        struct: the request, filled in.
    """

    def __init__(self, struct: Any) -> None:
        self._struct = struct

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> Any:
        """Return what is sent to a broker that speaks *versions*.

        Raises:
            IncompatibleBrokerVersion: it does not speak ours.
        """
        lowest, highest = versions.get(self._struct.API_KEY, (0, -1))
        if not lowest <= self._struct.API_VERSION <= highest:
            raise IncompatibleBrokerVersion(f"{type(self._struct).__name__} needs Apache Kafka 3.0 or later")
        return self._struct


class _VersionsAnswer(Response):  # type: ignore[misc]  # the library has no hints here
    API_KEY = 18
    API_VERSION = 3
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "apis",
            CompactArray(("key", Int16), ("lowest", Int16), ("highest", Int16), ("tags", TaggedFields)),
        ),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class _Versions(RequestStruct):  # type: ignore[misc]  # the library has no hints here
    FLEXIBLE_VERSION: ClassVar[bool] = True
    API_KEY = 18
    API_VERSION = 3
    RESPONSE_TYPE = _VersionsAnswer
    SCHEMA = Schema(("name", COMPACT_TEXT), ("version", COMPACT_TEXT), ("tags", TaggedFields))

    def parse_response_header(self, read_buffer: BytesIO) -> Any:
        # Whoever does not know the version yet must be able to read the answer: its header is the old one (KIP-511).
        return ResponseHeader_v0.decode(read_buffer)


class _TopicsAnswer(Response):  # type: ignore[misc]  # the library has no hints here
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", TEXT), ("port", Int32), ("rack", TEXT))),
        ("cluster_id", TEXT),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("name", TEXT),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("in_sync", Array(Int32)),
                        ("offline", Array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("cluster_operations", Int32),
    )


class _Topics(RequestStruct):  # type: ignore[misc]  # the library has no hints here
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _TopicsAnswer
    SCHEMA = Schema(
        ("topics", Array(TEXT)), ("create", Boolean), ("cluster_operations", Boolean), ("topic_operations", Boolean)
    )


class _GroupsAnswer(Response):  # type: ignore[misc]  # the library has no hints here
    API_KEY = 15
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", TEXT),
                ("state", TEXT),
                ("protocol_type", TEXT),
                ("protocol", TEXT),
                (
                    "members",
                    Array(
                        ("member_id", TEXT),
                        ("client_id", TEXT),
                        ("client_host", TEXT),
                        ("metadata", Bytes),
                        ("assignment", Bytes),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
    )


class _Groups(RequestStruct):  # type: ignore[misc]  # the library has no hints here
    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = _GroupsAnswer
    SCHEMA = Schema(("groups", Array(TEXT)), ("operations", Boolean))


class _OffsetsAnswer(Response):  # type: ignore[misc]  # the library has no hints here
    API_KEY = 2
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", COMPACT_TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("timestamp", Int64),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _Offsets(RequestStruct):  # type: ignore[misc]  # the library has no hints here
    FLEXIBLE_VERSION: ClassVar[bool] = True
    API_KEY = 2
    API_VERSION = 7
    RESPONSE_TYPE = _OffsetsAnswer
    SCHEMA = Schema(
        ("replica_id", Int32),
        ("isolation_level", Int8),
        (
            "topics",
            CompactArray(
                ("name", COMPACT_TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32), ("leader_epoch", Int32), ("timestamp", Int64), ("tags", TaggedFields)
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _SettingsAnswer(Response):  # type: ignore[misc]  # the library has no hints here
    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("resources", Array(("error_code", Int16), ("error_message", TEXT), ("kind", Int8), ("name", TEXT))),
    )


class _Settings(RequestStruct):  # type: ignore[misc]  # the library has no hints here
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = _SettingsAnswer
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("kind", Int8),
                ("name", TEXT),
                ("settings", Array(("name", TEXT), ("operation", Int8), ("value", TEXT))),
            ),
        ),
        ("validate_only", Boolean),
    )


def ask_versions() -> Question:
    """Ask which requests the broker understands, and which features its cluster has."""
    return Question(_Versions("schoolgate", "1", {}))


def ask_topics(names: Sequence[str]) -> Question:
    """Ask for brokers and topics, and for what this login may do with each topic (KIP-430)."""
    return Question(_Topics(list(names), False, False, True))  # noqa: FBT003 -- the fields of the message


def ask_group(name: str) -> Question:
    """Ask for a group's members, and for what this login may do with it. Goes to the group's coordinator."""
    return Question(_Groups([name], True))  # noqa: FBT003 -- a field of the message


def ask_offsets(topic: str, *, partitions: Sequence[int], at: int) -> Question:
    """Ask for BEGINNING or END of partitions, or the time of their NEWEST record. Goes to their leader."""
    asked: list[Any] = [(number, -1, at, {}) for number in partitions]
    # Read committed: what an open transaction holds back is nobody's lag.
    return Question(_Offsets(-1, 1, [(topic, asked, {})], {}))


def set_settings(topic: str, *, settings: Mapping[str, str]) -> Question:
    """Set these settings of a topic, and no other."""
    asked = [(name, SET, value) for name, value in settings.items()]
    return Question(_Settings([(2, topic, asked)], False))  # noqa: FBT003 -- a field of the message


def features(tags: Mapping[int, bytes]) -> dict[str, int]:
    """Return the features that a cluster has decided on, by name, from the tags of an answer to `ask_versions`."""
    decided = 2
    if decided not in tags:
        return {}
    return {name: highest for name, highest, _lowest, _tags in _Features.decode(tags[decided]).features}


class _Features(Response):  # type: ignore[misc]  # the library has no hints here
    API_KEY = 18
    API_VERSION = 3
    SCHEMA = Schema(
        (
            "features",
            CompactArray(("name", COMPACT_TEXT), ("highest", Int16), ("lowest", Int16), ("tags", TaggedFields)),
        )
    )
