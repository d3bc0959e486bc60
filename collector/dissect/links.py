"""Everything below IP: link types, VLAN tags, MPLS, PPP, 802.11. Each reader moves the cursor and says what follows.

Numbers of link types are those of the pcap format (www.tcpdump.org/linktypes.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.dissect.frame import Frame

_LINK = 0x10000  # as in frame.py: a LINKTYPE_ number where an EtherType is expected

_CUT = "frame cut short"
_FOREIGN = "not IP"
_LINK_TYPE = "link type not supported"
_WLAN = "802.11 frame without readable data"


def enter(frame: Frame, link: int) -> int:  # noqa: PLR0911 -- a table of link types
    """Read the header of link type *link* at the cursor; return the EtherType of what follows, or REFUSED."""
    if link == 1:
        return ethernet(frame)
    if link in {0, 108}:  # BSD loopback, in the order of the host that wrote it, or in network order
        return _null(frame)
    if link in {12, 14, 101}:
        return ip_by_version(frame)
    if link == 228:
        return 0x0800
    if link == 229:
        return 0x86DD
    if link == 113:  # Linux cooked: the EtherType closes 16 octets
        return _fixed(frame, 16, 14)
    if link == 276:  # Linux cooked, version 2: the EtherType opens 20 octets
        return _fixed(frame, 20, 0)
    return _seldom(frame, link)


def _seldom(frame: Frame, link: int) -> int:  # noqa: PLR0911 -- a table of link types
    if link in {9, 50}:
        return ppp(frame)
    if link == 51:
        return _pppoe(frame)
    if link == 10:  # FDDI: frame control and two addresses
        return _skip_to_llc(frame, 13)
    if link == 104:  # Cisco HDLC: address, control, EtherType
        return _fixed(frame, 4, 2)
    if link == 105:
        return _wlan(frame)
    if link == 127:
        return _radiotap(frame)
    if link == 239:
        return _nflog(frame)
    return frame.refuse(_LINK_TYPE)


def below_ip(frame: Frame, ethertype: int) -> int:  # noqa: PLR0911 -- a table of EtherTypes
    """Read one header that is not IP; return the EtherType of what follows, or REFUSED."""
    if ethertype in {0x8100, 0x88A8, 0x9100, 0x9200}:
        return _vlan(frame)
    if ethertype in {0x8847, 0x8848}:
        return _mpls(frame)
    if ethertype == 0x8864:
        return _pppoe(frame)
    if ethertype == 0x6558:  # transparent Ethernet bridging: how tunnels name an Ethernet frame
        return ethernet(frame)
    if ethertype == 0x880B:
        return ppp(frame)
    if 0 <= ethertype <= 1500:
        return _llc(frame)
    if ethertype >= _LINK:
        return enter(frame, ethertype - _LINK)
    return frame.refuse(_FOREIGN)


def ethernet(frame: Frame) -> int:
    """Read two addresses and the EtherType."""
    if not frame.has(14):
        return frame.refuse(_CUT)
    ethertype = frame.be16(12)
    frame.at += 14
    return ethertype


def ip_by_version(frame: Frame) -> int:
    """Tell IPv4 from IPv6 by the first half octet."""
    if not frame.has(1):
        return frame.refuse(_CUT)
    version = frame.u8(0) >> 4
    if version == 4:
        return 0x0800
    if version == 6:
        return 0x86DD
    return frame.refuse(_FOREIGN)


def ppp(frame: Frame) -> int:
    """Read the PPP header, with or without address, control and protocol field compression (RFC 1661, RFC 1662)."""
    if not frame.has(4):
        return frame.refuse(_CUT)
    if frame.be16(0) == 0xFF03:
        frame.at += 2
    protocol = frame.u8(0)
    if protocol & 1:
        frame.at += 1
    else:
        protocol = frame.be16(0)
        frame.at += 2
    if protocol == 0x0021:
        return 0x0800
    if protocol == 0x0057:
        return 0x86DD
    if protocol == 0x0281:
        return 0x8847
    return frame.refuse(_FOREIGN)


def _fixed(frame: Frame, octets: int, ethertype_at: int) -> int:
    if not frame.has(octets):
        return frame.refuse(_CUT)
    ethertype = frame.be16(ethertype_at)
    frame.at += octets
    return ethertype


def _skip_to_llc(frame: Frame, octets: int) -> int:
    frame.at += octets
    return _llc(frame)


def _null(frame: Frame) -> int:
    """Skip four octets of address family; systems number IPv6 differently, so the packet itself decides."""
    frame.at += 4
    return ip_by_version(frame)


def _vlan(frame: Frame) -> int:
    if not frame.has(4):
        return frame.refuse(_CUT)
    vlan = frame.be16(0) & 0x0FFF
    if vlan:  # 0 is a priority tag: no VLAN (IEEE 802.1Q section 9.6)
        frame.vlan = vlan
    ethertype = frame.be16(2)
    frame.at += 4
    return ethertype


def _mpls(frame: Frame) -> int:
    """Read one label (RFC 3032). After the last, the payload itself tells what it is (RFC 4385, RFC 4928)."""
    frame.enter_tunnel()
    if not frame.has(5):
        return frame.refuse(_CUT)
    last = frame.u8(2) & 1
    frame.at += 4
    if not last:
        return 0x8847
    first = frame.u8(0) >> 4
    if first == 4:
        return 0x0800
    if first == 6:
        return 0x86DD
    if first == 0:  # pseudowire control word before an Ethernet frame
        frame.at += 4
    return 0x6558


def _pppoe(frame: Frame) -> int:
    """Read the session header (RFC 2516): six octets, of which the last two give the length."""
    frame.enter_tunnel()
    if not frame.has(6):
        return frame.refuse(_CUT)
    frame.at += 6
    return ppp(frame)


def _llc(frame: Frame) -> int:
    """Read IEEE 802.2 LLC: SNAP with an EtherType (RFC 1042), or the service point of IP."""
    if not frame.has(8):
        return frame.refuse(_CUT)
    points = frame.be16(0)
    if points == 0xAAAA and frame.u8(2) == 3:
        ethertype = frame.be16(6)
        frame.at += 8
        # A length after SNAP would nest LLC in LLC; nothing sends that.
        return ethertype if ethertype > 1500 else frame.refuse(_FOREIGN)
    if points == 0x0606:
        frame.at += 3
        return 0x0800
    return frame.refuse(_FOREIGN)


def _radiotap(frame: Frame) -> int:
    """Skip the radiotap header; its flags tell whether the 802.11 header is padded to four octets."""
    if not frame.has(8):
        return frame.refuse(_CUT)
    length = frame.u8(2) | (frame.u8(3) << 8)
    at = 4
    present = frame.u8(4)
    while frame.has(at + 4) and frame.u8(at + 3) & 0x80:  # one more word of field bits follows
        at += 4
    at += 4
    padded = 0
    if present & 1:  # time stamp, aligned to eight octets
        at = ((at + 7) & ~7) + 8
    if present & 2 and at < length and frame.has(at + 1):
        padded = frame.u8(at) & 0x20
    if length < 8 or not frame.has(length):
        return frame.refuse(_CUT)
    frame.at += length
    return _wlan_data(frame, padded)


def _wlan(frame: Frame) -> int:
    return _wlan_data(frame, 0)


def _wlan_data(frame: Frame, padded: int) -> int:
    """Read an IEEE 802.11 data frame; what is encrypted, empty or aggregated is refused."""
    frame.enter_tunnel()
    if not frame.has(24):
        return frame.refuse(_CUT)
    control = frame.u8(0)
    flags = frame.u8(1)
    if frame.tunnel_at >= 0 and control & 0x0F != 0x08:
        # CAPWAP of some makers swaps the two octets of frame control.
        control, flags = flags, control
    quality = control & 0x80
    if control & 0x0F != 0x08 or control & 0x40 or flags & 0x40:
        return frame.refuse(_WLAN)
    length = 24
    if flags & 3 == 3:  # to and from the distribution system: a fourth address
        length += 6
    if quality:
        if not frame.has(length + 2):
            return frame.refuse(_CUT)
        if frame.u8(length) & 0x80:
            return frame.refuse(_WLAN)
        length += 2
        if flags & 0x80:
            length += 4
    if padded:
        length = (length + 3) & ~3
    frame.at += length
    return _llc(frame)


def _nflog(frame: Frame) -> int:
    """Find the packet among the attributes (length and type in the order of the host; type 9 is the packet)."""
    if not frame.has(8):
        return frame.refuse(_CUT)
    frame.at += 4
    while frame.has(4):
        little = frame.u8(0) | (frame.u8(1) << 8)
        big = frame.be16(0)
        # The shorter reading is the right one: no attribute but the packet reaches 256 octets.
        swapped = frame.u8(2) == 0 and frame.u8(3) != 0
        length = big if swapped else little
        kind = frame.u8(3) if swapped else frame.u8(2)
        if length < 4:
            break
        if kind & 0x7F == 9:
            frame.at += 4
            return ip_by_version(frame)
        frame.at += (length + 3) & ~3
    return frame.refuse("attributes malformed")
