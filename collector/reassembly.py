"""Keeps the IP fragments among a table's frames until their packets are whole, and has those read like any frame.

What is kept, and for how long, `collector.dissect.fragments` decides. Compiled; the C types stand in reassembly.pxd.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from collector import slices
from collector.dissect.fragments import Fragments, Packet
from collector.dissect.headers import read

if TYPE_CHECKING:
    from collector.dissect.frame import Frame

_fragment_key = Struct(">BBI").pack
_ends_v4 = Struct(">II").pack
_ends_v6 = Struct(">QQQQ").pack


class Reassembly:
    """The fragments of one capture or one interface."""

    def __init__(self) -> None:
        self.seen = 0
        """Fragments kept so far."""
        self.found = 0
        """What reading said of the packet that `read_next` returned last; see `read`."""
        self._waiting = Fragments()
        self._done: list[Packet] = []

    @property
    def dropped(self) -> int:
        """Fragments whose payload was not kept because a bound was reached; their octets count all the same."""
        return self._waiting.dropped

    @property
    def given_up(self) -> int:
        """Packets that went incomplete: too old, or too many."""
        return self._waiting.given_up

    def keep(self, frame: Frame, time: int) -> None:
        """Keep the fragment that *frame* describes, seen at *time* (nanoseconds since the epoch)."""
        self.seen += 1
        addresses = _addresses(frame)
        link = b""
        if frame.mac_at >= 0:
            ethertype = b"\x86\xdd" if frame.version == 6 else b"\x08\x00"
            link = slices.cut(frame.octets, frame.mac_at - 6, frame.mac_at + 6) + ethertype
        self._done += self._waiting.add(
            _fragment_key(frame.version, frame.protocol if frame.version == 4 else 0, frame.fragment_id) + addresses,
            Packet(
                link=link,
                version=frame.version,
                addresses=addresses,
                protocol=frame.protocol,
                vlan=frame.vlan,
                at_ns=time,
                ip_octets=frame.ip_octets,
            ),
            offset=frame.fragment_offset,
            length=max(frame.wire_end - frame.at, 0),
            more=frame.fragment_more,
            data=slices.cut(frame.octets, frame.at, frame.end),
        )

    def expire(self, now_ns: int) -> None:
        """Wait no longer for what is missing of packets that have waited too long."""
        if self.seen:
            self._done += self._waiting.expire(now_ns)

    def flush(self) -> None:
        """Wait no longer for what is missing of any packet."""
        self._done += self._waiting.flush()

    def read_next(self, frame: Frame) -> Packet | None:
        """Read the next packet that is done as *frame*, and return what its fragments said; None: none is.

        The frame's positions then speak of the packet's own octets, and `found` says what was found there.
        """
        if not self._done:
            return None
        packet = self._done.pop()
        octets, wire = packet.whole()
        frame.load(memoryview(octets))
        self.found = read(frame, 0, len(octets), wire, 1 if packet.link else 101)
        if frame.vlan < 0:
            frame.vlan = packet.vlan
        return packet


def _addresses(frame: Frame) -> bytes:
    """Return source and target address of the packet in *frame*."""
    if frame.version == 6:
        return _ends_v6(frame.source_high, frame.source_low, frame.target_high, frame.target_low)
    return _ends_v4(frame.source_low, frame.target_low)
