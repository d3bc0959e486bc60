"""collector/flows.py: what the opening of a flow is told, which payload it is shown, and where that ends."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from collector.flows import TCP_SHOWN_OCTETS, UDP_SHOWN
from tests.collector.flows_for_tests import (
    QUIC_1,
    START,
    UDP,
    Openings,
    datagram,
    down,
    flows_of,
    handshake,
    table_of,
    up,
)
from tests.collector.frames_for_tests import (
    PUPIL,
    PUPIL_MAC,
    ROUTER_MAC,
    SERVER,
    SYN,
    block_of,
    ethernet,
    ipv4,
    udp,
)


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
