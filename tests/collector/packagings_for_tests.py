"""One datagram in every packaging that a frame may have: encapsulations, tunnels, link types."""

from __future__ import annotations

import struct

from tests.collector.frames_for_tests import ethernet, ipv4, ipv6, ipv6_fragment, udp, vlan

UDP = 17

INNER = ipv4(udp(payload=b"0123456789"), UDP)
INNER6 = ipv6(udp(payload=b"0123456789"), UDP)
INNER_FRAME = ethernet(INNER)
LLC_SNAP = bytes.fromhex("aaaa03000000")


def outer(payload: bytes, protocol: int) -> bytes:
    return ipv4(payload, protocol, source="203.0.113.1", target="203.0.113.2")


def over_udp(payload: bytes, port: int) -> bytes:
    return ethernet(outer(udp(50_000, port, payload=payload), UDP))


def over_gre(payload: bytes, ethertype: int, *, flags: int = 0, rest: bytes = b"") -> bytes:
    return ethernet(outer(struct.pack(">HH", flags, ethertype) + rest + payload, 47))


PACKAGINGS = {
    "ethernet": (1, ethernet(INNER)),
    "ethernet, IPv6": (1, ethernet(INNER6, 0x86DD)),
    "802.1Q": (1, ethernet(vlan(INNER, 30), 0x8100)),
    "802.1ad with 802.1Q": (1, ethernet(vlan(vlan(INNER, 30), 9, 0x8100), 0x88A8)),
    "three tags": (1, ethernet(vlan(vlan(vlan(INNER, 3), 2, 0x8100), 1, 0x8100), 0x9100)),
    "LLC and SNAP": (1, ethernet(LLC_SNAP + b"\x08\x00" + INNER, 100)),
    "LLC of IP": (1, ethernet(b"\x06\x06\x03" + INNER, 100)),
    "MPLS": (1, ethernet(struct.pack(">I", 0x00010140) + INNER, 0x8847)),
    "two MPLS labels": (1, ethernet(struct.pack(">II", 0x00020040, 0x00010140) + INNER6, 0x8847)),
    "Ethernet over MPLS": (1, ethernet(struct.pack(">II", 0x00010140, 0) + INNER_FRAME, 0x8847)),
    "PPPoE": (1, ethernet(b"\x11\0\0\1" + struct.pack(">HH", len(INNER) + 2, 0x21) + INNER, 0x8864)),
    "PPPoE, IPv6": (1, ethernet(b"\x11\0\0\1" + struct.pack(">HH", len(INNER6) + 2, 0x57) + INNER6, 0x8864)),
    "IP in IP": (1, ethernet(outer(INNER, 4))),
    "6in4": (1, ethernet(outer(INNER6, 41))),
    "IPv4 in IPv6": (1, ethernet(ipv6(INNER, 4), 0x86DD)),
    "GRE": (1, over_gre(INNER, 0x0800)),
    "GRE with checksum, key and sequence": (1, over_gre(INNER, 0x0800, flags=0xB000, rest=bytes(12))),
    "GRE over IPv6": (1, ethernet(ipv6(b"\0\0\x86\xdd" + INNER6, 47), 0x86DD)),
    "GRE of PPTP": (1, over_gre(b"\xff\x03\x00\x21" + INNER, 0x880B, flags=0x3081, rest=bytes(12))),
    "GRE within GRE": (1, over_gre(outer(b"\0\0\x08\0" + INNER, 47), 0x0800)),
    "Ethernet over GRE": (1, over_gre(INNER_FRAME, 0x6558)),
    "ERSPAN I": (1, over_gre(INNER_FRAME, 0x88BE)),
    "ERSPAN II": (1, over_gre(bytes(8) + INNER_FRAME, 0x88BE, flags=0x1000, rest=bytes(4))),
    "ERSPAN III": (1, over_gre(bytes(12) + INNER_FRAME, 0x22EB, flags=0x1000, rest=bytes(4))),
    "ERSPAN III with subheader": (1, over_gre(bytes(11) + b"\1" + bytes(8) + INNER_FRAME, 0x22EB)),
    "MPLS in IP": (1, ethernet(outer(struct.pack(">I", 0x00010140) + INNER, 137))),
    "EtherIP": (1, ethernet(outer(b"\x30\0" + INNER_FRAME, 97))),
    "VXLAN": (1, over_udp(b"\x08\0\0\0\0\0\x64\0" + INNER_FRAME, 4789)),
    "VXLAN-GPE": (1, over_udp(b"\x0c\0\0\1\0\0\x64\0" + INNER, 4790)),
    "Geneve": (1, over_udp(b"\x01\0\x65\x58\0\0\x64\0" + bytes(4) + INNER_FRAME, 6081)),
    "Geneve of IPv6": (1, over_udp(b"\0\0\x86\xdd\0\0\x64\0" + INNER6, 6081)),
    "GTP-U": (1, over_udp(b"\x30\xff" + struct.pack(">HI", len(INNER), 1) + INNER, 2152)),
    "GTP-U with extension header": (
        1,
        over_udp(b"\x34\xff" + struct.pack(">HI", len(INNER) + 8, 1) + b"\0\0\0\x85" + b"\1\0\0\0" + INNER, 2152),
    ),
    "GTP-U with sequence number": (
        1,
        over_udp(b"\x32\xff" + struct.pack(">HI", len(INNER) + 4, 1) + bytes(4) + INNER, 2152),
    ),
    "Teredo with authentication": (1, over_udp(b"\0\1\2\3" + bytes(5 + 9) + bytes(8) + INNER6, 3544)),
    "Teredo": (1, over_udp(INNER6, 3544)),
    "Teredo with origin": (1, over_udp(bytes(8) + INNER6, 3544)),
    "CAPWAP of Ethernet": (1, over_udp(b"\0\x10\x02\0" + bytes(4) + INNER_FRAME, 5247)),
    "MPLS in UDP": (1, over_udp(struct.pack(">I", 0x00010140) + INNER, 6635)),
    "VXLAN in VXLAN": (1, over_udp(b"\x08" + bytes(7) + over_udp(b"\x08" + bytes(7) + INNER_FRAME, 4789), 4789)),
    "null, little-endian": (0, struct.pack("<I", 2) + INNER),
    "null, big-endian": (0, struct.pack(">I", 30) + INNER6),
    "loop": (108, struct.pack(">I", 2) + INNER),
    "raw": (101, INNER),
    "raw, IPv6": (12, INNER6),
    "IPv4 link": (228, INNER),
    "IPv6 link": (229, INNER6),
    "cooked": (113, bytes(14) + b"\x08\0" + INNER),
    "cooked with tag": (113, bytes(14) + b"\x81\0" + vlan(INNER, 12)),
    "cooked 2": (276, b"\x86\xdd" + bytes(18) + INNER6),
    "PPP": (9, b"\x00\x21" + INNER),
    "PPP with HDLC": (50, b"\xff\x03\x00\x57" + INNER6),
    "PPP, compressed": (9, b"\x21" + INNER),
    "PPPoE link": (51, b"\x11\0\0\1" + struct.pack(">HH", len(INNER) + 2, 0x21) + INNER),
    "PPPoE within 802.1Q": (
        1,
        ethernet(vlan(b"\x11\0\0\1" + struct.pack(">HH", len(INNER) + 2, 0x21) + INNER, 7, 0x8864), 0x8100),
    ),
    "Cisco HDLC": (104, b"\x0f\0\x08\0" + INNER),
    "FDDI": (10, bytes(13) + LLC_SNAP + b"\x08\0" + INNER),
    "802.11": (105, b"\x08\x01" + bytes(22) + LLC_SNAP + b"\x08\0" + INNER),
    "802.11 with quality": (105, b"\x88\x01" + bytes(24) + LLC_SNAP + b"\x08\0" + INNER),
    "radiotap": (127, b"\0\0\x0a\0\2\0\0\0\0\0" + b"\x08\x02" + bytes(22) + LLC_SNAP + b"\x08\0" + INNER),
    "radiotap, padded": (127, b"\0\0\x0a\0\2\0\0\0\x20\0" + b"\x88\x02" + bytes(26) + LLC_SNAP + b"\x08\0" + INNER),
    "nflog": (239, b"\2\0\0\0" + b"\x06\0\x0a\0\0\0\0\0" + struct.pack("<HH", 4 + len(INNER), 9) + INNER),
    "authentication header": (1, ethernet(ipv4(bytes((UDP, 4)) + bytes(22) + INNER[20:], 51))),
    "IPv6 extensions": (
        1,
        ethernet(ipv6(bytes((60, 0)) + bytes(6) + bytes((UDP, 0)) + bytes(6) + INNER6[40:], 0), 0x86DD),
    ),
    "IPv6 atomic fragment": (1, ethernet(ipv6(ipv6_fragment(INNER6[40:], UDP, offset=0, more=False), 44), 0x86DD)),
    "IPv4 options": (1, ethernet(ipv4(INNER[20:], UDP, options=bytes(8)))),
}
