"""How far each collector has come in one partition, by its own word. No collector makes the events of another late."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

# A collector at work tells every ten seconds how far it has come. One that says nothing for as long as the broker
# keeps an event has nothing left that anybody could wait for; when it comes back it is at work again.
SILENT = timedelta(hours=72)


# Each event is compared with its collector's watermark, which moves every ten seconds.
@lru_cache(maxsize=1024)
def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)


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
        return _moment(self.through)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where one collector stands, as the state topic keeps it."""

    mark: Watermark
    """How far it has come."""
    heard: datetime
    """When the broker took its last word."""

    def at_work(self, at: datetime | None) -> bool:
        """Return whether something may still come of it at *at*, by the broker's time; None: no record told it yet."""
        return not self.mark.end and (at is None or self.heard + SILENT > at)


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


def slowest(standings: Iterable[Standing], *, at: datetime | None) -> datetime | None:
    """Return the time that every collector at work at *at* has passed, None: none is at work."""
    return min((each.mark.moment for each in standings if each.at_work(at)), default=None)
