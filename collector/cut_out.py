"""Cuts the packets of one flow out of a capture while it is read, and writes them down as a small capture of their own.

Taken are the packets of the flow, fragments of them, and the DNS answers that told this device of the server's address
shortly before. What is left out for want of room is counted.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.dissect.frame import Frame
from collector.dissect.headers import read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.flow_name import FlowName
    from collector.frames import FrameBlock

MOST_FRAMES = 2_000
"""Packets of the flow that are kept: names and versions stand in the first few, and a program that reads hostile octets
at 400 packets a second shall not do so for minutes."""
MOST_OCTETS = 16 * 1_048_576
"""Octets of packets that are kept."""
MOST_WAITING = 1_024
"""Fragments kept until the one with the ports has come."""
MOST_ANSWERS = 8
"""DNS answers handed on: the last ones before the flow."""
ANSWERS_WATCHED = 256
"""DNS answers about the server's address that are remembered until the flow begins, of all devices."""

_DNS_PORT = 53
_TCP, _UDP = 6, 17
_SECTION = 0x0A0D0D0A


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFrame:
    """One frame, as it lies in the capture."""

    place: int
    """How many frames of the capture had been seen before."""
    octets: bytes
    """The captured octets."""
    wire: int
    """Octets that the frame had on the wire."""
    time_ns: int
    """When it was seen, nanoseconds since the epoch."""
    link: int
    """Link type (LINKTYPE_ registry)."""


@dataclass(slots=True, kw_only=True)
class _Fragments:
    """Fragments of one IP packet between the two ends."""

    ours: bool | None = None
    """The fragment with the ports has them as the flow has; None: it has not been seen."""
    waiting: list[CutFrame] = field(default_factory=list)


