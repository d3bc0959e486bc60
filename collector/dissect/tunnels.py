"""Tunnels over IP and over UDP: what an outer packet carries, by its EtherType. The inner flow is what counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.dissect.links import ip_by_version

if TYPE_CHECKING:
    from collector.dissect.frame import Frame

_CUT = "tunnel header cut short"
_MALFORMED = "tunnel header malformed"


def over_ip(frame: Frame, protocol: int) -> int:
    """Read the header of a tunnel directly over IP; return the EtherType of what it carries, or -1 (refused).

    Covers IP in IP (RFC 2003), 6in4 (RFC 4213), GRE (RFC 2784, RFC 2890, and that of PPTP, RFC 2637), MPLS (RFC 4023),
    EtherIP (RFC 3378).
    """
    frame.enter_tunnel()
    if protocol == 4:
        return 0x0800
    if protocol == 41:
        return 0x86DD
    if protocol == 47:
        return _gre(frame)
    if protocol == 137:
        return 0x8847
    if protocol == 97:
        frame.at += 2
        return 0x6558
    return frame.refuse("neither TCP nor UDP")


def _gre(frame: Frame) -> int:
    if not frame.has(4):
        return frame.refuse(_CUT)
    flags = frame.be16(0)
    carried = frame.be16(2)
    version = flags & 7
    if version > 1 or flags & 0x4000:  # source routes (RFC 1701) are long gone
        return frame.refuse(_MALFORMED)
    length = 4
    for present in (0x8000, 0x2000, 0x1000):  # checksum and a reserved field, key, sequence number
        if flags & present:
            length += 4
    if version == 1 and flags & 0x0080:  # acknowledgment
        length += 4
    if not frame.has(length):
        return frame.refuse(_CUT)
    frame.at += length
    return _erspan(frame, carried, flags)


def _erspan(frame: Frame, carried: int, flags: int) -> int:
    """Skip the header that mirrored frames have inside GRE; anything else follows as GRE names it."""
    if carried == 0x88BE:  # ERSPAN type I has no header, type II has eight octets and always a sequence number
        if flags & 0x1000:
            frame.at += 8
        return 0x6558
    if carried == 0x22EB:  # ERSPAN type III: twelve octets, and eight more when the last bit says so
        if not frame.has(12):
            return frame.refuse(_CUT)
        frame.at += 20 if frame.u8(11) & 1 else 12
        return 0x6558
    return carried


def over_udp(frame: Frame, source_port: int, target_port: int) -> int:
    """Read the tunnel header at the start of a UDP payload; return the EtherType of what it carries.

    -1: this is an ordinary datagram, whatever its port. The cursor has moved only if the answer is not -1.
    """
    if target_port == 443 or source_port == 443:  # most datagrams: no need to look further
        return -1
    carried = _at_port(frame, target_port)
    return carried if carried >= 0 else _at_port(frame, source_port)


def _at_port(frame: Frame, port: int) -> int:  # noqa: PLR0911 -- a table of ports
    if port == 4789:
        return _vxlan(frame)
    if port == 4790:
        return _vxlan_gpe(frame)
    if port == 6081:
        return _geneve(frame)
    if port == 2152:
        return _gtp(frame)
    if port == 3544:
        return _teredo(frame)
    if port == 5247:
        return _capwap(frame)
    if port == 6635 and frame.has(4):
        return 0x8847
    return -1


def _vxlan(frame: Frame) -> int:
    """RFC 7348: eight octets; the flag that the network id is valid is set and its last octet is reserved."""
    if not frame.has(8 + 14) or frame.u8(0) & 0x08 == 0:
        return -1
    frame.at += 8
    return 0x6558


def _vxlan_gpe(frame: Frame) -> int:
    """The generic protocol extension of VXLAN (draft-ietf-nvo3-vxlan-gpe): the fourth octet names what follows."""
    if not frame.has(8) or frame.u8(0) & 0x0C != 0x0C:
        return -1
    following = frame.u8(3)
    if following == 1:
        carried = 0x0800
    elif following == 2:
        carried = 0x86DD
    elif following == 3:
        carried = 0x6558
    else:
        return -1
    frame.at += 8
    return carried


def _geneve(frame: Frame) -> int:
    """RFC 8926: version, length of options in words of four octets, EtherType."""
    if not frame.has(8):
        return -1
    first = frame.u8(0)
    length = 8 + (first & 0x3F) * 4
    if first >> 6 != 0 or not frame.has(length):
        return -1
    carried = frame.be16(2)
    frame.at += length
    return carried


def _gtp(frame: Frame) -> int:
    """GTP-U version 1 (3GPP TS 29.281): only a G-PDU, message type 255, carries a packet."""
    if not frame.has(12) or frame.u8(0) & 0xF0 != 0x30 or frame.u8(1) != 255:
        return -1
    length = 8
    if frame.u8(0) & 7:  # any option makes all four octets of options present
        length = 12
        following = frame.u8(11) if frame.u8(0) & 4 else 0
        while following:
            if not frame.has(length + 4) or frame.u8(length) == 0:
                return -1
            following_at = length + frame.u8(length) * 4
            if not frame.has(following_at):
                return -1
            following = frame.u8(following_at - 1)
            length = following_at
    if not frame.has(length + 1):
        return -1
    frame.at += length
    return ip_by_version(frame)


def _teredo(frame: Frame) -> int:
    """RFC 4380: an IPv6 packet, after authentication and origin indications if there are any."""
    skip = 0
    if frame.has(13) and frame.be16(0) == 0x0001:
        skip = 13 + frame.u8(2) + frame.u8(3)
    if frame.has(skip + 8) and frame.be16(skip) == 0x0000:
        skip += 8
    if not frame.has(skip + 40) or frame.u8(skip) >> 4 != 6:
        return -1
    frame.at += skip
    return 0x86DD


def _capwap(frame: Frame) -> int:
    """RFC 5415 section 4.3: header length in words of four octets; a flag tells 802.11 frames from Ethernet frames."""
    if not frame.has(8) or frame.u8(0) != 0:
        return -1
    length = (frame.u8(1) >> 3) * 4
    native = frame.u8(2) & 1
    fragmented = frame.u8(3) & 0x80
    if length < 8 or fragmented or not frame.has(length):
        return -1
    frame.at += length
    return 0x10000 + 105 if native else 0x6558
