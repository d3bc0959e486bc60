"""The tap on real interfaces: what passes by comes whole, once, in order, and gives the events of a capture."""

from __future__ import annotations

import gzip
import importlib.util
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector.devices import Devices
from collector.events import FlowEvent
from collector.flows import FlowTable
from collector.frames import FrameBlock
from collector.meter import Meter
from collector.names import DnsMemory
from collector.opening import Openings
from collector.periods import Periods
from collector.sources.afpacket import RingSize
from collector.sources.capture_file import CaptureFile
from collector.sources.errors import NoSuchInterfaceError, TapError
from collector.sources.scapy_live import ScapyCapture
from tests.parts.patience import PATIENCE_S
from tests.system.veth_for_tests import BETWEEN, IPV4, Lab, frames_of, inside, made_lab, read

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "rules" / "sample" / "day.pcap.gz"
SENDER = Path(__file__).with_name("frame_sender.py")
RECORD = struct.Struct("<IIII")
PACKETS = 100_000
RATE = 100_000.0
ATTEMPTS = 5
UTC = ZoneInfo("UTC")


@pytest.fixture
def lab() -> Iterator[Lab]:
    with made_lab() as lab:
        yield lab


class Events:
    """From blocks of frames to events, wired as for a capture."""

    def __init__(self) -> None:
        devices = Devices(Periods(UTC))
        names = DnsMemory()
        self.table = FlowTable(Openings(names, device_key=devices.key), seed=1)
        self._meter = Meter(sensor="test", network=None, pseudonyms=None, devices=devices, names=names)
        self.events: list[FlowEvent] = []

    def take(self, block: FrameBlock) -> None:
        self.table.observe(block)
        self.events += map(self._meter.event, self.table.drain())

    def end(self) -> list[FlowEvent]:
        """Return all events."""
        self.events += map(self._meter.event, self.table.finish())
        return self.events


def sample_day() -> list[bytes]:
    """Return the frames of the sample day."""
    day = gzip.decompress(SAMPLE.read_bytes())
    frames = []
    at = 24
    while at < len(day):
        caught = RECORD.unpack_from(day, at)[2]
        frames.append(day[at + 16 : at + 16 + caught])
        at += 16 + caught
    return frames