class CutOut:
    """The packets of one flow.

    Args:
        flow: its ends; which of them is the client does not matter here.
    """

    def __init__(self, flow: FlowName) -> None:
        self.left_out = 0
        """Packets of the flow for which there was no room."""
        self.fragments = 0
        """IP fragments among the packets of the flow."""
        self.cut_short = 0
        """Packets of the flow of which the capture holds only the first octets."""
        self._flow = flow
        self._ends = {
            (int(flow.client), flow.client_port, int(flow.server), flow.server_port),
            (int(flow.server), flow.server_port, int(flow.client), flow.client_port),
        }
        self._pair = {(int(flow.client), int(flow.server)), (int(flow.server), int(flow.client))}
        self._needles = (flow.client.packed, flow.server.packed)
        self._frame = Frame()
        self._frames: list[CutFrame] = []
        self._kept = {_TCP: 0, _UDP: 0}
        self._octets = 0
        self._seen = 0
        self._fragments: dict[tuple[int, int, int], _Fragments] = {}
        self._waiting = 0
        self._answers: deque[tuple[CutFrame, int, bytes]] = deque(maxlen=ANSWERS_WATCHED)
        self._macs: dict[int, bytes] = {}

    def take(self, block: FrameBlock) -> None:
        """Look through the frames of *block*, and keep what belongs to the flow."""
        # A search through the whole block costs less than a look at one of its frames in a hundred.
        whole = bytes(block.octets)
        if not any(needle in whole for needle in self._needles):
            self._seen += block.count
            return
        for octets, wire, time_ns, link in block.rows():
            if self._needles[0] in octets or self._needles[1] in octets:
                self._look(CutFrame(place=self._seen, octets=octets, wire=wire, time_ns=time_ns, link=link))
            self._seen += 1

    def given(self, proto: str) -> int:
        """Return how many packets of the flow were kept that travel by *proto* (`tcp` or `udp`)."""
        return self._kept[_TCP if proto == "tcp" else _UDP]

    @property
    def frames(self) -> list[CutFrame]:
        """The packets of the flow, in the order of the capture."""
        return sorted(self._frames, key=lambda each: each.place)

    def answers(self, flow: FlowName) -> list[CutFrame]:
        """Return the last DNS answers about the server before the flow, given to its client.

        Args:
            flow: its ends, the client first.
        """
        frames = self.frames
        if not frames or flow.server_port == _DNS_PORT:
            return []
        client = int(flow.client)
        mac = self._macs.get(client)
        # A device asks over IPv4 for what it then reaches over IPv6: only its MAC address is the same.
        meant = [
            frame
            for frame, target, target_mac in self._answers
            if frame.place < frames[0].place and (target == client or (mac and target_mac == mac))
            if flow.server.packed in frame.octets
        ]
        return meant[-MOST_ANSWERS:]

    def _look(self, cut: CutFrame) -> None:
        frame = self._frame
        frame.load(memoryview(cut.octets))
        found = read(frame, 0, len(cut.octets), cut.wire, cut.link)
        if found not in {1, 2}:
            return
        source = frame.source_high << 64 | frame.source_low
        target = frame.target_high << 64 | frame.target_low
        if found == 2:
            if (source, target) in self._pair:
                self._fragment(cut, source=source)
        elif (source, frame.source_port, target, frame.target_port) in self._ends:
            if frame.mac_at >= 0:
                self._macs.setdefault(source, cut.octets[frame.mac_at : frame.mac_at + 6])
            self._keep(cut)
        elif frame.source_port == _DNS_PORT:
            mac = cut.octets[frame.mac_at - 6 : frame.mac_at] if frame.mac_at >= 6 else b""
            self._answers.append((cut, target, mac))

    def _fragment(self, cut: CutFrame, *, source: int) -> None:
        """Keep a fragment if the first one of its packet is the flow's; until that has come, let it wait."""
        frame = self._frame
        if frame.protocol not in {_TCP, _UDP}:
            return
        key = (source, frame.protocol, frame.fragment_id)
        packet = self._fragments.setdefault(key, _Fragments())
        if frame.fragment_offset == 0 and len(cut.octets) >= frame.at + 4:
            ports = struct.unpack_from(">HH", cut.octets, frame.at)
            target = frame.target_high << 64 | frame.target_low
            packet.ours = (source, ports[0], target, ports[1]) in self._ends
            waited, packet.waiting = packet.waiting, []
            self._waiting -= len(waited)
            for each in (*waited, cut) if packet.ours else ():
                self._keep_fragment(each)
        elif packet.ours:
            self._keep_fragment(cut)
        elif packet.ours is None and self._waiting < MOST_WAITING:
            self._waiting += 1
            packet.waiting.append(cut)
        while len(self._fragments) > MOST_WAITING:
            oldest = next(iter(self._fragments))
            self._waiting -= len(self._fragments.pop(oldest).waiting)

    def _keep_fragment(self, cut: CutFrame) -> None:
        self.fragments += 1
        self._keep(cut)

    def _keep(self, cut: CutFrame) -> None:
        if len(self._frames) >= MOST_FRAMES or self._octets + len(cut.octets) > MOST_OCTETS:
            self.left_out += 1
            return
        self.cut_short += len(cut.octets) < cut.wire
        # Pieces that have waited are of the packet whose first piece is being read.
        self._kept[self._frame.protocol] += 1
        self._octets += len(cut.octets)
        self._frames.append(cut)


def pcapng(frames: Iterable[CutFrame]) -> bytes:
    """Return *frames* as a capture, times in nanoseconds.

    Source: the pcapng format (IETF opsawg draft): section header, interface description, enhanced packet.
    """
    blocks = [_block(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    interfaces: dict[int, int] = {}
    for frame in frames:
        if frame.link not in interfaces:
            interfaces[frame.link] = len(interfaces)
            # No snap length, and one option: a tick is 10 to the minus 9 seconds.
            blocks.append(_block(1, struct.pack("<HHIHHBxxxHH", frame.link, 0, 0, 9, 1, 9, 0, 0)))
        head = struct.pack(
            "<IIIII",
            interfaces[frame.link],
            frame.time_ns >> 32,
            frame.time_ns & 0xFFFFFFFF,
            len(frame.octets),
            frame.wire,
        )
        blocks.append(_block(6, head + frame.octets))
    return b"".join(blocks)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    total = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + total + body + total
