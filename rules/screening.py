"""Tells a record of the flows topic that can be judged from one that cannot, and says why. None stops a partition."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from rules.intake import MAX_LINE_BYTES, EventError, is_countable, moment, read_record
from rules.records import KIND, WATERMARK
from rules.watermarks import ControlError, Watermark, read_watermark

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.events import FlowEvent
    from rules.records import Reason, Record

# By the contract any age in between is judged, for a collector may drain a backlog of days.
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = timedelta(hours=25)


class RefusedError(ValueError):
    """A record cannot be used.

    Args:
        reason: why, as dead letters say it.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Screened(NamedTuple):
    """An event that can be judged, with its times read once."""

    event: FlowEvent
    started: datetime
    """UTC."""
    ended: datetime
    """UTC."""


def event_in(record: Record) -> Screened:
    """Return the event in *record*.

    Raises:
        RefusedError: it holds none that can be judged.
    """
    if record.value is None:
        raise RefusedError("no_value")
    if len(record.value) > MAX_LINE_BYTES:
        raise RefusedError("too_large")
    try:
        event = read_record(record.value)
    except EventError:
        raise RefusedError(_why(record.value)) from None
    started, ended = moment(event.started_at), moment(event.ended_at)
    if started is None or ended is None:
        raise RefusedError("not_an_event")
    if not is_countable(event):
        raise RefusedError("not_an_event")
    if event.device is None or record.key != event.device.encode():
        raise RefusedError("wrong_key")
    if started < EARLIEST:
        raise RefusedError("too_old")
    if max(started, ended) > record.at + LATEST:
        raise RefusedError("in_the_future")
    return Screened(event, started, ended)


def watermark_in(record: Record) -> Watermark:
    """Return the watermark in *record*, whose header says that it is no event.

    Raises:
        RefusedError: it is none, or of a kind that nobody knows.
    """
    if record.headers[KIND] != WATERMARK or record.value is None or len(record.value) > MAX_LINE_BYTES:
        raise RefusedError("wrong_control")
    try:
        return read_watermark(record.value)
    except ControlError:
        raise RefusedError("wrong_control") from None


def _why(octets: bytes) -> Reason:
    """Return what is wrong with octets that are no FlowEvent of version 1."""
    decode: Callable[[bytes], Any] = msgspec.json.decode
    try:
        document = decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "not_json"
    if isinstance(document, dict) and document.get("v", 1) != 1:
        return "wrong_version"
    return "not_an_event"
