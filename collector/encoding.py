"""Flow events as JSON Lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.events import FlowEvent

_encoder = msgspec.json.Encoder()
# `src_ip` and `src_port` exist in lab events only. A quote inside a string is escaped in JSON, so these octets, which
# hold bare quotes on both sides, are always the two fields and never the inside of a name.
_NO_ADDRESSES = b'"src_ip":null,"src_port":null,'


def encode(event: FlowEvent) -> bytes:
    """Return one event as one line of JSON, without the line's end."""
    return _encoder.encode(event).replace(_NO_ADDRESSES, b"")


def encode_lines(events: Iterable[FlowEvent]) -> bytes:
    """Return events as JSON Lines."""
    return _encoder.encode_lines(events).replace(_NO_ADDRESSES, b"")
