"""What another sensor tells of a flow, whichever sensor wrote it and in whichever form. Facts without behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collector.events import App, End, TlsVersion

Kind = Literal["tls", "quic", "http"]
"""What a sensor writes a record of its own about, beside the record of the flow, that names a server."""
KINDS: tuple[Kind, ...] = ("tls", "quic", "http")


class RecordError(ValueError):
    """A line or a datagram of a sensor is not what it should be.

    `str()` says what is wrong in plain words, and holds no value of the record: that may be an address.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFlow:
    """A finished flow, or one part of a long one. Times are nanoseconds since the epoch."""

    key: str | None
    """What the sensor calls this flow in all of its records; None: it tells nothing else of it. Never in an event: it
    may be made of addresses."""
    client: bytes
    """Address of whom the sensor holds for the client, 4 or 16 octets."""
    server: bytes
    """Address of the other end."""
    client_port: int
    """Port of the client."""
    server_port: int
    """Port of the server."""
    proto: Literal["tcp", "udp"]
    """Transport protocol."""
    started_ns: int
    """First packet, to the precision of the sensor."""
    ended_ns: int
    """Last packet, never before the first."""
    bytes_up: int
    """Octets from the client at the IP layer."""
    bytes_down: int
    """Octets from the server, counted likewise."""
    packets_up: int
    """Packets from the client."""
    packets_down: int
    """Packets from the server."""
    payload_up: int
    """Octets of payload from the client; where the sensor does not count them, at least so many."""
    payload_down: int
    """Octets of payload from the server, likewise."""
    end: End
    """Why the flow ended, as far as the sensor tells."""
    certain: bool
    """The sensor saw who opened the connection. False: the district's network file may know better."""
    vlan: int | None
    """802.1Q id that the sensor saw last before the packet; None: no tag, or not told."""
    mac: bytes | None
    """MAC address of the client, six octets; only from a sensor that tells it with look-ups as well. None: not told."""
    app: App
    """What the sensor says is spoken; more exact once its other records are joined."""
    awaits: tuple[Kind, ...]
    """Kinds of record that the sensor writes about this flow, by its own word."""
    ordinal: int
    """Where the record stood in its log: the same each time that the log is read, and made of nobody's address."""
    part: int = 0
    """0, 1, ... for the parts of one long flow; they share an ordinal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What was said on a flow: a hello or a request."""

    key: str
    """The flow, by the name that its own record carries."""
    at_ns: int
    """When, nanoseconds since the epoch."""
    kind: Kind
    """What kind of record it was."""
    server_name: str | None = None
    """Name the client asked for, a host name in lower case; None: none. Untrusted: escape it before showing."""
    name_refused: bool = False
    """A name was given and is no host name; an address is no name."""
    tls_version: TlsVersion | None = None
    """Version that the server chose; None: not told."""
    alpn: str | None = None
    """First protocol agreed or offered; None: not told. Untrusted: escape it before showing."""
    ech: bool = False
    """The hello carries Encrypted Client Hello, by the sensor's word."""
    data: bool = False
    """A clear-text request carried a body or a query; False: that was not seen, and says no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a device was told by a resolver."""

    at_ns: int
    """When, nanoseconds since the epoch."""
    client: bytes
    """Address of who asked, 4 or 16 octets."""
    name: str
    """What it asked for, a host name in lower case. Untrusted: escape it before showing."""
    chain: tuple[str, ...]
    """CNAME targets from there on, in order. Untrusted: escape them before showing."""
    addresses: tuple[bytes, ...]
    """What it was given, 4 or 16 octets each."""
    ttl_s: int
    """Seconds for which the answer may be kept."""
    mac: bytes | None = None
    """MAC address of who asked, six octets; None: not told."""


Record = SensorFlow | Saying | Answer
