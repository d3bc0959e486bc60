"""Groups packets into flows and shows the first octets of each to its opening. Time comes with the packets.

One table of fixed size: when it is full, the quietest flow ends. Nothing that was counted is lost: whatever ends, for
whatever reason, comes out of `drain` or `finish`. Compiled; the C types stand in flows.pxd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from collector import foresight, slices
from collector.dissect.headers import read
from collector.flow import Flow
from collector.flow_ledger import LINGER_S, PART_S, TCP_IDLE_S, UDP_IDLE_S, Ledger
from collector.reassembly import Reassembly

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.flow_opener import Opener
    from collector.frames import FrameBlock
    from collector.opening_facts import Opening

if __file__.endswith(".py"):  # compiled, these names are C variables
    from collector.flow_words import (
        BASE,
        BASED,
        CLIENT_IS_LAST,
        CLOSED,
        ENDED,
        HIGH,
        LAST,
        LOW,
        OCTETS,
        OPENED,
        PACKETS,
        PAYLOAD,
        SHOWN,
        SIDED,
        STARTED,
        STATE,
        TCP,
        UNBOUNDED,
        WANTED,
        WORDS,
    )

__all__ = ["CAPACITY", "COMPILED", "LINGER_S", "PART_S", "TCP_IDLE_S", "UDP_IDLE_S", "Flow", "FlowTable"]

COMPILED = not __file__.endswith(".py")
"""Whether this module runs as compiled code."""

CAPACITY = 131_072
"""Flows held at one time: some 30 MB."""
TCP_SHOWN_OCTETS = 65_536
"""Octets of each direction shown to an opening, unless it reads clear text. A segment counts as sixteen at least, so
that a flow cut into single octets (4,096 segments) is bounded too."""
UDP_SHOWN = 24
"""QUIC datagrams of one flow shown to its opening."""

_SHOWN_TCP = TCP_SHOWN_OCTETS
_SHOWN_UDP = UDP_SHOWN
_DNS = 53
_PART_LENGTH = PART_S * 1_000_000_000
_FORESEEING = COMPILED
# How many frames before its turn a flow is looked for in the index, and its record is fetched.
_FORESEEN = 8
_FETCHED = 4


class FlowTable(Ledger):
    """The flows of one capture or one interface.

    Args:
        openings: makes the openings.
        seed: 64 bits that nobody outside can guess, against chosen collisions; results do not depend on it.
        capacity: flows held at one time.
        taker: is given each flow or part at the very packet at which it ends; None: they are kept for `drain`.
    """

    def __init__(
        self,
        openings: Opener,
        *,
        seed: int,
        capacity: int = CAPACITY,
        taker: Callable[[Flow], object] | None = None,
    ) -> None:
        super().__init__(seed=seed, capacity=capacity, taker=taker)
        self.packets = 0
        """Frames observed."""
        self.octets = 0
        """Octets counted into flows, at the IP layer."""
        self.late = 0
        """Frames older than one before them; their flow takes them in, the table's time does not go back."""
        self.shown = 0
        """Payloads shown to openings."""
        self.given_up = 0
        """Flows or directions no longer shown because their opening had not decided within the bound."""
        self._openings = openings
        self._reassembly = Reassembly()
        self._skipped: dict[str, int] = {}

    @property
    def live(self) -> int:
        """Flows in the table."""
        return self._slots.live

    @property
    def skipped(self) -> dict[str, int]:
        """Frames that count to no flow, by reason."""
        return dict(sorted(self._skipped.items()))

    @property
    def counters(self) -> dict[str, int]:
        """Everything counted, skipped, dropped or bounded, by name; `skipped: ...` are the frames in no flow."""
        named = {
            "packets": self.packets,
            "octets": self.octets,
            "flows": self._flows,
            "live": self.live,
            "evicted": self.evicted,
            "late": self.late,
            "shown": self.shown,
            "given_up": self.given_up,
            "fragments": self._reassembly.seen,
            "fragments_dropped": self._reassembly.dropped,
            "packets_incomplete": self._reassembly.given_up,
        }
        return named | {f"skipped: {reason}": count for reason, count in self.skipped.items()}

    def observe(self, block: FrameBlock) -> None:
        """Take in the frames of *block*, in order."""
        frame = self._frame
        frame.load(block.octets)
        for row in range(block.count):
            if _FORESEEING:
                if row + _FORESEEN < block.count:
                    foresight.foresee(self._slots, frame, block.offsets[row + _FORESEEN], row + _FORESEEN)
                if row + _FETCHED < block.count and row >= _FETCHED:
                    foresight.fetch(self._slots, row + _FETCHED)
            time = block.times[row]
            if time < self._clock:
                self.late += 1
            else:
                self._clock = time
                if time >= self._deadline:
                    # Here and not at the end of the block: how a capture is cut into blocks must not show.
                    self._expire()
                    self._expire_fragments()
            at = block.offsets[row]
            found = read(frame, at, at + block.captured[row], block.wire[row], block.links[row])
            if frame.vlan < 0 and 0 < block.vlans[row] < 4096:
                frame.vlan = block.vlans[row]
            if found == 1:
                self._count(time, time, frame.ip_octets, 1)
            elif found == 2:
                self._reassembly.keep(frame, time)
                self._count_whole()
            else:
                self._skipped[frame.reason] = self._skipped.get(frame.reason, 0) + 1
        self.packets += block.count

    def advance(self, now_ns: int) -> None:
        """Let time pass without a frame: on a quiet interface nothing else ends the flows that have fallen silent.

        Args:
            now_ns: everything seen before that time has been observed, nanoseconds since the epoch.
        """
        if now_ns > self._clock:
            self._clock = now_ns
            if now_ns >= self._deadline:
                self._expire()
                self._expire_fragments()

    def _expire_fragments(self) -> None:
        self._reassembly.expire(self._clock)
        self._count_whole()

    def drain(self) -> list[Flow]:
        """Return the flows and parts that have ended since the last call, in the order in which they ended."""
        ended = self._ended[:]
        self._ended.clear()
        return ended

    def finish(self) -> list[Flow]:
        """End everything that is left, and return what `drain` would: flows still open end as "eof"."""
        while self.finish_some(self._slots.capacity):
            pass
        return self.drain()

    def finish_some(self, most: int) -> bool:
        """End up to *most* of the flows that are left, as `finish` does; return whether any is left."""
        self._reassembly.flush()
        self._count_whole()
        while self._slots.live and most > 0:
            self._end(self._quietest(), "eof")
            most -= 1
        return self._slots.live > 0

    def _count(self, began: int, time: int, octets: int, packets: int) -> None:
        """Count the packet that the frame describes, in fragments from *began* to *time*; begin the flow if need be."""
        frame = self._frame
        slot = self._slots.look(frame)
        at = slot * WORDS
        if slot >= 0 and frame.flags & 2 and self._is_another(at):
            self._end(slot, "idle")
            slot = -1
        if slot < 0:
            slot = self._begin(began)
            at = slot * WORDS
        elif time >= self._records[at + STARTED] + _PART_LENGTH:
            self._part(slot, time)
        record = slices.record(self._records, at, WORDS)
        record[LAST] = self._clock
        record[ENDED] = max(record[ENDED], time)
        if frame.flags & 2:
            self._syn(at)
        state = record[STATE]
        client_is_last = state & CLIENT_IS_LAST != 0
        down = 0 if client_is_last == self._slots.swapped else 1
        record[OCTETS + down] += octets
        record[PACKETS + down] += packets
        record[PAYLOAD + down] += frame.payload_octets
        self.octets += octets
        if not state & (SIDED << down):
            self._side(at, down)
        if frame.payload_octets and state & (WANTED << down):
            self._show(slot, down, time)
        if frame.flags & 5:  # FIN, RST
            self._close(slot, down)
        state = record[STATE]
        self._slots.touch(slot, 2 if state & CLOSED else 0 if state & TCP else 1)

    def _show(self, slot: int, down: int, time: int) -> None:
        """Show the payload of the packet to the flow's opening, if it can matter to it."""
        frame = self._frame
        at = slot * WORDS
        if frame.payload_end <= frame.payload_at:  # a short snap length left nothing
            return
        offset = 0
        dns = frame.source_port == _DNS or frame.target_port == _DNS  # noqa: PLR1714 -- compiled to two comparisons
        if frame.protocol == 6:
            offset = self._offset(at, down)
            if not dns and not self._within_bound(slot, down):
                return
        elif not dns:
            if not self._is_quic(at, down):
                return
            self._records[at + SHOWN] += 1
            if self._records[at + SHOWN] > _SHOWN_UDP:
                self._give_up(at, WANTED * 3)
                return
        if not self._records[at + STATE] & OPENED:
            self._opened[slot] = self._open(at, time)
            self._records[at + STATE] |= OPENED
        opening: Opening | None = self._opened[slot]
        wanted = 0
        if opening is not None:
            self.shown += 1
            data = slices.cut(frame.octets, frame.payload_at, frame.payload_end)
            wanted = opening.octets(down == 0, offset, data, time)
        self._records[at + STATE] = (self._records[at + STATE] & ~(WANTED * 3)) | (wanted & 3) * WANTED

    def _offset(self, at: int, down: int) -> int:
        """Return the offset of the segment's first octet; it may grow beyond the 32 bits of a sequence number."""
        frame = self._frame
        sequence = (frame.sequence + 1) & LOW if frame.flags & 2 else frame.sequence
        if not self._records[at + STATE] & (BASED << down):
            self._records[at + BASE + down] = sequence
            self._records[at + STATE] |= BASED << down
        high = self._records[at + HIGH + down]
        ahead = (sequence - self._records[at + BASE + down] - high) & LOW
        if ahead > LOW // 2:  # before it, by as much as is missing to a full turn
            return high + ahead - LOW - 1
        self._records[at + HIGH + down] = high + ahead
        return high + ahead

    def _within_bound(self, slot: int, down: int) -> bool:
        """Count a segment against what an opening may look at; False: it has had enough, and reads no clear text."""
        frame = self._frame
        at = slot * WORDS
        if self._records[at + STATE] & UNBOUNDED:
            return True
        shown = self._records[at + SHOWN + down]
        if shown > _SHOWN_TCP:
            if self._opened[slot] is None or not self._opened[slot].plaintext:
                self._give_up(at, WANTED << down)
                return False
            self._records[at + STATE] |= UNBOUNDED
        self._records[at + SHOWN + down] = shown + max(frame.payload_end - frame.payload_at, 16)
        return True

    def _give_up(self, at: int, wanted: int) -> None:
        self.given_up += 1
        self._records[at + STATE] &= ~wanted

    def _is_quic(self, at: int, down: int) -> bool:
        """Return whether a datagram has a QUIC long header of a version that may have a readable hello.

        Versions 1, 2 and their drafts (RFC 9000, RFC 9369), of mvfst, and Google's before; 0 negotiates (RFC 8999).
        """
        frame = self._frame
        start = frame.payload_at
        if frame.payload_end - start < 7 or frame.octets[start] & 0x80 == 0:
            return False
        version = frame.octets[start + 1]
        version = (version << 8) | frame.octets[start + 2]
        version = (version << 8) | frame.octets[start + 3]
        version = (version << 8) | frame.octets[start + 4]
        if version == 0:
            return down == 1 and self._records[at + STATE] & OPENED != 0
        if version == 1 or version == 0x6B3343CF or version == 0x709A50C4:  # noqa: PLR1714 -- compiled to comparisons
            return True
        return (
            version >> 8 == 0xFF0000 or version >> 8 == 0xFACEB0 or version >> 16 == 0x5130 or version >> 16 == 0x5430
        )

    def _open(self, at: int, time: int) -> Opening | None:
        """Ask for the opening of a flow."""
        server_is_last = 0 if self._records[at + STATE] & CLIENT_IS_LAST else 2
        proto: Literal["tcp", "udp"] = "tcp" if self._records[at + STATE] & TCP else "udp"
        client_port = self._port(at, 2 - server_is_last)
        server_port = self._port(at, server_is_last)
        if not self._openings.asks_who(client_port, server_port):
            return self._openings.open(proto, b"", b"", client_port, server_port, None, None, time)
        return self._openings.open(
            proto,
            self._address(at, 2 - server_is_last),
            self._address(at, server_is_last),
            client_port,
            server_port,
            self._mac(at),
            self._mac(at + 1),
            time,
        )

    def _count_whole(self) -> None:
        """Count packets put together of fragments; one may hold, in a tunnel, a fragment that makes another whole."""
        frame = self._frame
        octets = frame.octets
        packet = self._reassembly.read_next(frame)
        while packet is not None:
            found = self._reassembly.found
            if found == 2:
                self._reassembly.keep(frame, packet.last_ns)
            elif found == 0:
                self._skipped[frame.reason] = self._skipped.get(frame.reason, 0) + packet.fragments
            elif frame.ip_at == len(packet.link):
                self._count(packet.first_ns, packet.last_ns, packet.ip_octets, packet.fragments)
            else:
                self._count(packet.first_ns, packet.last_ns, frame.ip_octets, 1)
            packet = self._reassembly.read_next(frame)
        frame.octets = octets
