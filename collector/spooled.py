"""What a spool holds: batches of events, gaps where some were dropped, and how far each capture was spooled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import msgspec

Pair = tuple[bytes, bytes]
"""Key and value of one event, as they go to the broker."""


class Kind(Enum):
    """What a row holds."""

    EVENTS = "events"
    GAP = "gap"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Events that were dropped because the spool was full.

    After a restart some of them may have reached the broker all the same: this never says too little.
    """

    first: int
    """Sequence number of the first one."""
    last: int
    """Sequence number of the last one."""
    events: int
    """How many."""
    octets: int
    """Octets that they took in the spool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One row of the spool."""

    first: int
    """Sequence number of its first event; the others follow without a hole. Never used twice."""
    kind: Kind
    """Events, a gap, or the end of the last capture."""
    through_ns: int | None
    """No event that comes later began before this time, nanoseconds since the epoch; None: nothing is known."""
    body: bytes
    """Encoded; see `pairs` and `gap`."""
    octets: int
    """Octets that count towards the bound."""

    @property
    def pairs(self) -> list[Pair]:
        """Its events in order; empty for another kind."""
        return _pairs.decode(self.body) if self.kind is Kind.EVENTS else []

    @property
    def gap(self) -> Gap | None:
        """What was dropped, where this row says so."""
        return _gap.decode(self.body) if self.kind is Kind.GAP else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How much of a capture is, or was once, in the spool."""

    sha256: str
    """Hash of the capture: it is known again by it."""
    name: str
    """File name, for people."""
    events: int
    """Events spooled, from the first one on."""
    finished: bool
    """All of it was spooled."""


_pairs = msgspec.msgpack.Decoder(list[Pair])
_gap = msgspec.json.Decoder(Gap)


def decode_gap(body: bytes) -> Gap:
    """Return what the body of a row of kind GAP says."""
    return _gap.decode(body)
