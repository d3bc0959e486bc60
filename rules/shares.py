"""What one input partition adds to the report besides findings: sums, how far event time has come, and what was lost.

Stage one keeps it as state and tells it to stage two, which adds up the shares of all partitions.
"""

from __future__ import annotations

from datetime import (  # noqa: TC003 -- whoever decodes a stored share resolves the annotations
    date,
    datetime,
)
from typing import Any

import msgspec

from rules.coverage import Coverage


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """The share of one input partition, over everything that it has judged so far."""

    coverage: dict[str, Any]
    """What was seen, as `Coverage.as_state` writes it."""
    since: int = 0
    """Offset of the first record that it counts. Two shares of one partition that begin elsewhere add up: the state of
    a partition where nothing came for days is forgotten, and its next task begins anew."""
    last_day: date | None = None
    """Latest local date on which a flow began, None: no event yet."""
    duplicates: int = 0
    """Events dropped because their id was judged before; what a collector only sent again is not among them."""
    lost: int = 0
    """Sums that found no room, and are missing in the cases."""
    watermark: datetime | None = None
    """Time that every collector at work has passed, None: none is at work. It goes back when another begins."""
    at_work: int = 0
    """Collectors that have something to send, or may have."""
    ended: int = 0
    """Collectors that told the end of a capture, and nothing since."""

    def counted(self) -> Coverage:
        """Return the coverage.

        Raises:
            KeyError: it is none.
            TypeError: it is none.
        """
        return Coverage.from_state(self.coverage)


_decoder = msgspec.json.Decoder(Share)


def read_share(octets: bytes) -> Share:
    """Return the share in *octets*.

    Raises:
        ValueError: it is none.
    """
    try:
        share = _decoder.decode(octets)
        share.counted()
    except (msgspec.DecodeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    return share
