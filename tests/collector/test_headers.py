"""collector/dissect/headers.py and what it reads through: links.py, tunnels.py."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.dissect.frame import Frame
from collector.dissect.headers import MAX_LAYERS, read
from tests.collector.frames_for_tests import PUPIL_MAC, ethernet, ipv4, ipv6, ipv6_fragment, tcp, udp, vlan

LINKS = (0, 1, 9, 10, 12, 14, 50, 51, 101, 104, 105, 107, 108, 113, 127, 228, 229, 239, 253, 276, 65_535)
TCP, UDP = 6, 17
TRANSPORT, FRAGMENT, REFUSED = 1, 2, 0

INNER = ipv4(udp(payload=b"0123456789"), UDP)
INNER6 = ipv6(udp(payload=b"0123456789"), UDP)
INNER_FRAME = ethernet(INNER)
LLC_SNAP = bytes.fromhex("aaaa03000000")


def reading(data: bytes, *, link: int = 1, wire: int | None = None) -> tuple[Frame, int]:
    frame = Frame()
    frame.load(memoryview(data))
    return frame, read(frame, 0, len(data), wire or len(data), link)


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


@pytest.mark.parametrize("name", PACKAGINGS)
def test_the_datagram_is_found_in_every_packaging(name: str) -> None:
    link, data = PACKAGINGS[name]
    frame, found = reading(data, link=link)
    assert found == TRANSPORT, frame.reason
    assert (frame.source_port, frame.target_port, frame.protocol) == (40_000, 9_999, UDP)
    assert data[frame.payload_at : frame.payload_end] == b"0123456789"
    assert frame.payload_octets == 10
    assert frame.ip_octets == len(data) - frame.ip_at
    if frame.version == 4:
        assert (frame.source_low, frame.target_low) == (0xC000020A, 0xC6336414)
    else:
        assert (frame.source_high, frame.source_low) == (0x20010DB800000000, 0x10)


@pytest.mark.parametrize("name", PACKAGINGS)
def test_every_packaging_cut_anywhere_is_read_or_refused_with_a_reason(name: str) -> None:
    link, data = PACKAGINGS[name]
    for end in range(len(data)):
        frame, found = reading(data[:end], link=link, wire=len(data))
        assert found in {TRANSPORT, FRAGMENT} or frame.reason
        assert frame.payload_end <= end or found != TRANSPORT


@pytest.mark.parametrize(
    ("name", "identity"), [("ethernet", -1), ("802.1Q", 30), ("802.1ad with 802.1Q", 30), ("three tags", 3)]
)
def test_the_innermost_tag_is_the_vlan(name: str, identity: int) -> None:
    frame, _ = reading(PACKAGINGS[name][1])
    assert frame.vlan == identity


def test_a_priority_tag_is_no_vlan() -> None:
    frame, found = reading(ethernet(vlan(INNER, 0), 0x8100))
    assert (found, frame.vlan) == (TRANSPORT, -1)


def test_the_source_address_of_the_link_is_kept_where_it_is_the_senders_own() -> None:
    tagged = PACKAGINGS["802.1Q"][1]
    frame, _ = reading(tagged)
    assert tagged[frame.mac_at : frame.mac_at + 6] == PUPIL_MAC
    for name in ("PPPoE", "MPLS", "GRE", "IP in IP", "VXLAN", "Geneve", "GTP-U", "Teredo", "raw", "cooked", "802.11"):
        link, data = PACKAGINGS[name]
        assert reading(data, link=link)[0].mac_at == -1, name


def test_padding_of_a_short_frame_counts_nowhere() -> None:
    frame, _ = reading(ethernet(ipv4(tcp(), TCP)) + bytes(6))
    assert (frame.ip_octets, frame.payload_octets, frame.payload_end - frame.payload_at) == (40, 0, 0)


def test_a_length_of_zero_means_what_the_frame_carries() -> None:
    frame, _ = reading(ethernet(ipv4(tcp(payload=bytes(3_000)), TCP, total=0)))
    assert (frame.ip_octets, frame.payload_octets) == (3_040, 3_000)
    frame, _ = reading(ethernet(ipv6(tcp(payload=bytes(3_000)), TCP, length=0), 0x86DD))
    assert (frame.ip_octets, frame.payload_octets) == (3_060, 3_000)
    frame, _ = reading(ethernet(ipv4(udp(payload=bytes(3_000), length=0), UDP, total=0)))
    assert (frame.ip_octets, frame.payload_octets) == (3_028, 3_000)


def test_a_short_snap_length_shortens_the_payload_but_not_the_count() -> None:
    whole = ethernet(ipv4(tcp(payload=bytes(1_000)), TCP))
    frame, found = reading(whole[:96], wire=len(whole))
    assert found == TRANSPORT
    assert (frame.ip_octets, frame.payload_octets, frame.payload_end - frame.payload_at) == (1_040, 1_000, 42)
    frame, found = reading(whole[:38], wire=len(whole))
    assert (found, frame.ip_octets, frame.source_port, frame.payload_end - frame.payload_at) == (1, 1_040, 40_000, 0)


def test_tcp_flags_and_sequence_are_read_behind_options() -> None:
    frame, _ = reading(ethernet(ipv4(tcp(payload=b"x", flags=0x18, sequence=0xFFFFFFF0, options=bytes(12)), TCP)))
    assert (frame.flags, frame.sequence, frame.payload_octets) == (0x18, 0xFFFFFFF0, 1)


@pytest.mark.parametrize("version", [4, 6])
def test_a_fragment_is_reported_as_one(version: int) -> None:
    if version == 4:
        data = ethernet(ipv4(bytes(16), UDP, identity=77, offset=24, more=True))
    else:
        data = ethernet(ipv6(ipv6_fragment(bytes(16), UDP, identity=77, offset=24, more=True), 44), 0x86DD)
    frame, found = reading(data)
    assert found == FRAGMENT
    assert (frame.fragment_id, frame.fragment_offset, frame.fragment_more, frame.protocol) == (77, 24, True, UDP)
    assert frame.wire_end - frame.at == 16


def test_what_only_looks_like_a_tunnel_counts_as_the_datagram_it_is() -> None:
    frame, found = reading(over_udp(b"\x08" + bytes(7) + b"no frame in here", 4789))
    assert (found, frame.target_port, frame.payload_octets) == (TRANSPORT, 4789, 24)
    # A tunnel that carries a question for an address (ARP): the tunnel's own datagram is all there is to count.
    frame, found = reading(over_udp(b"\x08" + bytes(7) + ethernet(bytes(28), 0x0806), 4789))
    assert (found, frame.target_port) == (TRANSPORT, 4789)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "frame cut short"),
        (ethernet(b"", 0x0806), "not IP"),
        (ethernet(INNER[:19]), "IP header cut short"),
        (ethernet(b"\x44" + INNER[1:]), "IP header malformed"),
        (ethernet(b"\x55" + INNER[1:]), "IP header malformed"),
        (ethernet(ipv4(b"", UDP, total=19)), "IP header malformed"),
        (ethernet(ipv4(b"", 1)), "neither TCP nor UDP"),
        (ethernet(ipv4(b"\0", TCP)), "transport header cut short"),
        (ethernet(ipv6(b"\x11", 0), 0x86DD), "IPv6 extension header cut short"),
        (over_gre(INNER, 0x0800, flags=0x4000), "tunnel header malformed"),
        (ethernet(vlan(b"", 5), 0x8100)[:-1], "frame cut short"),
    ],
)
def test_a_refusal_says_why(data: bytes, reason: str) -> None:
    frame, found = reading(data)
    assert (found, frame.reason) == (REFUSED, reason)


def test_endless_nesting_is_refused() -> None:
    packet = INNER
    for _ in range(MAX_LAYERS):
        packet = outer(packet, 4)
    frame, found = reading(ethernet(packet))
    assert (found, frame.reason) == (REFUSED, "too many layers")


def test_link_types_that_nobody_reads_are_refused_by_name() -> None:
    frame, found = reading(bytes(64), link=253)
    assert (found, frame.reason) == (REFUSED, "link type not supported")


@given(data=st.binary(max_size=200), link=st.sampled_from(LINKS), more=st.integers(0, 3_000))
def test_no_octets_of_any_link_type_raise(data: bytes, link: int, more: int) -> None:
    frame, found = reading(data, link=link, wire=len(data) + more)
    assert found in {REFUSED, TRANSPORT, FRAGMENT}
    assert found != TRANSPORT or 0 <= frame.payload_at <= frame.payload_end <= len(data)


@given(
    name=st.sampled_from(sorted(PACKAGINGS)),
    changes=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 300),
)
def test_no_damage_to_a_good_frame_raises(name: str, changes: list[tuple[int, int]], cut: int) -> None:
    link, whole = PACKAGINGS[name]
    data = bytearray(whole)
    for at, value in changes:
        data[at % len(data)] = value
    frame, found = reading(bytes(data[: len(data) - cut % len(data)]), link=link, wire=len(data))
    assert found in {REFUSED, TRANSPORT, FRAGMENT}
    assert found != TRANSPORT or 0 <= frame.payload_at <= frame.payload_end <= len(data)
