"""collector/flows.py: which packets belong together, what is counted, what an opening is shown, when a flow ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from collector.dissect import fragments as fragments_module
from collector.flows import LINGER_S, PART_S, TCP_IDLE_S, TCP_SHOWN_OCTETS, UDP_IDLE_S, UDP_SHOWN, Flow, FlowTable
from tests.collector.frames_for_tests import (
    ACK,
    FIN,
    PUPIL,
    PUPIL6,
    PUPIL_MAC,
    ROUTER_MAC,
    RST,
    SECOND,
    SERVER,
    SYN,
    block_of,
    ethernet,
    ipv4,
    ipv6,
    ipv6_fragment,
    tcp,
    udp,
    vlan,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

TCP, UDP = 6, 17
START = 1_700_000_000 * SECOND
QUIC_1 = b"\xc3\0\0\0\1" + bytes(20)


@dataclass(kw_only=True)
class Opening:
    """Remembers what it was shown, and goes on wanting *wanted*."""

    wanted: int = 3
    plaintext: bool = False
    reversed: bool = False
    shown: list[tuple[bool, int, bytes]] = field(default_factory=list)

    def octets(self, up: bool, offset: int, data: bytes, at_ns: int) -> int:
        assert at_ns >= START
        self.shown.append((up, offset, data))
        return self.wanted

    def stream(self, *, up: bool) -> bytes:
        """Return the octets of a direction in their order."""
        return b"".join(data for _, data in sorted((offset, data) for way, offset, data in self.shown if way == up))


@dataclass(kw_only=True)
class Openings:
    """Opens every flow alike, and remembers who asked."""

    wanted: int = 3
    plaintext: bool = False
    none: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)

    def open(self, **facts: Any) -> Opening | None:
        self.asked.append(facts)
        return None if self.none else Opening(wanted=self.wanted, plaintext=self.plaintext)


def table_of(openings: Openings | None = None, *, capacity: int = 1_000, seed: int = 7) -> FlowTable:
    return FlowTable(openings or Openings(), seed=seed, capacity=capacity)


def flows_of(
    frames: Iterable[bytes | tuple[bytes, int]], openings: Openings | None = None, **kwargs: Any
) -> list[Flow]:
    table = table_of(openings)
    table.observe(block_of(frames, **kwargs))
    return table.finish()


def up(payload: bytes = b"", *, flags: int = ACK, sequence: int = 1_000, port: int = 40_000) -> bytes:
    return ethernet(ipv4(tcp(port, 443, payload=payload, flags=flags, sequence=sequence), TCP))


def down(payload: bytes = b"", *, flags: int = ACK, sequence: int = 9_000, port: int = 40_000) -> bytes:
    segment = tcp(443, port, payload=payload, flags=flags, sequence=sequence)
    return ethernet(ipv4(segment, TCP, source=SERVER, target=PUPIL), down=True)


def datagram(source: int = 40_000, target: int = 9_999, payload: bytes = b"x", **kwargs: Any) -> bytes:
    return ethernet(ipv4(udp(source, target, payload=payload), UDP, **kwargs))


def handshake(*, port: int = 40_000, isn: int = 999) -> list[bytes]:
    return [
        up(flags=SYN, sequence=isn, port=port),
        down(flags=SYN | ACK, sequence=8_999, port=port),
        up(sequence=isn + 1, port=port),
    ]


def at(seconds: float) -> int:
    return START + int(seconds * SECOND)


# --- what one flow says


def test_a_connection_is_one_flow_with_all_that_passed() -> None:
    [flow] = flows_of(
        [*handshake(), up(b"hello"), down(b"welcome"), up(flags=FIN | ACK, sequence=1_005), down(flags=FIN | ACK)],
        step_ns=SECOND,
        time_ns=START,
    )
    assert flow.client == ip_address(PUPIL).packed
    assert flow.server == ip_address(SERVER).packed
    assert (flow.client_port, flow.server_port, flow.proto) == (40_000, 443, "tcp")
    assert (flow.started_ns, flow.ended_ns) == (START, at(6))
    assert (flow.bytes_up, flow.bytes_down) == (4 * 40 + 5, 3 * 40 + 7)
    assert (flow.packets_up, flow.packets_down, flow.payload_up, flow.payload_down) == (4, 3, 5, 7)
    assert (flow.ordinal, flow.part, flow.end, flow.certain) == (0, 0, "fin", True)
    assert (flow.mac, flow.server_mac, flow.vlan) == (PUPIL_MAC, ROUTER_MAC, None)


def test_the_innermost_tag_of_the_clients_frames_is_the_flows_vlan() -> None:
    back = ethernet(vlan(ipv4(udp(9_999, 40_000), UDP, source=SERVER, target=PUPIL), 20), 0x8100, down=True)
    there = ethernet(vlan(vlan(ipv4(udp(), UDP), 30), 5, 0x8100), 0x88A8)
    assert [flow.vlan for flow in flows_of([back, there])] == [30]
    assert [flow.vlan for flow in flows_of([back])] == [20]


def test_a_tag_that_the_source_took_away_counts_like_one_in_the_frame() -> None:
    block = block_of([])
    block.clear(memoryview(datagram()))
    block.add(0, len(datagram()), len(datagram()), START, 1, 77)
    table = table_of()
    table.observe(block)
    assert [flow.vlan for flow in table.finish()] == [77]


def test_a_repr_names_no_address() -> None:
    [flow] = flows_of([datagram()])
    assert PUPIL not in repr(flow)
    assert "40000" in repr(flow)


def test_ipv6_and_ipv4_of_the_same_number_are_two_flows() -> None:
    low = ethernet(ipv6(udp(), UDP, source="::192.0.2.10", target="::198.51.100.20"), 0x86DD)
    assert {len(flow.client) for flow in flows_of([datagram(), low])} == {4, 16}


# --- who is the client


def test_who_sends_the_syn_is_the_client_whatever_the_ports() -> None:
    [flow] = flows_of([ethernet(ipv4(tcp(20, 50_000, flags=SYN), TCP))])
    assert (flow.client_port, flow.certain) == (20, True)


def test_who_answers_a_syn_is_the_server() -> None:
    [flow] = flows_of([ethernet(ipv4(tcp(50_000, 20, flags=SYN | ACK), TCP))])
    assert (flow.client_port, flow.server_port, flow.certain) == (20, 50_000, True)


def test_without_a_syn_the_higher_port_is_the_client_and_then_the_first_sender() -> None:
    [flow] = flows_of([down(b"late")])
    assert (flow.client_port, flow.certain) == (40_000, False)
    [flow] = flows_of([datagram(5_000, 5_000)])
    assert flow.client == ip_address(PUPIL).packed


def test_a_syn_that_was_overtaken_turns_what_was_counted() -> None:
    answer = ethernet(ipv4(tcp(50_000, 20), TCP, source=SERVER, target=PUPIL), down=True)
    syn = ethernet(ipv4(tcp(20, 50_000, flags=SYN), TCP))
    [flow] = flows_of([answer, answer, syn])
    assert (flow.client_port, flow.certain) == (20, True)
    assert (flow.packets_up, flow.packets_down, flow.bytes_down) == (1, 2, 80)
    assert (flow.mac, flow.server_mac) == (PUPIL_MAC, ROUTER_MAC)


def test_a_client_that_an_opening_was_told_of_is_not_turned() -> None:
    early = ethernet(ipv4(tcp(20, 50_000, payload=b"x"), TCP))
    answer = ethernet(ipv4(tcp(50_000, 20, flags=SYN | ACK), TCP, source=SERVER, target=PUPIL), down=True)
    [flow] = flows_of([early, answer])
    assert (flow.client_port, flow.certain, flow.packets_up, flow.packets_down) == (50_000, False, 1, 1)


# --- when a flow ends


def test_quiet_flows_end_idle_at_their_own_time() -> None:
    table = table_of()
    table.observe(block_of([(up(), at(0)), (datagram(), at(1)), (datagram(1, 2), at(UDP_IDLE_S + 0.9))]))
    assert table.drain() == []
    table.observe(block_of([(datagram(1, 2), at(UDP_IDLE_S + 1))]))
    assert [(flow.proto, flow.end, flow.ended_ns) for flow in table.drain()] == [("udp", "idle", at(1))]
    table.observe(block_of([(datagram(1, 2), at(TCP_IDLE_S))]))
    assert [(flow.proto, flow.end) for flow in table.drain()] == [("tcp", "idle")]
    assert [flow.end for flow in table.finish()] == ["eof"]


def test_on_a_quiet_interface_flows_end_when_time_is_said_to_have_passed() -> None:
    table = table_of()
    table.observe(block_of([(up(), at(0)), (datagram(), at(1))]))
    table.advance(at(100))
    assert table.drain() == []
    table.advance(at(182))
    assert [(flow.proto, flow.end, flow.ended_ns) for flow in table.drain()] == [("udp", "idle", at(1))]
    table.advance(at(50))  # time never goes back
    table.advance(at(301))
    assert [(flow.proto, flow.end) for flow in table.drain()] == [("tcp", "idle")]
    assert table.packets == 2


def test_a_reset_ends_a_flow_and_strays_still_belong_to_it_for_a_while() -> None:
    table = table_of()
    closing = [(up(), at(0)), (down(flags=RST), at(1)), (up(b"stray"), at(LINGER_S)), (datagram(), at(LINGER_S * 3))]
    table.observe(block_of(closing))
    [flow] = table.drain()
    assert (flow.end, flow.packets_up, flow.packets_down) == ("rst", 2, 1)


def test_one_fin_leaves_the_other_direction_open() -> None:
    table = table_of()
    table.observe(block_of([(up(flags=FIN | ACK), at(0)), (down(bytes(99)), at(60)), (datagram(), at(70))]))
    assert table.drain() == []
    [flow] = [flow for flow in table.finish() if flow.proto == "tcp"]
    assert (flow.end, flow.bytes_down) == ("eof", 139)


def test_a_new_syn_after_the_close_begins_a_new_flow() -> None:
    closing = [up(flags=FIN | ACK), down(flags=FIN | ACK)]
    flows = flows_of([*handshake(), *closing, *handshake(isn=5_000_000)])
    assert [(flow.ordinal, flow.end, flow.packets_up) for flow in flows] == [(0, "fin", 3), (1, "eof", 2)]


def test_a_syn_with_another_sequence_number_begins_a_new_flow_and_a_repeated_one_does_not() -> None:
    flows = flows_of([*handshake(), *handshake(), up(flags=SYN, sequence=70_000)])
    assert [(flow.packets_up, flow.end) for flow in flows] == [(4, "idle"), (1, "eof")]


def test_a_syn_long_after_payload_was_seen_begins_a_new_flow_and_a_late_one_does_not() -> None:
    assert len(flows_of([up(b"data", sequence=1_000), up(flags=SYN, sequence=999)])) == 1
    assert len(flows_of([up(b"data", sequence=1_000), up(flags=SYN, sequence=500_000_000)])) == 2
    assert len(flows_of([down(b"data"), up(flags=SYN, sequence=500_000_000)])) == 2


def test_a_refused_connection_that_is_tried_again_is_one_flow() -> None:
    [flow] = flows_of(
        [up(flags=SYN, sequence=1), down(flags=RST | ACK), up(flags=SYN, sequence=1), down(flags=RST | ACK)]
    )
    assert (flow.end, flow.packets_up) == ("rst", 2)


def test_a_long_flow_reports_in_parts_that_count_only_what_is_new() -> None:
    openings = Openings()
    table = table_of(openings)
    table.observe(block_of([(up(b"x" * row), at(row * 60)) for row in range(1, 12)], time_ns=START))
    flows = table.drain() + table.finish()
    assert [(flow.part, flow.end) for flow in flows] == [(0, "active"), (1, "active"), (2, "eof")]
    assert [flow.packets_up for flow in flows] == [5, 5, 1]
    assert [flow.payload_up for flow in flows] == [15, 40, 11]
    assert sum(flow.bytes_up for flow in flows) == 11 * 40 + 66
    assert [(flow.started_ns, flow.ended_ns) for flow in flows] == [
        (at(60), at(300)),
        (at(360), at(600)),
        (at(660), at(660)),
    ]
    assert {flow.ordinal for flow in flows} == {0}
    assert {id(flow.opening) for flow in flows} == {id(flows[0].opening)}
    assert len(openings.asked) == 1
    assert PART_S == 300


def test_time_that_runs_backwards_is_counted_and_never_shows() -> None:
    table = table_of()
    table.observe(block_of([(up(), at(100)), (up(), at(10)), (down(), at(50)), (up(), at(101))]))
    assert table.late == 2
    [flow] = table.finish()
    assert (flow.started_ns, flow.ended_ns, flow.packets_up + flow.packets_down) == (at(100), at(101), 4)


@pytest.mark.parametrize("when", [[0, (1 << 63) - 1, 5], [(1 << 63) - 1, 0, (1 << 63) - 1]])
def test_absurd_times_lose_no_packet(when: list[int]) -> None:
    table = table_of(Openings(none=True))
    table.observe(block_of([(datagram(), time) for time in when]))
    flows = table.drain() + table.finish()
    assert sum(flow.packets_up for flow in flows) == 3
    assert all(flow.started_ns <= flow.ended_ns for flow in flows)


# --- a full table


def test_a_full_table_ends_the_quietest_flow_and_loses_no_octets() -> None:
    table = table_of(capacity=4)
    frames = [(datagram(port), at(port)) for port in range(1, 5)]
    frames += [(datagram(1), at(5)), (datagram(6), at(6)), (datagram(7), at(7))]
    table.observe(block_of(frames))
    assert [(flow.server_port, flow.client_port, flow.end) for flow in table.drain()] == [
        (2, 9_999, "evicted"),
        (3, 9_999, "evicted"),
    ]
    assert (table.evicted, table.live) == (2, 4)
    assert {flow.server_port for flow in table.finish()} == {4, 1, 6, 7}


def test_a_full_table_first_ends_what_is_closed_already() -> None:
    table = table_of(capacity=2)
    table.observe(block_of([(datagram(), at(0)), (up(flags=RST), at(1)), (datagram(7), at(2))]))
    assert [flow.end for flow in table.drain()] == ["rst"]
    assert table.evicted == 0


def test_a_flood_of_new_flows_comes_out_whole() -> None:
    table = table_of(Openings(none=True), capacity=64)
    count = 5_000
    table.observe(block_of([datagram(1_024 + row) for row in range(count)], step_ns=1_000))
    flows = table.drain() + table.finish()
    assert sum(flow.bytes_up + flow.bytes_down for flow in flows) == count * 29
    assert sorted(flow.ordinal for flow in flows) == list(range(count))
    assert table.counters["evicted"] == count - 64


def test_a_table_of_no_size_is_refused() -> None:
    with pytest.raises(ValueError, match="holds 1 to"):
        table_of(capacity=0)


# --- what an opening is shown


def test_an_opening_is_asked_for_at_the_first_payload_and_told_who_talks() -> None:
    openings = Openings()
    flows_of([*handshake(), up(b"hello")], openings)
    assert openings.asked == [
        {
            "proto": "tcp",
            "client": ip_address(PUPIL).packed,
            "server": ip_address(SERVER).packed,
            "client_port": 40_000,
            "server_port": 443,
            "mac": PUPIL_MAC,
            "server_mac": ROUTER_MAC,
            "at_ns": START,
        }
    ]
    openings = Openings()
    flows_of(handshake(), openings)
    assert openings.asked == []


def test_offsets_count_from_the_syn() -> None:
    [flow] = flows_of([*handshake(), up(b"world", sequence=1_006), up(b"hello ", sequence=1_000), down(b"hi")])
    assert flow.opening.shown == [(True, 6, b"world"), (True, 0, b"hello "), (False, 0, b"hi")]


def test_offsets_count_from_the_first_payload_seen_where_no_syn_was_and_may_be_negative() -> None:
    [flow] = flows_of([up(b"world", sequence=1_006), up(b"hello ", sequence=1_000)])
    assert [offset for _, offset, _ in flow.opening.shown] == [0, -6]


def test_offsets_grow_past_the_end_of_the_sequence_numbers() -> None:
    isn = 0xFFFFFFF0
    frames = [up(flags=SYN, sequence=isn), up(b"a", sequence=isn + 1), up(b"b", sequence=isn + 40)]
    # Three steps of under 2 GiB each: more than sequence numbers can tell apart at once.
    frames += [up(b"c", sequence=isn + 1 + step * 0x70000000) for step in (1, 2, 3)]
    [flow] = flows_of(frames, Openings(plaintext=True))
    assert [offset for _, offset, _ in flow.opening.shown] == [0, 39, 0x70000000, 0xE0000000, 0x150000000]


def test_payload_on_the_syn_is_the_first_payload() -> None:
    [flow] = flows_of([up(b"early", flags=SYN, sequence=99), up(b" data", sequence=105)])
    assert flow.opening.stream(up=True) == b"early data"


@pytest.mark.parametrize(
    ("wanted", "expected"), [(0, [True]), (1, [True, True]), (2, [True, False]), (3, [True, False, True])]
)
def test_an_opening_sees_only_the_directions_it_still_wants(wanted: int, expected: list[bool]) -> None:
    [flow] = flows_of([up(b"a"), down(b"b"), up(b"c", sequence=1_001)], Openings(wanted=wanted))
    assert [way for way, _, _ in flow.opening.shown] == expected


def test_a_flow_that_nobody_opens_is_counted_all_the_same() -> None:
    openings = Openings(none=True)
    [flow] = flows_of([up(b"a"), up(b"b")], openings)
    assert (flow.opening, flow.payload_up, len(openings.asked)) == (None, 2, 1)


@pytest.mark.parametrize("size", [1, 16, 1_400])
def test_an_opening_that_never_decides_is_not_shown_more_than_the_bound(size: int) -> None:
    table = table_of(Openings())
    count = 2 * TCP_SHOWN_OCTETS // max(size, 16)
    table.observe(block_of([up(bytes(size), sequence=1_000 + size * row) for row in range(count)]))
    [flow] = table.finish()
    shown = sum(max(len(data), 16) for _, _, data in flow.opening.shown)
    assert TCP_SHOWN_OCTETS < shown <= TCP_SHOWN_OCTETS + 1_416
    assert table.given_up == 1


def test_an_opening_that_reads_clear_text_is_shown_everything() -> None:
    [flow] = flows_of([up(bytes(1_400), sequence=1_400 * row) for row in range(200)], Openings(plaintext=True))
    assert len(flow.opening.shown) == 200


def test_datagrams_of_dns_are_shown_both_ways_always() -> None:
    question = datagram(40_000, 53, b"question")
    answer = ethernet(ipv4(udp(53, 40_000, payload=b"answer"), UDP, source=SERVER, target=PUPIL), down=True)
    [flow] = flows_of([question, answer] * 50)
    assert flow.opening.shown[:2] == [(True, 0, b"question"), (False, 0, b"answer")]
    assert len(flow.opening.shown) == 100


@pytest.mark.parametrize("version", ["00000001", "6b3343cf", "709a50c4", "ff00001d", "faceb002", "51303530"])
def test_quic_hellos_of_known_versions_are_shown_on_any_port(version: str) -> None:
    hello = b"\xc3" + bytes.fromhex(version) + bytes(20)
    short = b"\x43" + bytes(40)
    [flow] = flows_of([datagram(40_000, 4_433, hello), datagram(40_000, 4_433, short)])
    assert flow.opening.shown == [(True, 0, hello)]


@pytest.mark.parametrize(
    "payload", [b"", b"x", b"\x43" + bytes(40), b"\x80\x60\0\1" + bytes(40), b"\xc3\x0a\x1a\x2a\x3a" + bytes(20)]
)
def test_other_datagrams_never_make_an_opening(payload: bytes) -> None:
    openings = Openings()
    flows_of([datagram(40_000, 443, payload)] * 3, openings)
    assert openings.asked == []


def test_a_negotiation_of_versions_is_shown_only_after_a_hello() -> None:
    negotiation = b"\xc3" + bytes(30)
    back = ethernet(ipv4(udp(443, 40_000, payload=negotiation), UDP, source=SERVER, target=PUPIL), down=True)
    openings = Openings()
    flows_of([back], openings)
    assert openings.asked == []
    [flow] = flows_of([datagram(40_000, 443, QUIC_1), back], openings)
    assert flow.opening.shown == [(True, 0, QUIC_1), (False, 0, negotiation)]


def test_no_more_than_a_few_hellos_of_one_flow_are_shown() -> None:
    table = table_of()
    table.observe(block_of([datagram(40_000, 443, QUIC_1)] * (UDP_SHOWN * 2)))
    [flow] = table.finish()
    assert len(flow.opening.shown) == UDP_SHOWN
    assert table.given_up == 1


def test_a_segment_cut_by_the_snap_length_is_shown_as_far_as_it_was_captured() -> None:
    whole = up(b"0123456789")
    [flow] = flows_of([whole[:60]], wire=len(whole))
    assert flow.opening.shown == [(True, 0, b"012345")]
    assert (flow.payload_up, flow.bytes_up) == (10, 50)


# --- fragments


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
    assert (flow.packets_up, flow.bytes_up, flow.started_ns) == (2, 2 * 20 + 104 + 100, at(1))
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


# --- counters, and the whole against a plain table


def test_every_frame_is_counted_or_skipped_with_a_reason() -> None:
    table = table_of()
    table.observe(block_of([datagram(), ethernet(b"", 0x0806), ethernet(ipv4(b"ping", 1)), b"short"]))
    assert table.counters == table.counters | {
        "packets": 4,
        "flows": 1,
        "octets": 29,
        "skipped: not IP": 1,
        "skipped: neither TCP nor UDP": 1,
        "skipped: frame cut short": 1,
    }


@pytest.mark.parametrize("capacity", [1_000, 7])
@pytest.mark.parametrize("seed", range(6))
def test_the_table_counts_what_a_plain_dictionary_counts(seed: int, capacity: int) -> None:
    """Random packets of few ends, so that directions, versions and reuse meet: octets per end pair must agree."""
    state = seed + 1
    expected: dict[tuple[bytes, int, bytes, int, str], list[int]] = {}
    frames = []
    now = START
    for _ in range(3_000):
        state = state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407 & 0xFFFFFFFFFFFFFFFF
        draw = state >> 20
        a, b = f"192.0.2.{draw % 4}", f"192.0.2.{draw // 4 % 4}"
        sport, dport = 50 + draw // 16 % 3, 50 + draw // 64 % 3
        is_tcp = draw // 256 % 2
        payload = bytes(draw // 512 % 50)
        flags = (ACK, ACK, ACK, SYN, SYN | ACK, FIN | ACK, RST, ACK)[draw // 65_536 % 8]
        transport = (
            tcp(sport, dport, payload=payload, flags=flags, sequence=draw)
            if is_tcp
            else udp(sport, dport, payload=payload)
        )
        if draw // 4_096 % 2:
            source, target = f"2001:db8::{a[-1]}", f"2001:db8::{b[-1]}"
            data = ethernet(ipv6(transport, TCP if is_tcp else UDP, source=source, target=target), 0x86DD)
        else:
            source, target = a, b
            data = ethernet(ipv4(transport, TCP if is_tcp else UDP, source=source, target=target))
        now += (draw >> 30) % (2 * SECOND)
        frames.append((data, now))
        key = (ip_address(source).packed, sport, ip_address(target).packed, dport, "tcp" if is_tcp else "udp")
        counted = expected.setdefault(key, [0, 0])
        counted[0] += len(data) - 14
        counted[1] += 1
    results = []
    for table_seed in (seed, seed + 99):
        table = table_of(Openings(none=True), capacity=capacity, seed=table_seed)
        found: dict[tuple[bytes, int, bytes, int, str], list[int]] = {}
        order = []
        for start in range(0, len(frames), 500):
            table.observe(block_of(frames[start : start + 500]))
        for flow in table.drain() + table.finish():
            ends = ((flow.client, flow.client_port), (flow.server, flow.server_port))
            itself = ends[0] == ends[1]
            for one, other, octets, packets in (
                (*ends, flow.bytes_up, flow.packets_up),
                (*ends[::-1], flow.bytes_down, flow.packets_down),
            ):
                if packets:
                    counted = found.setdefault((*one, *other, flow.proto), [0, 0])
                    counted[0] += octets
                    counted[1] += packets
            assert not (itself and flow.packets_up and flow.packets_down)
            order.append((flow.ordinal, flow.part, flow.end))
        assert found == expected
        results.append(order)
    assert results[0] == results[1], "the seed must not show"
    assert capacity > 7 or table.evicted


def test_parts_of_one_flow_follow_one_another_without_gaps() -> None:
    table = table_of(Openings(none=True))
    table.observe(block_of([(up(b"x"), at(row * 7)) for row in range(400)]))
    flows = table.drain() + table.finish()
    assert [flow.part for flow in flows] == list(range(len(flows)))
    assert all(one.ended_ns < other.started_ns for one, other in pairwise(flows))
    assert sum(flow.packets_up for flow in flows) == 400
