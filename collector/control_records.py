"""Control records that a collector writes among its events, other than watermarks: so far the gap."""

from __future__ import annotations

import msgspec


class GapRecord(msgspec.Struct, frozen=True, kw_only=True, rename={"first": "from", "last": "to"}):
    """A gap: events that were dropped because the spool was full.

    After a restart some of them may have reached the broker all the same: this never says too little.
    """

    collector: str
    """Name of the collector. Untrusted."""
    first: int
    """Sequence number of the first event that was dropped."""
    last: int
    """Sequence number of the last one."""
    events: int
    """How many."""
    octets: int
    """Octets that they took in the spool."""
