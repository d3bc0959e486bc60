"""collector/dissect/headers.py and what it reads through: links.py, tunnels.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.dissect.frame import Frame
from collector.dissect.headers import MAX_LAYERS, read
from tests.collector.frames_for_tests import PUPIL_MAC, ethernet, ipv4, ipv6, ipv6_fragment, tcp, udp, vlan
from tests.collector.packagings_for_tests import INNER, PACKAGINGS, UDP, outer, over_gre, over_udp

LINKS = (0, 1, 9, 10, 12, 14, 50, 51, 101, 104, 105, 107, 108, 113, 127, 228, 229, 239, 253, 276, 65_535)
TCP = 6
TRANSPORT, FRAGMENT, REFUSED = 1, 2, 0


def reading(data: bytes, *, link: int = 1, wire: int | None = None) -> tuple[Frame, int]:
    frame = Frame()
    frame.load(memoryview(data))
    return frame, read(frame, 0, len(data), wire or len(data), link)


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
