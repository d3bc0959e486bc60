"""What one input partition adds to the report besides findings: sums, how far event time has come, and what was lost.

Stage one keeps it as state and tells it to stage two, which adds up the shares of all partitions.
"""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 -- whoever decodes a stored share resolves the annotations
from typing import Any

import msgspec

from rules.coverage import Coverage

# A partition that is judged in small portions would tell its share many times a second.
TELL_EVERY_S = 1.0


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
    unweighed: int = 0
    """Contacts that found no room, and are missing in attribution."""
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


def to_the_minute(share: Share) -> Share:
    """Return *share* as far as a change of it is worth a record: watermarks move every ten seconds."""
    if share.watermark is None:
        return share
    return msgspec.structs.replace(share, watermark=share.watermark.replace(second=0, microsecond=0))


class Telling:
    """When a share is told: at once when a collector begins or ends, or something was lost; else once a second.

    Args:
        untold: what was told last may be older than the share.
    """

    def __init__(self, *, untold: bool) -> None:
        self._untold = untold
        self._at: float | None = None

    def is_due(self, share: Share, *, before: Share, changed: bool, at: float | None) -> bool:
        """Return whether *share* is to be told now.

        Args:
            share: what there is to tell.
            before: the same before the portion in hand.
            changed: the two differ by more than is worth a record.
            at: seconds on a clock that is never set; None: nobody told it, and nothing is held back.
        """
        if not (changed or self._untold):
            return False
        return _news(share) != _news(before) or self._is_time(at)

    def committed(self, *, told: bool, changed: bool, at: float | None) -> None:
        """Take a share for told, or for held back."""
        if told:
            self._untold, self._at = False, at
        elif changed:
            self._untold = True

    def waits(self, at: float) -> bool:
        """Return whether something was held back whose time has come."""
        return self._untold and self._is_time(at)

    def _is_time(self, at: float | None) -> bool:
        return at is None or self._at is None or at - self._at >= TELL_EVERY_S


def _news(share: Share) -> tuple[int, int, int, int]:
    return share.at_work, share.ended, share.lost, share.unweighed
