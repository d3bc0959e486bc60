"""Shares the frames of a tap among several packet sockets in the kernel, each flow whole to one of them. Linux only.

A small program of ours runs for every frame (PACKET_FANOUT_CBPF). It looks at the two addresses alone, and both ways
round alike: so both directions of a flow, its fragments, and whatever runs between the same two ends in a tunnel come
to one socket. What it cannot place (ARP, MPLS, 802.11) goes to the first.

A socket can be put in the place of another at one stroke, so that a ring is replaced and no frame lost or seen twice.
Sources: packet(7); Linux Documentation/networking/filter.rst; fanout_demux_bpf and __fanout_unlink of net/packet.
"""

from __future__ import annotations

import array
import contextlib
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator, Mapping

MAX_LANES = 64
"""Sockets that share the frames of one tap."""

# linux/if_packet.h
_SOL_PACKET = 263
_PACKET_FANOUT = 18
_PACKET_FANOUT_DATA = 22
_FANOUT_CBPF = 6
_FANOUT_FLAG_UNIQUEID = 0x2000

# linux/filter.h
_LOAD_WORD = 0x20
_LOAD_HALF = 0x28
_LOAD_NUMBER = 0x00
_TO_X = 0x07
_XOR_X = 0xAC
_MULTIPLY = 0x24
_SHIFT_RIGHT = 0x74
_REMAINDER = 0x94
_JUMP = 0x05
_JUMP_IF_EQUAL = 0x15
_RETURN = 0x06
_RETURN_A = 0x16
_PROTOCOL = 0xFFFFF000  # of the frame, as the kernel sees it once it has taken one VLAN tag out
_NETWORK = 0xFFF00000  # offsets from here count from the network header

# linux/if_ether.h
_IPV4 = 0x0800
_IPV6 = 0x86DD
_TAGS = (0x8100, 0x88A8, 0x9100)
_PPPOE = 0x8864
_PPP_IPV4 = 0x0021
_PPP_IPV6 = 0x0057

