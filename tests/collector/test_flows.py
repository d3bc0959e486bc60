"""collector/flows.py: which packets belong together, what is counted, and when a flow ends."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise

import pytest

from collector.flows import LINGER_S, PART_S, TCP_IDLE_S, UDP_IDLE_S
from tests.collector.flows_for_tests import (
    START,
    TCP,
    UDP,
    Openings,
    at,
    datagram,
    down,
    flows_of,
    handshake,
    table_of,
    up,
)
from tests.collector.frames_for_tests import (
    ACK,
    FIN,
    PUPIL,
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
    tcp,
    udp,
    vlan,
)

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
