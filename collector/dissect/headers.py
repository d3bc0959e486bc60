"""From the link layer of a frame to its TCP or UDP payload, through whatever wraps it. No octets make this raise.

`read` is called once a frame and is compiled; see headers.pxd for the C types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector import slices
from collector.dissect.links import below_ip, enter
from collector.dissect.tunnels import over_ip, over_udp

if TYPE_CHECKING:
    from collector.dissect.frame import Frame

COMPILED = not __file__.endswith(".py")
"""Whether this module runs as compiled code."""

MAX_LAYERS = 24
"""Network layers, tags and encapsulations of one frame; a frame with more is refused."""
_MAX_LAYERS = MAX_LAYERS

_MAX_EXTENSIONS = 16  # IPv6 extension headers of one packet

_SHORT = "IP header cut short"
_MALFORMED = "IP header malformed"
_EXTENSION = "IPv6 extension header cut short"
_TRANSPORT = "transport header cut short"


def read(frame: Frame, at: int, end: int, wire: int, link: int) -> int:
    """Read the frame in octets *at* to *end* of the buffer, *wire* octets long on the wire, of link type *link*.

    Returns 1: the frame's fields describe a TCP or UDP packet; 2: they describe a fragment of an IP packet (its
    payload starts at the cursor); 0: neither, and `frame.reason` says why.
    """
    frame.plain_at = -1
    frame.begin(at, end, wire)
    found = _network(frame, _link(frame, link))
    if found == 0 and frame.tunnel_at >= 0:
        # It only looked like a tunnel, or the tunnel carries nothing that we count: then the datagram itself counts.
        frame.plain_at = frame.tunnel_at
        frame.begin(at, end, wire)
        found = _network(frame, _link(frame, link))
    return found


def _link(frame: Frame, link: int) -> int:
    if link != 1:
        return enter(frame, link)
    at = frame.at
    if frame.end - at < 14:
        return frame.refuse("frame cut short")
    frame.mac_at = at + 6
    frame.at = at + 14
    return slices.be16(frame.octets, at + 12)


def _network(frame: Frame, ethertype: int) -> int:
    """Read layer after layer until a transport header, a fragment, or something that is refused."""
    while ethertype >= 0:
        frame.layers += 1
        if frame.layers > _MAX_LAYERS:
            frame.refuse("too many layers")
            return 0
        if ethertype == 0x0800:
            protocol = _ipv4(frame)
        elif ethertype == 0x86DD:
            protocol = _ipv6(frame)
        else:
            ethertype = below_ip(frame, ethertype)
            continue
        if protocol == 51:
            protocol = _authentication(frame)
        if protocol == 6:
            return _tcp(frame)
        if protocol == 17:
            ethertype = _udp(frame)
            if ethertype < 0:
                return ethertype + 2
            continue
        if protocol < 0:
            return 2 if protocol == -2 else 0
        ethertype = over_ip(frame, protocol)
    return 0


def _ipv4(frame: Frame) -> int:
    """Read an IPv4 header (RFC 791); return the protocol, -1 (refused) or -2 (a fragment)."""
    at = frame.at
    if frame.end - at < 20:
        return frame.refuse(_SHORT)
    first = frame.octets[at]
    header = (first & 15) * 4
    total = slices.be16(frame.octets, at + 2)
    if first >> 4 != 4 or header < 20:
        return frame.refuse(_MALFORMED)
    if total == 0:
        # Left for the network card to fill in (segmentation offload): the packet is what the frame carries.
        total = frame.wire_end - at
    if total < header:
        return frame.refuse(_MALFORMED)
    frame.version = 4
    frame.ip_at = at
    frame.ip_octets = total
    frame.source_high = 0
    frame.source_low = slices.be32(frame.octets, at + 12)
    frame.target_high = 0
    frame.target_low = slices.be32(frame.octets, at + 16)
    frame.wire_end = at + total
    frame.end = min(frame.end, frame.wire_end)
    frame.at = at + header
    if frame.at > frame.end:
        return frame.refuse(_SHORT)
    position = slices.be16(frame.octets, at + 6) & 0x3FFF
    if position == 0:
        return frame.octets[at + 9]
    frame.protocol = frame.octets[at + 9]
    frame.fragment_id = (frame.octets[at + 4] << 8) | frame.octets[at + 5]
    frame.fragment_offset = (position & 0x1FFF) * 8
    frame.fragment_more = position & 0x2000 != 0
    return -2


def _ipv6(frame: Frame) -> int:
    """Read an IPv6 header (RFC 8200) and its extension headers; return the protocol, -1 (refused), -2 (fragment)."""
    at = frame.at
    if frame.end - at < 40:
        return frame.refuse(_SHORT)
    if frame.octets[at] >> 4 != 6:
        return frame.refuse(_MALFORMED)
    total = 40 + ((frame.octets[at + 4] << 8) | frame.octets[at + 5])
    if total == 40:
        # A jumbogram (RFC 2675), or left for the network card to fill in: the packet is what the frame carries.
        total = max(total, frame.wire_end - at)
    frame.version = 6
    frame.ip_at = at
    frame.ip_octets = total
    frame.source_high = slices.be64(frame.octets, at + 8)
    frame.source_low = slices.be64(frame.octets, at + 16)
    frame.target_high = slices.be64(frame.octets, at + 24)
    frame.target_low = slices.be64(frame.octets, at + 32)
    frame.wire_end = at + total
    frame.end = min(frame.end, frame.wire_end)
    frame.at = at + 40
    protocol = frame.octets[at + 6]
    if protocol not in {6, 17}:
        protocol = _extensions(frame, protocol)
    return protocol


def _extensions(frame: Frame, protocol: int) -> int:
    """Skip IPv6 extension headers; a fragment header that fragments nothing (RFC 6946) is skipped as well."""
    for _ in range(_MAX_EXTENSIONS):
        if protocol not in {0, 43, 44, 60, 135, 139, 140}:
            return protocol
        if frame.end - frame.at < 8:
            return frame.refuse(_EXTENSION)
        at = frame.at
        following = frame.octets[at]
        if protocol == 44:
            position = (frame.octets[at + 2] << 8) | frame.octets[at + 3]
            frame.at = at + 8
            if position & 0xFFF9:
                frame.protocol = following
                frame.fragment_id = slices.be32(frame.octets, at + 4)
                frame.fragment_offset = position & 0xFFF8
                frame.fragment_more = position & 1 != 0
                return -2
        else:
            frame.at = at + (frame.octets[at + 1] + 1) * 8
        protocol = following
    return frame.refuse("too many IPv6 extension headers")


def _authentication(frame: Frame) -> int:
    """Skip an authentication header (RFC 4302)."""
    if frame.end - frame.at < 12:
        return frame.refuse(_SHORT)
    protocol = frame.octets[frame.at]
    frame.at += (frame.octets[frame.at + 1] + 2) * 4
    return protocol


def _tcp(frame: Frame) -> int:
    """Read a TCP header (RFC 9293). Ports suffice: a header cut off behind them still belongs to its flow."""
    at = frame.at
    captured = frame.end - at
    if captured < 4:
        frame.refuse(_TRANSPORT)
        return 0
    frame.protocol = 6
    frame.source_port = slices.be16(frame.octets, at)
    frame.target_port = slices.be16(frame.octets, at + 2)
    frame.flags = 0
    frame.sequence = 0
    frame.payload_octets = 0
    frame.payload_at = frame.end
    frame.payload_end = frame.end
    if captured < 14:
        return 1
    frame.sequence = slices.be32(frame.octets, at + 4)
    frame.flags = frame.octets[at + 13]
    header = (frame.octets[at + 12] >> 4) * 4
    if header < 20 or at + header > frame.wire_end:
        return 1
    frame.payload_octets = frame.wire_end - at - header
    frame.payload_at = min(at + header, frame.end)
    return 1


def _udp(frame: Frame) -> int:
    """Read a UDP header (RFC 768); return the EtherType of what it tunnels, else -1 (a datagram) or -2 (refused)."""
    at = frame.at
    captured = frame.end - at
    if captured < 4:
        frame.refuse(_TRANSPORT)
        return -2
    frame.protocol = 17
    frame.flags = 0
    frame.source_port = slices.be16(frame.octets, at)
    frame.target_port = slices.be16(frame.octets, at + 2)
    frame.payload_octets = max(frame.wire_end - at - 8, 0)
    if captured >= 8:
        length = (frame.octets[at + 4] << 8) | frame.octets[at + 5]
        if length:  # 0: left for the network card to fill in
            frame.payload_octets = min(frame.payload_octets, max(length - 8, 0))
    frame.payload_at = min(at + 8, frame.end)
    frame.payload_end = min(frame.payload_at + frame.payload_octets, frame.end)
    if at == frame.plain_at or frame.payload_octets == 0:
        return -1
    frame.at = frame.payload_at
    carried = over_udp(frame, frame.source_port, frame.target_port)
    if carried >= 0:
        frame.tunnel_at = at
        frame.end = frame.payload_end
        frame.wire_end = frame.payload_at + frame.payload_octets
        frame.enter_tunnel()
    return carried
