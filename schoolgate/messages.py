"""What a document of the topics says of one kind of record, and the few shapes that keys and texts have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector import topics

Schema = dict[str, Any]
"""A JSON Schema."""

JSON: Final = "application/json"
OCTETS: Final = "application/octet-stream"
COUNTS: Final = "Counts in MessagePack, compressed by zlib. Names in it are untrusted."
NO_KEY: Final[Schema] = {"type": "null", "description": "Without a key: written to the partitions by number."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One kind of record in a topic."""

    name: str
    """Name in the document, for programs."""
    summary: str
    """One line for people."""
    key: Schema
    """What its key holds."""
    payload: Schema
    """What its value holds."""
    headers: Mapping[str, Schema] = field(default_factory=dict)
    """Header name -> what it holds; all of them are there, and all are text in UTF-8."""
    content_type: str = JSON
    """Media type of the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One topic, as readers and writers see it."""

    topic: str
    """Full name."""
    about: str
    """What it is for, for people."""
    messages: tuple[Message, ...]
    """Every kind of record that may lie there."""
    grouped: tuple[topics.Role, ...] = ()
    """Who reads it in a consumer group; everybody else reads it by partition, from the start."""


def ref(name: str) -> Schema:
    """Return a reference to a shared schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(name: str) -> Schema:
    """Return a list of a shared schema."""
    return {"type": "array", "items": ref(name)}


def text(about: str, **more: str) -> Schema:
    """Return a text and what it is."""
    return {"type": "string", "description": about, **more}


def always(octets: bytes) -> Schema:
    """Return a text that is always the same."""
    return {"type": "string", "const": octets.decode()}


def begins(prefix: bytes, *, rest: str) -> Schema:
    """Return a text that begins with *prefix*."""
    return {"type": "string", "pattern": f"^{prefix.decode()}", "description": f"`{prefix.decode()}`, then the {rest}."}
