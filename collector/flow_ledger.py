"""The life of a flow: who is the client, when it closes, when it has been quiet for too long, what is given out of it.

Time is the greatest packet time so far; none is read here. Compiled; the C types stand in flow_ledger.pxd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collector import foresight, slices
from collector.dissect.frame import Frame
from collector.flow import Flow
from collector.flow_slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.events import End

if __file__.endswith(".py"):  # compiled, these names are C variables
    from collector.flow_words import (
        BASE,
        BASED,
        CERTAIN,
        CLIENT_IS_LAST,
        CLOSED,
        ENDED,
        FIN,
        FROM_SYN,
        HIGH,
        IS_V6,
        LOW,
        MAC,
        OCTETS,
        OPENED,
        ORDINAL,
        PACKETS,
        PAIRS,
        PART,
        PAYLOAD,
        PORTS,
        RESET,
        SIDE,
        SIDED,
        STARTED,
        STATE,
        TCP,
        UPS,
        WANTED,
        WORDS,
    )

TCP_IDLE_S = 300
# Linux nf_conntrack forgets an idle UDP stream after 120 s; ours must be longer, or one call becomes many flows.
UDP_IDLE_S = 180
LINGER_S = 5
"""How long a closed connection still takes in stray packets: retransmissions and late acknowledgments."""
PART_S = 300
"""A flow that lasts longer is reported in parts of this length."""

_SECOND = 1_000_000_000
_TCP_IDLE = TCP_IDLE_S * _SECOND
_UDP_IDLE = UDP_IDLE_S * _SECOND
_LINGER = LINGER_S * _SECOND
_PART_LENGTH = PART_S * _SECOND
_SYN_WINDOW = 65_536  # how far before the first payload seen the SYN of the same connection may lie


class Ledger:
    """Flows from their first packet to the moment when they are given out; what a packet says is read in `_frame`.

    Args:
        seed: 64 bits that nobody outside can guess, against chosen collisions; results do not depend on it.
        capacity: flows held at one time.
        taker: is given each flow or part at the very packet at which it ends; None: they are kept for `drain`.
    """

    def __init__(self, *, seed: int, capacity: int, taker: Callable[[Flow], object] | None = None) -> None:
        self.evicted = 0
        """Flows ended because the table was full."""
        self._frame = Frame()
        self._slots = Slots(capacity=capacity, seed=seed)
        self._records = self._slots.records
        self._opened: list[Any] = [None] * capacity
        self._ended: list[Flow] = []
        self._taker: Any = taker if taker is not None else self._ended.append
        self._clock = 0
        self._deadline = 0
        self._flows = 0

    def _down(self, at: int) -> int:
        """Return 0 where the packet goes from client to server, 1 where it comes back."""
        client_is_last = self._records[at + STATE] & CLIENT_IS_LAST != 0
        return 0 if client_is_last == self._slots.swapped else 1

    def _order(self, at: int) -> int:
        """Return the list of quiet to which a flow belongs: TCP, UDP, closed."""
        state = self._records[at + STATE]
        if state & CLOSED:
            return 2
        return 0 if state & TCP else 1

    def _begin(self, time: int) -> int:
        """Begin a flow with the packet in the frame; return its slot. A SYN, else the port, tells who is the client."""
        frame = self._frame
        if self._slots.live >= self._slots.capacity:
            self._end(self._quietest(), "evicted")
        slot = self._slots.take()
        at = slot * WORDS
        up = frame.source_port >= frame.target_port
        state = WANTED * 3
        if frame.protocol == 6:
            state |= TCP
            if frame.flags & 2:
                state |= CERTAIN
                up = not frame.flags & 16
        if self._slots.swapped == up:
            state |= CLIENT_IS_LAST
        self._records[at + STATE] = state
        self._records[at + STARTED] = time
        self._records[at + ENDED] = time
        self._records[at + ORDINAL] = self._flows
        self._flows += 1
        self._slots.append(slot, self._order(at))
        return slot

    def _is_another(self, at: int) -> bool:
        """Return whether the SYN in the frame begins another connection than the one whose record lies at *at*.

        RFC 9293 section 3.6.1, RFC 6191: a closed connection's ports may be used again at once; an open one's when an
        end has forgotten it. The sequence number tells a new SYN from a repeated one.
        """
        frame = self._frame
        state = self._records[at + STATE]
        down = self._down(at)
        if not state & (BASED << down):
            # Nothing to compare with: a late first SYN, unless payload has passed already.
            return state & CLOSED != 0 or (
                frame.flags & 16 == 0 and self._records[at + PAYLOAD] + self._records[at + PAYLOAD + 1] > 0
            )
        ahead = (self._records[at + BASE + down] - frame.sequence - 1) & LOW
        if state & (FROM_SYN << down):
            return ahead != 0
        return ahead > _SYN_WINDOW

    def _syn(self, at: int) -> None:
        """Learn from a SYN who is the client and where the payload of its sender begins."""
        frame = self._frame
        if not self._records[at + STATE] & CERTAIN:
            # Early packets came the wrong way round: turn what was counted, unless someone has been told already.
            wrong = self._down(at) == (0 if frame.flags & 16 else 1)
            if not wrong:
                self._records[at + STATE] |= CERTAIN
            elif self._records[at + STATE] & OPENED == 0 and self._records[at + PART] == 0:
                self._turn(at)
                self._records[at + STATE] |= CERTAIN
        down = self._down(at)
        if not self._records[at + STATE] & (BASED << down):
            self._records[at + BASE + down] = (frame.sequence + 1) & LOW
            self._records[at + STATE] |= (BASED | FROM_SYN) << down

    def _turn(self, at: int) -> None:
        """Exchange client and server of a flow."""
        for word in (OCTETS, PACKETS, PAYLOAD, BASE, HIGH, SIDE):
            up = self._records[at + word]
            self._records[at + word] = self._records[at + word + 1]
            self._records[at + word + 1] = up
        state = self._records[at + STATE]
        pairs = PAIRS & state
        self._records[at + STATE] = ((state & ~PAIRS) | ((pairs & UPS) << 1) | ((pairs >> 1) & UPS)) ^ CLIENT_IS_LAST

    def _side(self, at: int, down: int) -> None:
        """Keep link address and VLAN of the first frame of a direction."""
        frame = self._frame
        side = frame.vlan + 1
        side <<= 48
        if frame.mac_at >= 0:
            address = 0
            for octet in range(6):
                address = (address << 8) | frame.octets[frame.mac_at + octet]
            side |= address
        self._records[at + SIDE + down] = side
        self._records[at + STATE] |= SIDED << down

    def _close(self, slot: int, down: int) -> None:
        """Note a FIN or RST; a closed flow lingers a little for what is still under way."""
        at = slot * WORDS
        state = self._records[at + STATE]
        if state & CLOSED:
            return
        if self._frame.flags & 4:
            state |= RESET | CLOSED
        else:
            state |= FIN << down
            if state & (FIN * 3) == FIN * 3:
                state |= CLOSED
        if state & CLOSED:
            self._slots.move(slot, 2)
        self._records[at + STATE] = state

    def _address(self, at: int, end: int) -> bytes:
        """Return the address of the end that sorts first (0) or last (2)."""
        if self._records[at + PORTS] & IS_V6:
            return slices.address_of(self._records[at + end], self._records[at + end + 1])
        return slices.octets_of(self._records[at + end + 1], 4)

    def _port(self, at: int, end: int) -> int:
        return (self._records[at + PORTS] >> (16 if end else 32)) & 0xFFFF

    def _mac(self, at: int) -> bytes | None:
        address = self._records[at + SIDE] & MAC
        return slices.octets_of(address, 6) if address else None

    def _part(self, slot: int, time: int) -> None:
        """Give out what a long flow has counted before this moment, if it is time to, and count anew."""
        at = slot * WORDS
        started = self._records[at + STARTED]
        if time < started or time - started < _PART_LENGTH:
            return
        self._give_out(slot, "active")
        for word in range(OCTETS, STARTED):
            self._records[at + word] = 0
        self._records[at + STARTED] = time
        self._records[at + ENDED] = time
        self._records[at + PART] += 1

    def _end(self, slot: int, why: End) -> None:
        """End a flow: closed connections by what closed them, others by *why*."""
        # Mostly flows end one after another, as they fell silent, and none of them is in any cache by then.
        foresight.approach(self._slots, slot, self._opened)
        state = self._records[slot * WORDS + STATE]
        if not state & CLOSED:
            self.evicted += why == "evicted"
            self._give_out(slot, why)
        elif state & RESET:
            self._give_out(slot, "rst")
        else:
            self._give_out(slot, "fin")
        self._opened[slot] = None
        self._slots.release(slot)

    def _give_out(self, slot: int, why: End) -> None:
        at = slot * WORDS
        record = slices.record(self._records, at, WORDS)
        state = record[STATE]
        client = 2 if state & CLIENT_IS_LAST else 0
        vlan = (record[SIDE] or record[SIDE + 1]) >> 48
        # Filled field by field: 21 keywords cost a thousand instructions to pass, in compiled code too.
        flow: Flow = Flow.__new__(Flow)
        flow.client = self._address(at, client)
        flow.server = self._address(at, 2 - client)
        flow.client_port = self._port(at, client)
        flow.server_port = self._port(at, 2 - client)
        flow.proto = "tcp" if state & TCP else "udp"
        flow.started_ns = record[STARTED]
        flow.ended_ns = record[ENDED]
        flow.bytes_up = record[OCTETS]
        flow.bytes_down = record[OCTETS + 1]
        flow.packets_up = record[PACKETS]
        flow.packets_down = record[PACKETS + 1]
        flow.payload_up = record[PAYLOAD]
        flow.payload_down = record[PAYLOAD + 1]
        flow.ordinal = record[ORDINAL]
        flow.part = record[PART]
        flow.end = why
        flow.vlan = vlan - 1 if vlan else None
        flow.mac = self._mac(at)
        flow.server_mac = self._mac(at + 1)
        flow.certain = state & CERTAIN != 0
        flow.opening = self._opened[slot]
        self._taker(flow)

    def _quietest(self) -> int:
        """Return the slot whose flow ends first when one has to: a closed one, else the one quiet for longest."""
        closed = self._slots.quietest(2)
        tcp = self._slots.quietest(0)
        udp = self._slots.quietest(1)
        if closed >= 0:
            return closed
        if tcp < 0 or (udp >= 0 and self._slots.last(udp) < self._slots.last(tcp)):
            return udp
        return tcp

    def _expire(self) -> None:
        """End what has been quiet for too long, and note when to look again."""
        self._deadline = self._clock + _LINGER
        for order in range(3):
            limit = _TCP_IDLE if order == 0 else _UDP_IDLE if order == 1 else _LINGER
            slot = self._slots.quietest(order)
            while slot >= 0 and self._clock - self._slots.last(slot) >= limit:
                self._end(slot, "idle")
                slot = self._slots.quietest(order)
            if slot >= 0:
                self._deadline = min(self._deadline, self._slots.last(slot) + limit)