_TAG_OCTETS = 4
_PPPOE_OCTETS = 8
_INNER_TAGS = 2
"""Tags looked through behind the one that the kernel takes out."""
_INSTRUCTION = struct.Struct("=HBBI")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One instruction; *to* is where it jumps."""

    code: int
    operand: int = 0
    to: str = ""
    label: str = ""


def spreading(lanes: int, *, multiplier: int, moved: Mapping[int, int]) -> bytes:
    """Return the program that says for each frame which of *lanes* sockets gets it.

    Args:
        lanes: how many sockets share the frames.
        multiplier: odd, 32 bits, best of all one that nobody outside can guess.
        moved: what to return for a lane in place of its number.
    """
    steps = [*_read(lanes, multiplier=multiplier), *_lane(moved)]
    places = {step.label: number for number, step in enumerate(steps) if step.label}
    program = b""
    for number, step in enumerate(steps):
        if step.code == _JUMP_IF_EQUAL:
            program += _INSTRUCTION.pack(step.code, 0, 1, step.operand)
        elif step.code == _JUMP:
            program += _INSTRUCTION.pack(step.code, 0, 0, places[step.to] - number - 1)
        else:
            program += _INSTRUCTION.pack(step.code, 0, 0, step.operand)
    return program


def _read(lanes: int, *, multiplier: int) -> Iterator[_Step]:
    """Yield the steps from a frame to the number of its lane."""
    if lanes == 1:  # reading words of a frame takes the kernel longer than all else here
        yield _Step(code=_LOAD_NUMBER, operand=0)
        return
    yield _Step(code=_LOAD_WORD, operand=_PROTOCOL)
    yield from _if_equal({_PPPOE: "pppoe"})
    for depth in range(_INNER_TAGS + 1):
        last = depth == _INNER_TAGS
        at = depth * _TAG_OCTETS
        yield from _if_equal({_IPV4: f"ipv4 at {at}", _IPV6: f"ipv6 at {at}"})
        if not last:
            yield from _if_equal(dict.fromkeys(_TAGS, f"tag {depth}"))
        yield _Step(code=_JUMP, to="unknown")
        if not last:
            yield _Step(code=_LOAD_HALF, operand=_NETWORK + at + 2, label=f"tag {depth}")
    yield _Step(code=_LOAD_HALF, operand=_NETWORK + _PPPOE_OCTETS - 2, label="pppoe")
    yield from _if_equal({_PPP_IPV4: f"ipv4 at {_PPPOE_OCTETS}", _PPP_IPV6: f"ipv6 at {_PPPOE_OCTETS}"})
    yield _Step(code=_JUMP, to="unknown")
    for at in sorted({*range(0, _INNER_TAGS * _TAG_OCTETS + 1, _TAG_OCTETS), _PPPOE_OCTETS}):
        yield from _joined(range(at + 12, at + 20, 4), label=f"ipv4 at {at}")
        yield from _joined(range(at + 8, at + 40, 4), label=f"ipv6 at {at}")
    yield _Step(code=_LOAD_NUMBER, operand=0, label="unknown")
    yield _Step(code=_JUMP, to="lane")
    # The upper half of a product depends on every bit of what was multiplied. Addresses that follow each other give one
    # that grows evenly, though: with one multiplier in fifty one lane of three got less than a tenth. Hence twice.
    yield _Step(code=_MULTIPLY, operand=multiplier, label="mix")
    yield _Step(code=_TO_X)
    yield _Step(code=_SHIFT_RIGHT, operand=16)
    yield _Step(code=_XOR_X)
    yield _Step(code=_MULTIPLY, operand=multiplier)
    yield _Step(code=_SHIFT_RIGHT, operand=16)
    yield _Step(code=_REMAINDER, operand=lanes)


def _if_equal(targets: Mapping[int, str]) -> Iterator[_Step]:
    for value, label in targets.items():
        yield _Step(code=_JUMP_IF_EQUAL, operand=value)
        yield _Step(code=_JUMP, to=label)


def _joined(offsets: Iterable[int], *, label: str) -> Iterator[_Step]:
    """Yield the steps that join words by exclusive or: source and target may change places."""
    for number, offset in enumerate(offsets):
        if number:
            yield _Step(code=_TO_X)
        yield _Step(code=_LOAD_WORD, operand=_NETWORK + offset, label="" if number else label)
        if number:
            yield _Step(code=_XOR_X)
    yield _Step(code=_JUMP, to="mix")


def _lane(moved: Mapping[int, int]) -> Iterator[_Step]:
    """Yield the steps that return the lane."""
    label = "lane"
    for lane in moved:
        yield _Step(code=_JUMP_IF_EQUAL, operand=lane, label=label)
        yield _Step(code=_JUMP, to=f"moved {lane}")
        label = ""
    yield _Step(code=_RETURN_A, label=label)
    for lane, value in moved.items():
        yield _Step(code=_RETURN, operand=value, label=f"moved {lane}")


class Fanout:
    """The group of the sockets that share the frames of one tap; processes that are forked later share it.

    Args:
        lanes: how many sockets share them when nothing is being replaced.
    """

    def __init__(self, lanes: int) -> None:
        if not 1 <= lanes <= MAX_LANES:
            raise ValueError(f"frames are shared among 1 to {MAX_LANES} sockets, not {lanes}")
        self.lanes = lanes
        self._multiplier = int.from_bytes(os.urandom(4), "big") | 1
        self._group: int | None = None
        # One socket is replaced at a time: whoever does it holds the token.
        self._token = os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def join(self, packets: socket.socket) -> None:
        """Let *packets* take part; the sockets that join first are the lanes, in this order.

        Raises:
            OSError: this kernel has no such groups.
        """
        flags = _FANOUT_CBPF | (_FANOUT_FLAG_UNIQUEID if self._group is None else 0)
        packets.setsockopt(_SOL_PACKET, _PACKET_FANOUT, struct.pack("=HH", self._group or 0, flags))
        if self._group is None:
            (self._group,) = struct.unpack_from("=H", packets.getsockopt(_SOL_PACKET, _PACKET_FANOUT, 4))
            self._set(packets, moved={})

    def begin_move(self) -> bool:
        """Return whether the caller may replace a socket now: one at a time. If so it must call `end_move`."""
        try:
            os.eventfd_read(self._token)
        except BlockingIOError:
            return False
        return True

    def move(self, lane: int, *, through: socket.socket) -> None:
        """Give the frames of *lane* to the socket that joined last, from one frame to the next.

        When a socket is closed, the kernel puts the last one of the group in its place. The kernel takes what the
        program says modulo the number of sockets; this number means the last place while the old socket is there, and
        the place of the lane as soon as it is gone.
        """
        self._set(through, moved={lane: self.lanes + (self.lanes + 1) * lane})

    def end_move(self, *, through: socket.socket) -> None:
        """Let another socket be replaced; the old one is closed."""
        self._set(through, moved={})
        self.give_up_move()

    def give_up_move(self) -> None:
        """Let another socket be replaced; nothing was moved."""
        os.eventfd_write(self._token, 1)

    def close(self) -> None:
        """Let the token go. The group goes with its last socket."""
        with contextlib.suppress(OSError):
            os.close(self._token)
        self._token = -1

    def _set(self, through: socket.socket, *, moved: Mapping[int, int]) -> None:
        octets = array.array("B", spreading(self.lanes, multiplier=self._multiplier, moved=moved))
        address, count = octets.buffer_info()
        through.setsockopt(_SOL_PACKET, _PACKET_FANOUT_DATA, struct.pack("HP", count // _INSTRUCTION.size, address))
