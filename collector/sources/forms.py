"""Tells by its first octets what an input is: a capture, flow events, or the log of another sensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collector.sources.octets import OctetSource

Form = Literal["capture", "events", "zeek", "suricata", "netflow"]
SENSOR_FORMS: frozenset[Form] = frozenset({"zeek", "suricata", "netflow"})
MOST_LOOKED_AT = 65_536
"""Octets of a first line that are looked at: what shows nothing by then counts as an event, and is refused as one."""

_TEXT_STARTS = frozenset({b"{", b"[", b" ", b"\n", b'"', b"#"})
_NETFLOW_HEAD = 24
_PCAPNG = b"\n\r\r\n"  # it begins like an empty line


def form_of(source: OctetSource) -> Form:
    """Return what *source* is, leaving its octets to be read. What is nothing else counts as a capture.

    Raises:
        CaptureError: it cannot be read.
    """
    head = source.look(1)[:1]
    if head == b"\0":
        # Loaded for who may have such a file alone: captures begin otherwise.
        from collector.sources.netflow import is_netflow  # noqa: PLC0415

        return "netflow" if is_netflow(source.look(_NETFLOW_HEAD)) else "capture"
    if head not in _TEXT_STARTS or source.look(len(_PCAPNG)).startswith(_PCAPNG):
        return "capture"
    return _form_of_text(_first_line(source))


def _form_of_text(line: bytes) -> Form:
    if line.startswith(b"#"):
        return "zeek" if line.startswith((b"#separator", b"#fields")) else "capture"
    # In JSON a quote inside a text is escaped, so that these are keys, or whole texts, and never the inside of a name.
    if b'"event_type"' in line and b'"timestamp"' in line:
        return "suricata"
    if b'"id.orig_h"' in line or b'"_path"' in line:
        return "zeek"
    return "events"


def _first_line(source: OctetSource) -> bytes:
    """Return the first line that is not empty, as far as it is looked at."""
    head = source.look(1)
    while len(head) < MOST_LOOKED_AT:
        line, end, _ = head.lstrip(b"\n").partition(b"\n")
        if end:
            return line
        longer = source.look(len(head) + 1)
        if len(longer) == len(head):
            break
        head = longer
    return head.lstrip(b"\n").partition(b"\n")[0]
