"""A flow, or one part of a long one, as it leaves the flow table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collector.events import End


class Flow:
    """What passed between two ends since the last part of this flow. Read only; times are ns since the epoch."""

    client: bytes
    """Address of the provisional client, 4 or 16 octets."""
    server: bytes
    """Address of the provisional server, 4 or 16 octets."""
    client_port: int
    """Port of the provisional client."""
    server_port: int
    """Port of the provisional server."""
    proto: Literal["tcp", "udp"]
    """Transport protocol."""
    started_ns: int
    """Time of the first packet of this part."""
    ended_ns: int
    """Latest time of any packet of this part; never before `started_ns`."""
    bytes_up: int
    """Octets from the client at the IP layer, from the IP length fields, retransmissions included."""
    bytes_down: int
    """Octets from the server, counted likewise."""
    packets_up: int
    """IP packets from the client; each fragment counts."""
    packets_down: int
    """IP packets from the server."""
    payload_up: int
    """Octets of TCP or UDP payload from the client."""
    payload_down: int
    """Octets of TCP or UDP payload from the server."""
    ordinal: int
    """How many flows had appeared before this one; the same for all parts of a flow."""
    part: int
    """0, 1, ... for the parts of one long flow."""
    end: End
    """Why this part was given out."""
    vlan: int | None
    """Innermost 802.1Q id of the client's frames (of the server's, if the client sent none). None: no tag."""
    mac: bytes | None
    """Source MAC address of the client's frames. None: in a tunnel, not Ethernet, or the client sent nothing."""
    server_mac: bytes | None
    """Source MAC address of the server's frames, for flows that turn out to be reversed."""
    certain: bool
    """A SYN, or the answer to one, told who the client is. Else: who has the higher port, or sent first."""
    opening: Any
    """What the flow's opening became: the same object for all parts. None: no payload that could have told a name."""

    def __init__(  # noqa: PLR0913 -- the fields of a fact
        self,
        *,
        client: bytes,
        server: bytes,
        client_port: int,
        server_port: int,
        proto: Literal["tcp", "udp"],
        started_ns: int,
        ended_ns: int,
        bytes_up: int,
        bytes_down: int,
        packets_up: int,
        packets_down: int,
        payload_up: int,
        payload_down: int = 0,
        ordinal: int = 0,
        part: int = 0,
        end: End = "eof",
        vlan: int | None = None,
        mac: bytes | None = None,
        server_mac: bytes | None = None,
        certain: bool = False,
        opening: Any = None,
    ) -> None:
        self.client = client
        self.server = server
        self.client_port = client_port
        self.server_port = server_port
        self.proto = proto
        self.started_ns = started_ns
        self.ended_ns = ended_ns
        self.bytes_up = bytes_up
        self.bytes_down = bytes_down
        self.packets_up = packets_up
        self.packets_down = packets_down
        self.payload_up = payload_up
        self.payload_down = payload_down
        self.ordinal = ordinal
        self.part = part
        self.end = end
        self.vlan = vlan
        self.mac = mac
        self.server_mac = server_mac
        self.certain = certain
        self.opening = opening

    def __repr__(self) -> str:
        """Show ports and counts, never an address: this may end up in a log."""
        return (
            f"Flow({self.proto} {self.client_port} > {self.server_port}, "
            f"octets {self.bytes_up} up {self.bytes_down} down, "
            f"ordinal {self.ordinal}, part {self.part}, end {self.end!r})"
        )
