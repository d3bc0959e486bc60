"""What goes through the topics between the stages, as plain facts: records in, records out, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, get_args

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Topic = Literal["findings", "cases", "dead-letters"]
"""Where a record goes. The shell knows the topic's full name."""

Reason = Literal[
    "no_value", "too_large", "not_json", "wrong_version", "not_an_event", "wrong_key", "too_old", "in_the_future",
    "wrong_control", "not_a_finding", "unreadable_batch",
]  # fmt: skip
"""Why a record cannot be used: a closed set, the label of `schoolgate_dead_letters_total`."""

REASONS: Final[tuple[Reason, ...]] = get_args(Reason)

KIND: Final = "kind"
"""Header that tells records of one topic apart; without it a flow event, or a finding."""
COLLECTOR: Final = "collector"
SEQUENCE: Final = "seq"
WATERMARK: Final = b"watermark"
GAP: Final = b"gap"
COVERAGE: Final = b"coverage"
CONTACTS: Final = b"contacts"
EDGES: Final = b"edges"
OVER: Final = b"over"
CONTACTS_OVER: Final = b"contacts-over"
PIECE: Final = "piece"
"""Header of a record that holds a part of something too large for one: its number, in decimal."""
TELLING: Final = "telling"
"""Header of a record of edges: which telling it is of, in decimal; later ones have larger numbers."""
PIECES: Final = "pieces"
"""Header of a record of edges: in how many records that is told which is new in its list, in decimal."""
CLOSING: Final = "closing"
"""Header of a record of edges: 1 where the list differs from the one before by nothing but that days were closed; 0:
it differs otherwise."""

# As much of a bad record as a person needs to see what it is (contract of the dead-letters topic).
KEPT_OCTETS = 65_536


# Octets, numbers and a time refer to nothing, so the garbage collector need not look at millions of them.
class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One record of an input partition. Everything in it is untrusted."""

    key: bytes | None
    """Its key; None: it has none."""
    value: bytes | None
    """Its octets; None: a tombstone."""
    headers: Mapping[str, bytes] = msgspec.field(default_factory=dict)
    """Its headers; of several with one name the last."""
    partition: int
    """Partition that it lies in."""
    offset: int
    """Place in the partition."""
    at: datetime
    """When the broker took it, aware."""
    unreadable: bool = False
    """It stands for a whole record batch that nobody can read, or that would become too large: its value is the batch
    as it came, its offset that of the batch's last record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One record to write."""

    topic: Topic
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None
    """None: the key decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What one batch of records comes to: written in one transaction, then `committed`, or forgotten."""

    outputs: tuple[Output, ...]
    """Records for other topics."""
    state: Mapping[bytes, bytes | None]
    """State keys that changed, with their new values, in the order of writing; None: the key is to be forgotten."""
    next_offset: int | None
    """First offset that is not judged yet; None: the position does not move."""
    refused: tuple[Reason, ...] = ()
    """One reason for each dead letter among the outputs."""
    ends_day: bool = False
    """A local day ends with it: what the input held up to here has done its work."""


def dead_letter(record: Record, reason: Reason, *, topic: str) -> Output:
    """Return *record* as a dead letter: the first 64 KiB as they came, the hash of all of them, and where it lay.

    Args:
        record: what cannot be used.
        reason: why.
        topic: the topic that it lies in.
    """
    octets = record.value or b""
    return Output(
        topic="dead-letters",
        key=record.key,
        value=octets[:KEPT_OCTETS],
        headers=(
            ("reason", reason.encode()),
            ("sha256", sha256(octets).hexdigest().encode()),
            ("octets", str(len(octets)).encode()),
            ("topic", topic.encode()),
            ("partition", str(record.partition).encode()),
            ("offset", str(record.offset).encode()),
        ),
    )
