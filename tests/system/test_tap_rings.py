"""Rings that grow, and frames that are shared among several: each frame comes to one ring, once, and in order."""

from __future__ import annotations

import signal
import struct
import time
from collections.abc import Iterator

import pytest

from collector.sources.afpacket import RingSize
from collector.sources.fanout import Fanout
from collector.sources.live import LiveCapture
from tests.parts.patience import PATIENCE_S
from tests.system.test_tap_interfaces import child, line_of
from tests.system.veth_for_tests import BETWEEN, IPV4, Lab, frames_of, inside, made_lab, read

TINY = RingSize(blocks=8, block_octets=65_536, most_blocks=32)
# Frames of so many octets: some sixty in a block.
FILLING = bytes(960)
LANES = 3


@pytest.fixture
def lab() -> Iterator[Lab]:
    with made_lab() as lab:
        lab.plug()
        yield lab


def numbered(number: int) -> bytes:
    return BETWEEN + IPV4 + struct.pack(">I", number) + FILLING


def test_a_ring_that_fills_up_grows_and_every_frame_comes_once_and_in_order(lab: Lab) -> None:
    said: list[str] = []
    seen: list[int] = []
    with lab.tap("tap0", size=TINY, say=said.append) as tap, lab.outlet() as outlet:
        sent = 0

        def burst(frames: int) -> None:
            nonlocal sent
            for number in range(sent, sent + frames):
                outlet.send(numbered(number))
            sent += frames

        burst(330)
        deadline = time.monotonic() + PATIENCE_S
        for block in tap:
            seen += [struct.unpack_from(">I", row[0], 14)[0] for row in block.rows()]
            if sent < 3_000:
                burst(40)
            elif len(seen) >= sent or time.monotonic() > deadline:
                break
        assert tap.dropped == 0
        assert tap.rings_grown > 0
        assert tap.ring_octets == (TINY.blocks << tap.rings_grown) * TINY.block_octets
    assert seen == list(range(sent))
    assert said[0] == "the capture ring grew from 0 to 1 MiB: it was half full"


def test_a_ring_in_which_frames_found_no_room_grows_to_its_bound_and_no_further(lab: Lab) -> None:
    said: list[str] = []
    with lab.tap("tap0", size=TINY, say=said.append) as tap, lab.outlet() as outlet:
        for sent in (4_000, 8_000, 12_000, 16_000):
            for number in range(4_000):
                outlet.send(numbered(number))
            read(tap, until=lambda sent=sent: tap.packets + tap.dropped >= sent, use=lambda _: None)  # type: ignore[misc]
            time.sleep(1.1)  # nothing grows twice within a second
        assert tap.packets + tap.dropped == sent
        assert tap.dropped > 0
        assert tap.rings_grown == 2
        assert tap.ring_octets == TINY.most_blocks * TINY.block_octets
    assert tap.packets + tap.dropped == sent
    assert len(said) == 2


def test_a_ring_grows_without_any_right(lab: Lab) -> None:
    process = child(
        lab,
        "import time\n"
        "from collector.sources.afpacket import RingSize\n"
        "tap = LiveCapture(['tap0'], say=say, size=RingSize(blocks=8, block_octets=65536, most_blocks=32))\n"
        "drop_privileges(user='nobody')\n"
        "say('ready')\n"
        "sys.stdin.readline()\n"
        "for block in tap:\n"
        "    if tap.packets == 600:\n"
        "        say('all')\n",
        talk=True,
    )
    try:
        assert process.stdin is not None
        assert line_of(process) == "ready"
        with lab.outlet() as outlet:
            for number in range(400):
                outlet.send(numbered(number))
            process.stdin.write("go\n")
            process.stdin.flush()
            assert line_of(process) == "the capture ring grew from 0 to 1 MiB: it was half full"
            for number in range(200):
                outlet.send(numbered(number))
            assert line_of(process) == "all"
        assert "promiscuity 1" in lab.ip(lab.here, "-d", "link", "show", "tap0")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)


