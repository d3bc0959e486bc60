"""The FlowEvent contract: what leaves the collector. Standard library only, so that a tap host needs nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

NameSource = Literal["tls_sni", "quic_sni", "http_host", "dns", "none"]
App = Literal["tls", "quic", "http", "dns", "doh", "dot", "other"]
End = Literal["fin", "rst", "idle", "active", "eof", "evicted"]
TlsVersion = Literal["1.0", "1.1", "1.2", "1.3"]

EVENT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowEvent:
    """One network flow, or one part of a long one, as seen from the school (contract FlowEvent, version 1)."""

    # A plain dict, so that pydantic finds it where events come in and nothing imports pydantic where they are made.
    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    v: Literal[1] = 1
    """Version of this contract."""
    id: str
    """Deterministic: made of sensor, start time, order of appearance and part; never of a client address or port."""
    sensor: str
    """Name of the collector that saw the flow."""
    district: str | None = None
    """`district_id` of the network file; None: there is only one district."""
    school: str | None
    """School of the client's segment; None: the address lies in no segment."""
    group: str | None
    """Group of the client's segment; None: the address lies in no segment."""
    device: str | None
    """Keyed pseudonym of the school-side device, rotated daily; None when the event carries addresses."""
    src_ip: str | None = None
    """Client address; only in lab events made with --addresses."""
    src_port: int | None = None
    """Client port; only in lab events made with --addresses."""
    dst_ip: str | None
    """Server address; None when the server lies in a segment of the network file or has an address that means something
    within a site alone, or when `withheld`."""
    dst_port: int
    """Server port."""
    withheld: bool = False
    """A name was seen and not released, or is no host name: `server_name` is None or the registrable domain."""
    proto: Literal["tcp", "udp"]
    """Transport protocol."""
    started_at: str
    """Time of the first packet of this part, ISO 8601 UTC with microseconds and a final Z."""
    ended_at: str
    """Time of the last packet of this part, ISO 8601 UTC with microseconds and a final Z."""
    bytes_up: int
    """Octets from the client, counted at the IP layer, retransmissions included."""
    bytes_down: int
    """Octets from the server, counted at the IP layer, retransmissions included."""
    packets_up: int
    """Packets from the client."""
    packets_down: int
    """Packets from the server."""
    server_name: str | None
    """Name of the server, lower case, no trailing dot, A-labels as on the wire. None: unknown. Untrusted: escape it."""
    name_source: NameSource
    """How the name is known; `dns`: from this device's own earlier answer."""
    cnames: tuple[str, ...] = ()
    """CNAME chain that this device was given for `server_name`, in order; empty: none seen. Untrusted: escape it."""
    app: App
    """Application protocol."""
    tls_version: TlsVersion | None
    """Negotiated version where the ServerHello was seen, else the highest offered; None: no TLS or QUIC hello."""
    tls_version_offered: bool = False
    """True: `tls_version` is only what the client offered."""
    alpn: str | None
    """First protocol agreed or offered (RFC 7301). Untrusted: escape it."""
    ech: bool
    """The ClientHello carries Encrypted Client Hello (RFC 9849); the name may be an outer one, or it may be grease."""
    plaintext_bytes_up: int
    """Octets that the client sent in clear-text HTTP."""
    plaintext_data: bool | None = None
    """A clear-text request carried a body, a cookie or a query; None: the source cannot tell."""
    end: End
    """Why the event was emitted; `active`: a long flow reports every five minutes what is new."""
    part: int = 0
    """0, 1, ... for the parts of one long flow."""


class Blank:
    """Of the layout of an event, and not frozen: a frozen dataclass sets its fields by a call each.

    `collector.draft` fills one in, and then makes it an event.
    """

    __slots__ = tuple(FlowEvent.__slots__)
