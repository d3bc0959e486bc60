"""The packets of one flow, cut out of a capture: all of them, nothing else, and no more than there is room for."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import cut_out
from collector.cut_out import CutOut, pcapng
from collector.flow_name import FlowName, flow_name
from collector.sources.capture_file import CaptureFile
from rules.sample.hellos import dns_answer
from tests.collector import frames_for_tests as made

FLOW = flow_name(f"{made.PUPIL}:40000-{made.SERVER}:443")
FLOW6 = flow_name(f"[{made.PUPIL6}]:40000-[{made.SERVER6}]:443")
FRAGMENTED6 = flow_name(f"[{made.PUPIL6}]:40000-[{made.SERVER6}]:9999")
OTHER = "198.51.100.99"
RESOLVER = "192.0.2.53"
A, AAAA = 1, 28


def cut(frames: Iterable[bytes], *, flow: FlowName = FLOW) -> CutOut:
    found = CutOut(flow)
    found.take(made.block_of(frames, step_ns=made.SECOND))
    return found


def up(payload: bytes = b"", *, port: int = 40_000, target: str = made.SERVER) -> bytes:
    return made.ethernet(made.ipv4(made.tcp(port, 443, payload=payload), 6, target=target))


def down(payload: bytes = b"") -> bytes:
    return made.ethernet(
        made.ipv4(made.tcp(443, 40_000, payload=payload), 6, source=made.SERVER, target=made.PUPIL), down=True
    )


def answer(name: str, address: str, *, to: str = made.PUPIL) -> bytes:
    told = dns_answer(name, kind=A, number=1, chain=(), records=[ip_address(address).packed])
    return made.ethernet(made.ipv4(made.udp(53, 41_000, payload=told), 17, source=RESOLVER, target=to), down=True)


def test_both_directions_are_taken_and_neighbours_are_not() -> None:
    frames = [up(), up(port=40_001), down(), up(target=OTHER), up(b"more")]
    found = cut(frames)
    assert [each.place for each in found.frames] == [0, 2, 4]
    assert [each.octets for each in found.frames] == [frames[0], frames[2], frames[4]]
    assert found.given("tcp") == 3
    assert found.given("udp") == 0


def test_who_is_named_first_does_not_matter() -> None:
    assert len(cut([up(), down()], flow=FLOW.turned).frames) == 2


def test_a_flow_over_ipv6_and_one_in_a_vlan_are_found() -> None:
    six = made.ethernet(made.ipv6(made.tcp(40_000, 443), 6), 0x86DD)
    assert len(cut([six, up()], flow=FLOW6).frames) == 1
    tagged = made.ethernet(made.vlan(made.ipv4(made.tcp(40_000, 443), 6), 12), 0x8100)
    assert len(cut([tagged]).frames) == 1


def fragments(*, identity: int, port: int = 40_000) -> list[bytes]:
    whole = made.udp(port, 443, payload=bytes(40))
    return [
        made.ethernet(made.ipv4(whole[at : at + 16], 17, identity=identity, offset=at, more=at + 16 < len(whole)))
        for at in range(0, len(whole), 16)
    ]


def fragments6() -> list[bytes]:
    whole = made.udp(40_000, 9_999, payload=bytes(40))
    pieces = [(whole[at : at + 16], at, at + 16 < len(whole)) for at in range(0, len(whole), 16)]
    return [
        made.ethernet(made.ipv6(made.ipv6_fragment(piece, 17, offset=at, more=more), 44), 0x86DD)
        for piece, at, more in pieces
    ]


def test_fragments_follow_the_one_that_has_the_ports() -> None:
    ours, theirs = fragments(identity=7), fragments(identity=8, port=40_001)
    mixed = [each for pair in zip(ours, theirs, strict=True) for each in pair]
    for frames in (mixed, mixed[::-1]):
        found = cut(frames)
        assert {each.octets for each in found.frames} == set(ours)
        assert found.fragments == found.given("udp") == 3


def test_fragments_of_ipv6_are_found_likewise() -> None:
    found = cut([up(), *fragments6()], flow=FRAGMENTED6)
    assert (len(found.frames), found.fragments, found.given("udp")) == (3, 3, 3)


@given(
    st.lists(st.tuples(st.binary(max_size=30), st.binary(max_size=60)), max_size=4), st.sampled_from([1, 12, 113, 276])
)
def test_no_frame_does_harm(parts: list[tuple[bytes, bytes]], link: int) -> None:
    found = CutOut(FLOW)
    frames = [before + FLOW.client.packed + FLOW.server.packed + after for before, after in parts]
    found.take(made.block_of([*frames, *fragments(identity=1)], link=link))
    assert found.given("tcp") + found.given("udp") == len(found.frames)


def test_fragments_whose_first_never_comes_take_no_more_than_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut_out, "MOST_WAITING", 8)
    found = cut([fragments(identity=number)[1] for number in range(50)] + fragments(identity=60))
    assert found._waiting <= 8
    assert sum(len(each.waiting) for each in found._fragments.values()) == found._waiting
    assert len(found.frames) == 3


def test_what_has_no_room_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut_out, "MOST_FRAMES", 3)
    found = cut([up(bytes([number])) for number in range(10)])
    assert [each.place for each in found.frames] == [0, 1, 2]
    assert found.left_out == 7


def test_octets_are_bounded_as_packets_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut_out, "MOST_OCTETS", 3_000)
    found = cut([up(bytes(1_400)) for _ in range(4)])
    assert (len(found.frames), found.left_out) == (2, 2)


def test_the_answers_that_led_this_device_to_the_server_come_along() -> None:
    frames = [
        answer("early.example", made.SERVER),
        answer("elsewhere.example", OTHER),
        answer("of-another-pupil.example", made.SERVER, to="192.0.2.11"),
        up(),
        answer("late.example", made.SERVER),
    ]
    # The router's MAC address, that all answers are sent to here, is not the pupil's: only the address decides.
    frames[2] = frames[2].replace(made.PUPIL_MAC, made.ROUTER_MAC, 1)
    assert [each.place for each in cut(frames).answers(FLOW)] == [0]


def test_a_device_that_asks_over_ipv4_and_connects_over_ipv6_is_one_device() -> None:
    told = dns_answer("six.example", kind=AAAA, number=1, chain=(), records=[ip_address(made.SERVER6).packed])
    asked = made.ethernet(
        made.ipv4(made.udp(53, 41_000, payload=told), 17, source=RESOLVER, target=made.PUPIL), down=True
    )
    six = made.ethernet(made.ipv6(made.tcp(40_000, 443), 6), 0x86DD)
    assert [each.place for each in cut([asked, six], flow=FLOW6).answers(FLOW6)] == [0]


def test_what_is_written_is_read_again_octet_for_octet(tmp_path: Path) -> None:
    found = cut([up(b"x" * number) for number in range(5)] + [down()])
    path = tmp_path / "cut.pcapng"
    path.write_bytes(pcapng(found.frames))
    with CaptureFile(path) as file:
        rows = [row for block in file for row in block.rows()]
    assert rows == [(each.octets, each.wire, each.time_ns, each.link) for each in found.frames]
    assert not file.warning