def packet(source: int, target: int, *, version: int = 4) -> bytes:
    """Return an IP packet between two hosts of a documentation network."""
    if version == 4:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 24, 0, 0, 64, 17, 0)
        return head + bytes((192, 0, 2, source)) + bytes((198, 51, 100, target)) + b"data"
    prefix = bytes.fromhex("20010db8") + bytes(11)
    return struct.pack(">IHBB", 6 << 28, 4, 17, 64) + prefix + bytes([source]) + prefix + bytes([target]) + b"data"


def back(octets: bytes) -> bytes:
    """Return the packet with its ends exchanged."""
    at, long = (12, 4) if octets[0] >> 4 == 4 else (8, 16)
    return octets[:at] + octets[at + long : at + 2 * long] + octets[at : at + long] + octets[at + 2 * long :]


def wrapped(octets: bytes) -> list[bytes]:
    """Return frames that carry a packet: bare, in one, two and three VLAN tags, and in PPPoE."""
    kind, ppp = (b"\x86\xdd", b"\x00\x57") if octets[0] >> 4 == 6 else (b"\x08\x00", b"\x00\x21")
    tag, outer = b"\x81\x00\x00\x09", b"\x88\xa8\x00\x1e"
    heads = (
        kind,
        tag + kind,
        outer + tag + kind,
        outer + outer + tag + kind,
        b"\x88\x64\x11\x00\x00\x01\x00\x00" + ppp,
    )
    return [BETWEEN + head + octets for head in heads]


@pytest.mark.parametrize("version", [4, 6])
def test_frames_between_two_hosts_come_to_one_lane_both_ways_and_under_every_tag(lab: Lab, version: int) -> None:
    fanout = Fanout(LANES)
    with inside(lab.here):
        taps = [LiveCapture(["tap0"], size=TINY, fanout=fanout, lane=lane) for lane in range(LANES)]
    # As many pairs as there are hosts: where pairs are few, chance alone may leave a lane next to nothing.
    packets = [packet(host, 200, version=version) for host in range(1, 101)]
    frames = [frame for each in packets for way in (each, back(each)) for frame in wrapped(way)]
    with lab.outlet() as outlet:
        for frame in frames:
            outlet.send(frame)
        outlet.send(question := BETWEEN + b"\x08\x06" + bytes(28))
    found = []
    for tap in taps:
        tap.stop()
        found.append(frames_of(tap, 1_000))
        assert tap.dropped == 0
    assert sum(map(len, found)) == len(frames) + 1
    assert question in found[0]  # an address is asked for: what cannot be placed
    assert all(len(lane) > len(frames) // 10 for lane in found)
    for each in packets:
        lanes = {number for number, lane in enumerate(found) for frame in lane if frame.endswith((each, back(each)))}
        assert len(lanes) == 1
    for tap in taps:
        tap.close()


def test_a_lane_that_grows_leaves_the_others_what_is_theirs(lab: Lab) -> None:
    fanout = Fanout(LANES)
    with inside(lab.here):
        taps = [LiveCapture(["tap0"], size=TINY, fanout=fanout, lane=lane) for lane in range(LANES)]
    sent = 0
    placed: list[dict[bytes, int]] = []
    counts = [0] * LANES
    with lab.outlet() as outlet:
        deadline = time.monotonic() + PATIENCE_S
        while not all(tap.rings_grown for tap in taps):
            assert time.monotonic() < deadline
            for number in range(1_500):
                outlet.send(BETWEEN + IPV4 + packet(number % 250, number % 7) + FILLING)
                sent += 1
            homes: dict[bytes, int] = {}
            for lane, tap in enumerate(taps):
                began = time.monotonic()
                for block in tap:
                    for row in block.rows():
                        counts[lane] += 1
                        assert homes.setdefault(row[0][26:34], lane) == lane
                    if time.monotonic() - began > 0.3:
                        break
            placed.append(homes)
    for homes in placed:
        assert all(placed[0].get(ends, lane) == lane for ends, lane in homes.items())
    assert sum(counts) + sum(tap.dropped for tap in taps) == sent
    assert sum(counts) > sent // 2
    for tap in taps:
        tap.close()
