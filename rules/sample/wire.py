"""Octets of Ethernet, IPv4, IPv6, TCP and UDP, and the capture file around them. What they carry is made elsewhere.

A frame says how long it was on the wire and holds only what was captured, as a tap with a short snap length writes it:
the length fields tell the full size, so octet counts are those of a real day while the file stays small.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

TCP: Final = 6
UDP: Final = 17

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
PSH: Final = 0x08
ACK: Final = 0x10

# IEEE 802.3: shorter frames are padded on the wire (60 octets without the check sequence).
_SHORTEST_FRAME = 60
_TTL_UP, _TTL_DOWN = 64, 52


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One captured frame."""

    at_us: int
    """Time of capture, microseconds since the epoch."""
    octets: bytes
    """What was captured, from the Ethernet header on."""
    length: int
    """Octets on the wire; at least as many as were captured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The two ends of one flow, as a tap inside the school sees them."""

    client_mac: bytes
    """MAC of the school-side device, 6 octets."""
    gateway_mac: bytes
    """MAC of the school's router, behind which every server lies."""
    vlan: int | None
    """802.1Q VLAN identifier; None: untagged."""
    client: bytes
    """Client address, 4 or 16 octets."""
    server: bytes
    """Server address, as many octets as the client's."""
    client_port: int
    """Ephemeral port of the client."""
    server_port: int
    """Port of the service."""

    @property
    def mss(self) -> int:
        """Largest TCP payload that fits an Ethernet frame of 1,500 octets, without TCP options."""
        return 1460 if len(self.client) == 4 else 1440


def checksum(octets: bytes) -> int:
    """Return the Internet checksum of *octets*, which are not all zero; 0 over octets that hold a right checksum.

    Source: RFC 1071. A one's complement sum is the remainder by 65,535 of the octets read as one number, from 1 up.
    """
    if len(octets) % 2:
        octets += b"\0"
    return 0xFFFE - (int.from_bytes(octets, "big") - 1) % 0xFFFF


def segment(path: Path, *, up: bool, numbers: tuple[int, int], flags: int, options: bytes = b"", data: Data) -> Cut:
    """Return one TCP segment in its frame; *numbers* are sequence and acknowledgement.

    Source: RFC 9293 section 3.1.
    """
    ports = (path.client_port, path.server_port) if up else (path.server_port, path.client_port)
    window = 0xFFFF if flags & SYN else 1026
    if len(options) % 4:
        raise ValueError("TCP options fill whole words of four octets (RFC 9293 section 3.1)")
    head = struct.pack(">HHIIBBHHH", *ports, numbers[0], numbers[1], (5 + len(options) // 4) << 4, flags, window, 0, 0)
    return _packet(path, up=up, proto=TCP, head=head + options, sum_at=16, data=data)


def datagram(path: Path, *, up: bool, data: Data) -> Cut:
    """Return one UDP datagram in its frame.

    Source: RFC 768.
    """
    ports = (path.client_port, path.server_port) if up else (path.server_port, path.client_port)
    head = struct.pack(">HHHH", *ports, 8 + data.length, 0)
    return _packet(path, up=up, proto=UDP, head=head, sum_at=6, data=data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Payload of a segment or datagram: what is captured of it, and how long it was."""

    captured: bytes = b""
    """The first octets, as far as the tap kept them."""
    length: int = 0
    """Octets sent. What was not kept counts as zeros in the checksum: nobody can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A frame without its time."""

    octets: bytes
    """What was captured."""
    length: int
    """Octets on the wire."""


def whole(octets: bytes) -> Data:
    """Return *octets* as a payload that is captured to its end."""
    return Data(captured=octets, length=len(octets))


def _packet(path: Path, *, up: bool, proto: int, head: bytes, sum_at: int, data: Data) -> Cut:
    source, target = (path.client, path.server) if up else (path.server, path.client)
    length = len(head) + data.length
    pseudo = source + target + struct.pack(">IHBB", length, 0, 0, proto)
    total = checksum(pseudo + head + data.captured)
    if proto == UDP:
        total = total or 0xFFFF  # Zero means "no checksum" (RFC 768).
    carried = head[:sum_at] + struct.pack(">H", total) + head[sum_at + 2 :] + data.captured
    ttl = _TTL_UP if up else _TTL_DOWN
    if len(source) == 4:
        # Identification 0 with "do not fragment": RFC 6864 section 4.1 lets atomic datagrams do so.
        front = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + length, 0, 0x4000, ttl, proto, 0, source, target)
        network = front[:10] + struct.pack(">H", checksum(front)) + front[12:]
        ether_type = b"\x08\x00"
    else:
        label = (path.client_port << 4) & 0xFFFFF
        network = struct.pack(">IHBB16s16s", 0x6 << 28 | label, length, proto, ttl, source, target)
        ether_type = b"\x86\xdd"
    link = path.gateway_mac + path.client_mac if up else path.client_mac + path.gateway_mac
    if path.vlan is not None:
        link += b"\x81\x00" + struct.pack(">H", path.vlan)
    octets = link + ether_type + network + carried
    on_wire = len(octets) + data.length - len(data.captured)
    if on_wire < _SHORTEST_FRAME:
        octets += bytes(_SHORTEST_FRAME - on_wire)
        on_wire = _SHORTEST_FRAME
    return Cut(octets=octets, length=on_wire)


def capture_file(frames: Iterable[Frame]) -> bytes:
    """Return *frames*, ordered by time, as a classic pcap file of microseconds, little end first, link type Ethernet.

    Source: draft-ietf-opsawg-pcap section 4.
    """
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)]
    # Sorting is stable: frames of one microsecond keep the order in which they were made.
    for frame in sorted(frames, key=lambda one: one.at_us):
        seconds, microseconds = divmod(frame.at_us, 1_000_000)
        parts.append(struct.pack("<IIII", seconds, microseconds, len(frame.octets), frame.length))
        parts.append(frame.octets)
    return b"".join(parts)
