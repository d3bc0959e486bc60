"""The walk through a capture ring: what the kernel wrote, and what it never would."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.flow_opener import Opener
from collector.flows import FlowTable
from collector.frames import FrameBlock
from collector.sources.ring import RingWalker, link_type

PAGE = 4096
SECOND = 1_700_000_000
ETHERNET, LOOPBACK, TUN, CAN = 1, 772, 65534, 280
VLAN_VALID = 16

# Client 192.0.2.10:40000 to server 198.51.100.5:9, four octets of payload (RFC 5737 addresses).
UDP = bytes.fromhex("4500002000000000401100 00c000020a c6336405 9c40 0009 000c 0000 61626364".replace(" ", ""))
ADDRESSES = bytes.fromhex("020000000002020000000001")


def ethernet(*tags: bytes) -> bytes:
    return ADDRESSES + b"".join(tags) + b"\x08\x00" + UDP


def frame(
    octets: bytes,
    *,
    nanoseconds: int = 0,
    tag: int | None = None,
    hardware: int = ETHERNET,
    captured: int | None = None,
    wire: int | None = None,
    step: int | None = None,
    last: bool = False,
) -> bytes:
    """Return a frame as the kernel lays it down: tpacket3_hdr, sockaddr_ll, octets. Arguments override the truth."""
    whole = (82 + len(octets) + 15) & ~15
    following = (0 if last else whole) if step is None else step
    caught = len(octets) if captured is None else captured
    header = struct.pack(
        "=6I2H2IHxx8x",
        following, SECOND, nanoseconds, caught, len(octets) if wire is None else wire,
        0 if tag is None else VLAN_VALID, 82, 82, 0, tag or 0, 0x8100,
    )  # fmt: skip
    address = struct.pack("=HHiHBB8x", 17, 0, 1, hardware, 0, 6)
    return (header + address + bytes(14) + octets).ljust(whole, b"\0")


def ring_block(*frames: bytes, count: int | None = None, first: int = 48, status: int = 1) -> bytes:
    """Return a block of the ring that the kernel has closed."""
    head = struct.pack("=6IQ4I", 1, 48, status, len(frames) if count is None else count, first, 0, 7, 0, 0, 0, 0)
    return (head + b"".join(frames)).ljust(PAGE, b"\0")


def walker(*blocks: bytes) -> tuple[RingWalker, bytearray]:
    ring = bytearray(b"".join(blocks))
    return RingWalker(memoryview(ring), blocks=len(blocks), block_octets=PAGE), ring


class NoOpenings(Opener):
    def open(self, *_: object) -> None:
        return None


def vlan_of(octets: bytes, *, tag: int | None) -> int | None:
    """Return the VLAN that a flow of this frame gets."""
    walk, _ = walker(ring_block(frame(octets, tag=tag, last=True)))
    block = FrameBlock()
    walk.fill(block)
    table = FlowTable(NoOpenings(), seed=1, capacity=16)
    table.observe(block)
    (flow,) = table.finish()
    return flow.vlan


def test_frames_come_out_with_octets_length_time_and_link_type() -> None:
    walk, _ = walker(ring_block(frame(b"first", nanoseconds=5), frame(b"second", wire=1500, last=True)))
    block = FrameBlock()
    assert walk.fill(block) is False
    assert list(block.rows()) == [
        (b"first", 5, SECOND * 10**9 + 5, 1),
        (b"second", 1500, SECOND * 10**9, 1),
    ]
    assert walk.odd == 0


def test_blocks_are_read_in_turn_and_given_back_to_the_kernel() -> None:
    walk, ring = walker(ring_block(frame(b"one", last=True)), ring_block(frame(b"two", last=True)))
    block = FrameBlock()
    seen = []
    for _ in range(2):
        assert walk.ready()
        walk.fill(block)
        seen += [row[0] for row in block.rows()]
        walk.give_back()
    assert seen == [b"one", b"two"]
    assert not walk.ready()  # the kernel has not filled the first one again
    ring[:PAGE] = ring_block(frame(b"three", last=True))
    assert walk.ready()
    walk.fill(block)
    assert [row[0] for row in block.rows()] == [b"three"]


def test_a_block_that_the_kernel_still_fills_is_not_ready() -> None:
    walk, _ = walker(ring_block(frame(b"half", last=True), status=0))
    assert not walk.ready()


def test_an_empty_block_holds_no_frame() -> None:
    walk, _ = walker(ring_block(count=0, first=0))
    block = FrameBlock()
    assert walk.fill(block) is False
    assert (block.count, walk.odd) == (0, 0)


def test_more_frames_than_a_frame_block_holds_come_in_portions() -> None:
    names = [b"%d" % number for number in range(5)]
    walk, _ = walker(ring_block(*(frame(name, last=name == b"4") for name in names)))
    block = FrameBlock(capacity=2)
    portions = []
    more = True
    while more:
        more = walk.fill(block)
        portions.append([row[0] for row in block.rows()])
    assert portions == [[b"0", b"1"], [b"2", b"3"], [b"4"]]


def test_the_tag_that_the_kernel_took_out_of_a_frame_is_the_vlan_of_its_flow() -> None:
    assert vlan_of(ethernet(), tag=30) == 30
    assert vlan_of(ethernet(), tag=0xE000 | 30) == 30  # priority bits
    assert vlan_of(ethernet(), tag=None) is None


def test_a_priority_tag_is_no_vlan() -> None:
    assert vlan_of(ethernet(), tag=0xE000) is None


def test_of_two_tags_the_inner_one_counts() -> None:
    assert vlan_of(ethernet(b"\x81\x00\x00\x09"), tag=30) == 9


@pytest.mark.parametrize(("hardware", "link"), [(ETHERNET, 1), (LOOPBACK, 1), (TUN, 101), (801, 105), (803, 127)])
def test_the_kind_of_interface_tells_the_link_type(hardware: int, link: int) -> None:
    walk, _ = walker(ring_block(frame(b"octets", hardware=hardware, last=True)))
    block = FrameBlock()
    walk.fill(block)
    assert [row[3] for row in block.rows()] == [link]
    assert link_type(hardware) == link


def test_frames_of_an_unknown_kind_are_left_out_and_counted() -> None:
    walk, _ = walker(ring_block(frame(b"can bus", hardware=CAN), frame(b"good", last=True)))
    block = FrameBlock()
    walk.fill(block)
    assert [row[0] for row in block.rows()] == [b"good"]
    assert walk.odd == 1


@pytest.mark.parametrize("captured", [PAGE, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_frame_longer_than_its_block_is_left_out_and_counted(captured: int) -> None:
    walk, _ = walker(ring_block(frame(b"bad", captured=captured), frame(b"good", last=True)), ring_block())
    block = FrameBlock()
    walk.fill(block)
    assert [row[0] for row in block.rows()] == [b"good"]
    assert walk.odd == 1


@pytest.mark.parametrize("step", [0, 1, 30, 66, 97, PAGE - 40, PAGE, 0x7FFFFFFC, 0xFFFFFFFC])
def test_a_step_that_leads_nowhere_ends_the_block_and_is_counted(step: int) -> None:
    walk, _ = walker(ring_block(frame(b"good", step=step), frame(b"lost", last=True)), ring_block())
    block = FrameBlock()
    assert walk.fill(block) is False
    assert [row[0] for row in block.rows()] == [b"good"]
    assert walk.odd == 1


@pytest.mark.parametrize("first", [0, 47, 50, PAGE - 60, PAGE, 0xFFFFFFFC])
def test_a_first_frame_outside_its_block_is_not_followed(first: int) -> None:
    walk, _ = walker(ring_block(frame(b"lost", last=True), first=first), ring_block())
    block = FrameBlock()
    assert walk.fill(block) is False
    assert (block.count, walk.odd) == (0, 1)


def test_a_count_beyond_the_frames_that_are_there_ends_with_the_last_one() -> None:
    walk, _ = walker(ring_block(frame(b"only", last=True), count=0xFFFFFFFF))
    block = FrameBlock()
    assert walk.fill(block) is False
    assert [row[0] for row in block.rows()] == [b"only"]
    assert walk.odd == 1


def test_a_wire_length_below_what_was_captured_is_not_believed() -> None:
    walk, _ = walker(ring_block(frame(b"octets", wire=2, last=True)))
    block = FrameBlock()
    walk.fill(block)
    assert [row[1] for row in block.rows()] == [6]


@given(st.binary(min_size=1, max_size=600), st.lists(st.tuples(st.integers(0, 500), st.integers(0, 2**32 - 1))))
def test_no_octets_in_the_ring_lead_outside_a_block(octets: bytes, words: list[tuple[int, int]]) -> None:
    rows = [frame(octets[at : at + 60]) for at in range(0, len(octets), 60)]
    ring = bytearray(ring_block(*rows) * 2)
    for at, word in words:
        struct.pack_into("=I", ring, at * 4, word)
    walk = RingWalker(memoryview(ring), blocks=2, block_octets=PAGE)
    block = FrameBlock(capacity=4)
    for turn in range(2):
        portions = 0
        more = True
        while more:
            more = walk.fill(block)
            portions += 1
            for data, wire, _, link in block.rows():
                assert len(data) <= wire
                assert link in {1, 101, 105, 127}
                assert data in ring[turn * PAGE : (turn + 1) * PAGE]
        assert portions <= PAGE // 68 // 4 + 1
        walk.give_back()
    assert struct.unpack_from("=I", ring, 8)[0] == 0
    assert struct.unpack_from("=I", ring, PAGE + 8)[0] == 0


@pytest.mark.parametrize(("blocks", "block_octets"), [(0, PAGE), (1, 100), (1, 5000), (3, PAGE)])
def test_a_ring_of_an_impossible_shape_is_refused(blocks: int, block_octets: int) -> None:
    with pytest.raises(ValueError, match="no ring"):
        RingWalker(memoryview(bytearray(2 * PAGE)), blocks=blocks, block_octets=block_octets)
