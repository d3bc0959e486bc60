"""How far each collector has come in one partition, by its own word. No collector makes the events of another late."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable


class Watermark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A control record: everything that ended before `through` has been sent."""

    collector: str
    """Name of the collector. Untrusted."""
    through: str
    """ISO 8601 UTC."""
    end: bool = False
    """The capture is at its end; nothing waits for this collector any more."""

    @property
    def moment(self) -> datetime:
        """`through` as a time."""
        return datetime.fromisoformat(self.through)


class ControlError(ValueError):
    """A control record cannot be read."""


_decoder = msgspec.json.Decoder(Watermark)


def read_watermark(octets: bytes) -> Watermark:
    """Return the control record in *octets*.

    Raises:
        ControlError: it is none.
    """
    try:
        mark = _decoder.decode(octets)
        if mark.moment.utcoffset() != timedelta(0):
            raise ControlError("`through` is no time in UTC")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ControlError(str(error)) from None
    return mark


def advanced(before: Watermark | None, mark: Watermark) -> Watermark:
    """Return where a collector stands after *mark*: time only goes back when a new capture begins after an end."""
    if before is None or before.end or mark.moment >= before.moment:
        return mark
    return Watermark(collector=mark.collector, through=before.through, end=mark.end)


def slowest(marks: Iterable[Watermark]) -> datetime | None:
    """Return the time that every collector still at work has passed, None: none is at work."""
    return min((mark.moment for mark in marks if not mark.end), default=None)
