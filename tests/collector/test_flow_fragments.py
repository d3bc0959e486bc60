"""collector/reassembly.py, in the table: packets that come in pieces."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from collector.dissect import fragments as fragments_module
from tests.collector.flows_for_tests import (
    UDP,
    Openings,
    at,
    datagram,
    flows_of,
    table_of,
)
from tests.collector.frames_for_tests import (
    PUPIL,
    PUPIL6,
    PUPIL_MAC,
    block_of,
    ethernet,
    ipv4,
    ipv6,
    ipv6_fragment,
    udp,
)


def pieces_of(payload: bytes, step: int, *, identity: int = 7) -> list[bytes]:
    return [
        ethernet(
            ipv4(payload[o : o + step], UDP, identity=identity, offset=o, more=o + step < len(payload)), down=False
        )
        for o in range(0, len(payload), step)
    ]


def pieces6_of(payload: bytes, step: int) -> list[bytes]:
    return [
        ethernet(ipv6(ipv6_fragment(payload[o : o + step], UDP, offset=o, more=o + step < len(payload)), 44), 0x86DD)
        for o in range(0, len(payload), step)
    ]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("version", [4, 6])
def test_fragments_in_any_order_are_one_datagram(order: int, version: int) -> None:
    text = bytes(range(256)) * 4
    whole = udp(40_000, 53, payload=text)
    frames = (pieces_of(whole, 128) if version == 4 else pieces6_of(whole, 128))[::order]
    [flow] = flows_of(frames)
    head = 20 if version == 4 else 48
    assert flow.opening.shown == [(True, 0, text)]
    assert (flow.packets_up, flow.bytes_up, flow.payload_up) == (
        len(frames),
        len(whole) + head * len(frames),
        len(text),
    )
    assert flow.mac == PUPIL_MAC
    assert flow.client == ip_address(PUPIL if version == 4 else PUPIL6).packed


def test_fragments_of_two_packets_do_not_mix() -> None:
    first = pieces_of(udp(40_000, 53, payload=b"a" * 100), 64, identity=1)
    second = pieces_of(udp(40_000, 53, payload=b"b" * 100), 64, identity=2)
    [flow] = flows_of([first[1], second[0], first[0], second[1]])
    assert sorted(data for _, _, data in flow.opening.shown) == [b"a" * 100, b"b" * 100]


def test_a_fragment_that_came_twice_changes_only_the_count() -> None:
    frames = pieces_of(udp(40_000, 53, payload=bytes(range(100))), 64)
    [flow] = flows_of([frames[1], frames[1], frames[0]])
    assert flow.opening.shown == [(True, 0, bytes(range(100)))]
    assert flow.packets_up == 3


def test_an_incomplete_packet_counts_once_it_is_too_old() -> None:
    frames = pieces_of(udp(40_000, 53, payload=bytes(300)), 104)
    table = table_of()
    table.observe(block_of([(frames[0], at(0)), (frames[2], at(1)), (datagram(), at(29))]))
    assert table.live == 1
    table.observe(block_of([(datagram(), at(36))]))
    assert table.live == 2
    flow = next(flow for flow in table.finish() if flow.server_port == 53)
    assert (flow.packets_up, flow.bytes_up, flow.started_ns) == (2, 2 * 20 + 104 + 100, at(0))
    assert flow.opening.shown == [(True, 0, bytes(96))]
    assert table.counters["packets_incomplete"] == 1


def test_fragments_without_their_first_are_skipped_with_a_reason() -> None:
    table = table_of()
    table.observe(block_of(pieces_of(udp(payload=bytes(300)), 104)[1:]))
    assert table.finish() == []
    assert table.skipped == {"transport header cut short": 2}


def test_a_tunnel_in_fragments_is_opened() -> None:
    inner = ipv4(udp(40_000, 53, payload=b"inside"), UDP)
    outer = ipv4(inner, 4, source="203.0.113.1", target="203.0.113.2")[20:]
    frames = [
        ethernet(ipv4(outer[o : o + 24], 4, source="203.0.113.1", target="203.0.113.2", offset=o, more=o == 0))
        for o in (0, 24)
    ]
    [flow] = flows_of(frames)
    assert flow.opening.shown == [(True, 0, b"inside")]
    assert (flow.bytes_up, flow.mac) == (len(inner), None)


def test_a_fragment_that_completes_a_fragment_that_completes_a_fragment_does_not_nest_without_end() -> None:
    packet = ipv4(udp(40_000, 53, payload=b"core"), UDP)
    frames = []
    for depth in range(300):
        body = packet[20:]
        protocol = packet[9]
        cut = 8
        frames.append(ethernet(ipv4(body[:cut], protocol, identity=1_000 + depth, more=True)))
        last = ipv4(body[cut:], protocol, identity=1_000 + depth, offset=cut)
        packet = ipv4(last, 4)
    [flow] = flows_of([*frames, ethernet(packet)], Openings(none=True))
    assert flow.server_port == 53


def test_incomplete_packets_are_bounded_in_number() -> None:
    table = table_of(Openings(none=True))
    count = fragments_module.MAX_PACKETS + 10
    table.observe(block_of([pieces_of(udp(40_000, 53, payload=bytes(100)), 64, identity=i)[0] for i in range(count)]))
    assert table.counters["packets_incomplete"] == 10
    [flow] = table.finish()
    assert flow.packets_up == count


def test_incomplete_packets_are_bounded_in_octets() -> None:
    table = table_of(Openings(none=True))
    held = fragments_module.MAX_OCTETS // 60_000
    frames = [
        ethernet(ipv4(udp(40_000, 53, payload=bytes(59_992)), UDP, identity=i, more=True)) for i in range(held + 3)
    ]
    for frame in frames:
        table.observe(block_of([frame]))
    assert table.counters["packets_incomplete"] == 3
    [flow] = table.finish()
    assert flow.packets_up == held + 3


def test_fragments_that_hold_nothing_are_bounded_as_well() -> None:
    fragments = fragments_module.Fragments()
    most = fragments_module.MAX_OCTETS // fragments_module.PIECE_OCTETS
    done = []
    for number in range(most + 10):
        packet = fragments_module.Packet(
            link=b"", version=4, addresses=bytes(8), protocol=17, vlan=-1, at_ns=0, ip_octets=0
        )
        key = (number // 1_000).to_bytes(4, "big")
        offset = 8 * (number % 1_000)
        done += fragments.add(key, packet, offset=offset, length=0, more=True, data=b"")
    assert len(done) == 1
    assert fragments.given_up == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_packet_in_pieces_lasts_from_the_first_that_came_to_the_last(order: int) -> None:
    frames = pieces_of(udp(40_000, 53, payload=bytes(256)), 128)[::order]
    [flow] = flows_of([(frame, at(number)) for number, frame in enumerate(frames)])
    assert (flow.started_ns, flow.ended_ns) == (at(0), at(len(frames) - 1))