def write(path: Path, frames: list[tuple[bytes, int]]) -> Path:
    """Write a capture of frames and their times in nanoseconds."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1))
        for octets, time_ns in frames:
            seconds, rest = divmod(time_ns, 1_000_000_000)
            file.write(RECORD.pack(seconds, rest, len(octets), len(octets)) + octets)
    return path


def send(lab: Lab, capture: Path, *, rate: float) -> subprocess.Popen[str]:
    """Start to send a capture into cable 0."""
    return subprocess.Popen(
        ["ip", "netns", "exec", lab.there, sys.executable, str(SENDER), "send0", str(capture), str(rate)],
        stdout=subprocess.PIPE,
        text=True,
    )


def pass_by(lab: Lab, folder: Path, frames: list[bytes], *, rate: float) -> float:
    """Let frames pass by the tap, and return how long the sender took.

    They must arrive whole and in order, and give the events, times included, that a capture of them gives.
    """
    live = Events()
    seen: list[bytes] = []
    times: list[int] = []

    def use(block: FrameBlock) -> None:
        live.take(block)
        for octets, _, time_ns, _ in block.rows():
            seen.append(octets)
            times.append(time_ns)

    replayed = write(folder / "replayed.pcap", [(frame, 0) for frame in frames])
    with lab.tap("tap0", size=RingSize()) as tap, send(lab, replayed, rate=rate) as sender:
        read(tap, until=lambda: tap.packets >= len(frames), use=use)
        seconds = float(sender.communicate(timeout=PATIENCE_S)[0])
        assert (tap.packets, tap.dropped, tap.odd) == (len(frames), 0, 0)
    # The kernel takes the outer tag out of a frame; in the capture it is where it was.
    assert seen == [frame[:12] + frame[16:] if frame[12:14] == b"\x81\x00" else frame for frame in frames]
    assert live.end() == from_file(write(folder / "seen.pcap", list(zip(frames, times, strict=True))))
    assert any(event.server_name for event in live.events)
    assert live.table.late == 0
    return seconds


def from_file(capture: Path) -> list[FlowEvent]:
    """Return the events of reading the capture."""
    read_back = Events()
    with CaptureFile(capture) as file:
        for block in file:
            read_back.take(block)
    return read_back.end()


def test_a_school_day_that_passes_by_gives_the_events_of_its_capture(lab: Lab, tmp_path: Path) -> None:
    lab.plug()
    pass_by(lab, tmp_path, sample_day(), rate=40_000.0)


def test_a_hundred_thousand_packets_at_a_hundred_thousand_a_second_arrive_whole(lab: Lab, tmp_path: Path) -> None:
    lab.plug()
    day = sample_day()
    frames = (day * (PACKETS // len(day) + 1))[:PACKETS]
    for _ in range(ATTEMPTS):
        seconds = pass_by(lab, tmp_path, frames, rate=RATE)
        if PACKETS / seconds > 0.95 * RATE:
            return
    pytest.skip(f"this machine sends no more than {PACKETS / seconds:,.0f} packets a second: too few to show it")


def test_the_vlan_that_the_kernel_takes_out_of_a_frame_is_in_the_event(lab: Lab) -> None:
    lab.plug()
    datagram = bytes.fromhex("450000200000000040110000c000020ac63364059c400009000c000061626364")
    tags = {
        30: b"\x81\x00\x00\x1e",  # 802.1Q
        9: b"\x88\xa8\x00\x1e\x81\x00\x00\x09",  # one tag within another: the inner one counts
        None: b"\x81\x00\xe0\x00",  # a priority, no VLAN
    }
    for vlan, tag in tags.items():
        table = FlowTable(Openings(DnsMemory(), device_key=Devices(Periods(UTC)).key), seed=1)
        with lab.tap("tap0") as tap, lab.outlet() as outlet:
            outlet.send(BETWEEN + tag + IPV4 + datagram)
            read(tap, until=lambda: tap.packets > 0, use=table.observe)
        (flow,) = table.finish()
        assert flow.vlan == vlan


def test_a_jumbo_frame_comes_whole(lab: Lab) -> None:
    lab.plug(mtu=9000)
    jumbo = BETWEEN + IPV4 + os.urandom(9000)
    with lab.tap("tap0") as tap, lab.outlet() as outlet:
        outlet.send(jumbo)
        assert frames_of(tap, 1) == [jumbo]


def test_a_sender_that_stops_and_starts_goes_on_with_its_flow_and_a_jumbo_frame_counts_whole(lab: Lab) -> None:
    lab.plug(mtu=9000)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 9000, 0, 0, 64, 17, 0) + bytes.fromhex("c000020ac6336404")
    jumbo = BETWEEN + IPV4 + (head + struct.pack(">HHHH", 40_000, 9, 8980, 0)).ljust(9000, b"\0")
    table = FlowTable(Openings(DnsMemory(), device_key=Devices(Periods(UTC)).key), seed=1)
    with lab.tap("tap0") as tap:
        for sent in (3, 6, 9):
            with lab.outlet() as outlet:
                for _ in range(3):
                    outlet.send(jumbo)
            read(tap, until=lambda sent=sent: tap.packets >= sent, use=table.observe)  # type: ignore[misc]
            quiet_since = tap.reached_ns
            read(tap, until=lambda since=quiet_since: tap.reached_ns > since + 300_000_000, use=table.observe)  # type: ignore[misc]
            table.advance(tap.reached_ns)
            assert table.live == 1
        assert tap.dropped == 0
    (flow,) = table.finish()
    assert (flow.packets_up, flow.bytes_up, flow.packets_down) == (9, 9 * 9000, 0)
    assert flow.ended_ns - flow.started_ns > 600_000_000


def test_frames_for_every_address_are_heard_and_none_after_the_end(lab: Lab) -> None:
    lab.plug()
    with lab.tap("tap0") as tap, lab.outlet() as outlet:
        assert "promiscuity 1" in lab.ip(lab.here, "-d", "link", "show", "tap0")
        outlet.send(BETWEEN + IPV4 + b"for a stranger")
        frames_of(tap, 1)
    assert "promiscuity 0" in lab.ip(lab.here, "-d", "link", "show", "tap0")


def test_a_packet_on_loopback_is_seen_once(lab: Lab) -> None:
    with inside(lab.here):
        asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Even where someone says that the traffic is this machine's own.
    with lab.tap("lo", own=("lo",)) as tap, asker:
        asker.bind(("127.0.0.1", 0))
        for number in range(10):
            asker.sendto(b"question %d" % number, asker.getsockname())
        frames = frames_of(tap, 10)
    assert [frame[42:] for frame in frames] == [b"question %d" % number for number in range(10)]


@pytest.mark.parametrize("own", [(), ("tap0",)])
def test_what_the_machine_sends_itself_is_seen_only_where_that_is_asked_for(lab: Lab, own: tuple[str, ...]) -> None:
    lab.plug()
    with inside(lab.here):
        ours = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    ours.bind(("tap0", 0))
    with lab.tap("tap0", own=own) as tap, ours, lab.outlet() as outlet:
        ours.send(BETWEEN + IPV4 + b"sent".ljust(46))
        outlet.send(BETWEEN + IPV4 + b"received".ljust(46))
        frames = frames_of(tap, 2 if own else 1)
    assert [frame[14:].strip() for frame in frames] == ([b"sent", b"received"] if own else [b"received"])


def test_an_own_interface_that_is_not_captured_is_refused(lab: Lab) -> None:
    lab.plug()
    with pytest.raises(TapError, match="tap1: is marked as this machine's own, but is not captured"):
        lab.tap("tap0", own=("tap1",))


def test_frames_of_several_interfaces_come_in_the_order_in_which_they_passed(lab: Lab) -> None:
    lab.plug(0)
    lab.plug(1)
    lab.plug(2)
    with lab.tap("tap0", "tap1") as tap, lab.outlet(0) as one, lab.outlet(1) as two, lab.outlet(2) as stranger:
        for number in range(500):
            (two if number % 2 else one).send(BETWEEN + IPV4 + b"%d" % number)
            stranger.send(BETWEEN + IPV4 + b"of an interface that is not tapped")
        frames = frames_of(tap, 500)
    assert [frame[14:] for frame in frames] == [b"%d" % number for number in range(500)]


def test_a_quiet_tap_gives_empty_blocks_and_says_how_far_it_is(lab: Lab) -> None:
    lab.plug()
    with lab.tap("tap0") as tap:
        began, began_ns = time.monotonic(), time.time_ns()
        blocks = iter(tap)
        assert [next(blocks).count for _ in range(10)] == [0] * 10
        assert time.monotonic() - began < 2
        assert began_ns < tap.reached_ns < time.time_ns()


def test_a_tap_that_is_stopped_delivers_what_has_come(lab: Lab) -> None:
    lab.plug()
    with lab.tap("tap0") as tap, lab.outlet() as outlet:
        outlet.send(BETWEEN + IPV4 + b"the last one")
        tap.stop()
        assert [row[0][14:] for block in tap for row in block.rows()] == [b"the last one"]


def test_frames_that_find_no_room_are_counted(lab: Lab) -> None:
    lab.plug()
    small = RingSize(blocks=4, block_octets=4096)
    with lab.tap("tap0", size=small) as tap, lab.outlet() as outlet:
        for _ in range(200):
            outlet.send(BETWEEN + IPV4 + bytes(1000))
        read(tap, until=lambda: tap.packets + tap.dropped >= 200, use=lambda _: None)
        assert tap.dropped > 100
        assert tap.packets + tap.dropped == 200
    assert tap.packets + tap.dropped == 200  # still told after the end


def test_the_portable_source_sees_the_same_frames(lab: Lab) -> None:
    if importlib.util.find_spec("scapy") is None:
        pytest.skip("the portable tap needs scapy")
    lab.plug()
    sent = [BETWEEN + IPV4 + b"frame %d".ljust(50) % number for number in range(20)]
    with inside(lab.here), ScapyCapture(["tap0"]) as tap, lab.outlet() as outlet:
        for frame in sent:
            outlet.send(frame)
        assert frames_of(tap, len(sent)) == sent
        assert (tap.packets, tap.dropped) == (20, None)
        with pytest.raises(NoSuchInterfaceError, match="eth9: is no interface of this machine; name one of: lo, tap0"):
            ScapyCapture(["eth9"])


def test_without_scapy_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "scapy" or name.startswith("scapy.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scapy", None)  # this is how Python marks a module that cannot be imported
    with pytest.raises(TapError, match="needs scapy; install it"):
        ScapyCapture(["lo"])
