"""The document of the topics (AsyncAPI 3.0), made from the code. `python -m schoolgate.asyncapi` prints it."""

from __future__ import annotations

import sys
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from collector.topics import GROUP_PREFIXES, REPLICAS, TOPICS, TRANSACTION_PREFIXES, USERS
from schoolgate.messages import JSON
from schoolgate.topic_messages import channels, schemas

if TYPE_CHECKING:
    from collector.topics import Role, Topic
    from schoolgate.messages import Channel, Message

# Source: https://www.asyncapi.com/docs/reference/specification/v3.0.0; the Kafka bindings have a version of their own.
ASYNCAPI: Final = "3.0.0"
KAFKA_BINDING: Final = "0.5.0"
# Version of what lies in the topics, as in `v` of a flow event; not that of the program.
CONTRACT: Final = "2.0.0"
WIDTH: Final = 120
HEAD: Final = "# Made from the code by `make asyncapi`. Change the code, then make it again.\n"
ABOUT: Final = """\
Collectors at schools write flow events; judges compare them with data agreements and write findings and cases.
No record holds a client's address: `device` is a keyed pseudonym that changes daily.
Records are committed in transactions (all topics but schoolgate.flows): read them with `read_committed`.
"""


def document() -> dict[str, Any]:
    """Return the whole document as plain data."""
    told = channels()
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Schoolgate topics",
            "version": CONTRACT,
            "description": LiteralScalarString(ABOUT),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "servers": _servers(),
        "channels": {channel.topic: _channel(channel) for channel in told},
        "operations": {name: operation for channel in told for name, operation in _operations(channel).items()},
        "components": {
            "messages": {message.name: _message(message) for channel in told for message in channel.messages},
            "schemas": schemas(),
            "securitySchemes": {"scram": {"type": "scramSha512", "description": _users()}},
        },
    }


def text() -> str:
    """Return the document as YAML, the same on every run."""
    yaml = YAML()
    yaml.width = WIDTH
    yaml.representer.ignore_aliases = lambda _data: True
    out = StringIO()
    yaml.dump(document(), out)
    return HEAD + out.getvalue()


def _users() -> str:
    told = ", ".join(f"{role} {' '.join(names)}" for role, names in USERS.items())
    return f"Each role has users of its own, by default: {told}."


def _servers() -> dict[str, Any]:
    where = {"address": {"default": "127.0.0.1:9092", "description": "One of `kafka.bootstrap` in the configuration."}}
    return {
        "plain": {
            "host": "{address}",
            "protocol": "kafka",
            "description": "A broker on the same host, or in a lab.",
            "variables": where,
        },
        "secured": {
            "host": "{address}",
            "protocol": "kafka-secure",
            "description": "TLS, and a user for each role; `schoolgate kafka setup` makes topics and rights.",
            "variables": where,
            "security": [{"$ref": "#/components/securitySchemes/scram"}],
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    topic = _topic(channel)
    return {
        "address": topic.name,
        "description": channel.about,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(channel)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "replicas": REPLICAS,
                "topicConfiguration": _configuration(topic),
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _configuration(topic: Topic) -> dict[str, Any]:
    """Return the topic's settings as the binding wants them: lists and numbers where Kafka has text."""
    told: dict[str, Any] = {}
    for name, value in topic.settings.items():
        if name == "cleanup.policy":
            told[name] = value.split(",")
        else:
            told[name] = int(value) if value.lstrip("-").isdigit() else value
    return told


def _operations(channel: Channel) -> dict[str, Any]:
    topic = _topic(channel)
    short = topic.name.rpartition(".")[2]
    told = {f"{role}-writes-{short}": _operation(channel, action="send", role=role) for role in topic.writes}
    return told | {f"{role}-reads-{short}": _operation(channel, action="receive", role=role) for role in topic.reads}


def _operation(channel: Channel, *, action: str, role: Role) -> dict[str, Any]:
    # JSON Pointer writes no stroke or tilde as itself (RFC 6901); a topic's name has neither.
    here = f"#/channels/{channel.topic}"
    made: dict[str, Any] = {
        "action": action,
        "channel": {"$ref": here},
        "tags": [{"name": role}],
        "messages": [{"$ref": f"{here}/messages/{name}"} for name in _names(channel)],
    }
    kafka: dict[str, Any] = {"bindingVersion": KAFKA_BINDING}
    if action == "receive" and role in channel.grouped:
        kafka = {"groupId": {"type": "string", "pattern": f"^{GROUP_PREFIXES[role]}"}, **kafka}
    if action == "send" and role in TRANSACTION_PREFIXES:
        kafka = {"x-transactional-id": {"type": "string", "pattern": f"^{TRANSACTION_PREFIXES[role]}"}, **kafka}
    return made | {"bindings": {"kafka": kafka}}


def _message(message: Message) -> dict[str, Any]:
    made: dict[str, Any] = {"name": message.name, "summary": message.summary, "contentType": message.content_type}
    if message.headers:
        properties = dict(message.headers)
        made["headers"] = {"type": "object", "required": list(properties), "properties": properties}
    made["payload"] = message.payload
    return made | {"bindings": {"kafka": {"key": message.key, "bindingVersion": KAFKA_BINDING}}}


def _names(channel: Channel) -> list[str]:
    return [message.name for message in channel.messages]


def _topic(channel: Channel) -> Topic:
    (found,) = (topic for topic in TOPICS if topic.name == channel.topic)
    return found


if __name__ == "__main__":
    sys.stdout.write(text())
