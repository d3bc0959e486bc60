"""A packet socket of Linux with a receive ring: one for all interfaces of a tap, so that frames come in order of time.

The socket listens on every interface of its namespace; a filter in the kernel lets through those that are tapped. Only
opening it needs rights (CAP_NET_RAW): an interface that comes back with another number needs just another filter, and
a ring can be given to a socket that was opened long before.
Sources: packet(7); Linux Documentation/networking/packet_mmap.rst and filter.rst.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import errno
import mmap
import os
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.sources.errors import TapError
from collector.sources.ring import RingWalker

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from collector.sources.fanout import Fanout

RING_BLOCKS = 32
"""Blocks of a ring at the start: with `BLOCK_OCTETS`, 32 MiB, which is 75 ms of 3.5 Gbit/s."""
MOST_BLOCKS = 256
"""Blocks of the largest ring that a tap takes when smaller ones fill up: 256 MiB, 600 ms of 3.5 Gbit/s."""
BLOCK_OCTETS = 1 << 20
"""Octets of a block; no frame is longer."""
RETIRE_MS = 50
"""How long the kernel waits for a block to fill before it hands it over as it is."""
LEAST_BLOCKS = 4
"""The smallest ring that is tried when the kernel has no memory for a larger one."""
MAX_INTERFACES = 64
"""Interfaces of one tap: the filter's jumps are one octet long."""

# linux/if_packet.h, linux/if_ether.h, asm-generic/socket.h
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_DROP_MEMBERSHIP = 2
_PACKET_RX_RING = 5
_PACKET_STATISTICS = 6
_PACKET_VERSION = 10
_PACKET_IGNORE_OUTGOING = 23
_TPACKET_V3 = 2
_PACKET_MR_PROMISC = 1
_PACKET_OUTGOING = 4
_ETH_P_ALL = 3
_SO_ATTACH_FILTER = 26

_LIBC = ctypes.CDLL(None, use_errno=True)

_FRAME_OCTETS = 2048  # asked for by the interface of older rings; version 3 packs frames as they come

# linux/filter.h: code, jump if true, jump if false, operand
_INSTRUCTION = struct.Struct("=HBBI")
_LOAD = 0x20
_JUMP_IF_EQUAL = 0x15
_RETURN = 0x06
_PACKET_KIND = 0xFFFFF004
_INTERFACE_INDEX = 0xFFFFF008
_WHOLE_FRAME = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class RingSize:
    """How much memory a ring may take."""

    blocks: int = RING_BLOCKS
    """Blocks; halved until the kernel has memory for them, down to `LEAST_BLOCKS`."""
    block_octets: int = BLOCK_OCTETS
    """Octets of a block: a power of two, and a multiple of the page size."""
    most_blocks: int = MOST_BLOCKS
    """Blocks that it may grow to, by doubling; no more than `blocks`: it never grows."""

    @property
    def doublings(self) -> int:
        """How often it may double."""
        return max(0, (self.most_blocks // self.blocks).bit_length() - 1)


class PacketSocket:
    """The socket, its ring, and the counters of the kernel. It lets nothing through until `listen` is called.

    Args:
        silent: from `silent_socket`; closed with this.
        size: of the ring.
        fanout: whose frames it shares with others; it gets none before its turn comes there.

    Raises:
        TapError: no memory, or no such socket on this system.
    """

    def __init__(self, silent: socket.socket, size: RingSize, *, fanout: Fanout) -> None:
        self.dropped = 0
        """Frames that the kernel dropped because the ring was full. Up to date after `count`."""
        self.passed = 0
        """Frames that passed the filter, those dropped included. Up to date after `count`."""
        self.promiscuous: set[int] = set()
        """Numbers of the interfaces that take in frames for every address because of this socket."""
        self.socket = silent
        try:
            self.listen((), own=())
            self.socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
            self.blocks, self._memory = _largest_ring(self.socket, size)
            _bind(self.socket)
            fanout.join(self.socket)
        except OSError as error:
            self.socket.close()
            raise TapError(
                f"the kernel offers no capture ring ({error.strerror}); Linux 4.20 or later is needed"
            ) from None
        except TapError:
            self.socket.close()
            raise
        self.octets = self.blocks * size.block_octets
        """Of the ring."""
        self.ring = RingWalker(memoryview(self._memory), blocks=self.blocks, block_octets=size.block_octets)
        self.count()  # what the kernel counted before the ring stood
        self.dropped = self.passed = 0

    def fileno(self) -> int:
        """Return the descriptor to poll: readable once the kernel has closed a block."""
        return self.socket.fileno()

    def listen(self, indices: Collection[int], *, own: Collection[int]) -> None:
        """Let through what the interfaces *indices* receive, and what this machine sends through those in *own*."""
        program = b"".join(_filter(indices, own))
        octets = array.array("B", program)
        address, count = octets.buffer_info()
        self.socket.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", count // _INSTRUCTION.size, address)
        )
        # Spares the kernel a copy of each frame sent; the filter alone would do.
        with contextlib.suppress(OSError):
            self.socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 0 if own else 1)

    def hear_all(self, index: int) -> None:
        """Make an interface take in frames for every address, not only its own, for as long as this socket is open."""
        if index not in self.promiscuous:
            self._membership(_PACKET_ADD_MEMBERSHIP, index)
            self.promiscuous.add(index)

    def count(self) -> None:
        """Add the kernel's counters, which start again from 0 with each look, to `passed` and `dropped`."""
        passed, dropped, _ = struct.unpack("III", self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 12))
        self.passed += passed
        self.dropped += dropped

    def clear_fault(self) -> None:
        """Take note of an asynchronous error, which would otherwise end every poll at once."""
        self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def close(self) -> None:
        """Hear no more and give the ring back; its memory goes when nobody holds a view of it any longer."""
        if self.socket.fileno() < 0:
            return
        # A ring that is still looked at keeps the socket alive in the kernel, so it is silenced first.
        self.listen((), own=())
        for index in self.promiscuous:
            with contextlib.suppress(OSError):  # the interface has gone
                self._membership(_PACKET_DROP_MEMBERSHIP, index)
        self.count()
        self.leave()

    def leave(self) -> None:
        """Let go of it in this process alone: another one, forked from this, goes on with it."""
        self.socket.close()
        del self.ring
        with contextlib.suppress(BufferError):
            self._memory.close()

    def _membership(self, option: int, index: int) -> None:
        self.socket.setsockopt(_SOL_PACKET, option, struct.pack("iHH8x", index, _PACKET_MR_PROMISC, 0))


def silent_socket() -> socket.socket:
    """Return a packet socket that hears nothing yet and costs nothing.

    Raises:
        TapError: no right to open it, or no such socket on this system.
    """
    try:
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except PermissionError:
        raise TapError(
            "no right to capture; start as root or with the capability CAP_NET_RAW (given up once the tap is open)"
        ) from None
    except OSError as error:
        raise TapError(f"no packet socket ({error.strerror}); load the kernel module af_packet") from None


def _bind(packets: socket.socket) -> None:
    """Let the socket hear all interfaces. By number: Python binds to names, and 0 stands for all."""
    address = struct.pack("=HHiHBB8x", socket.AF_PACKET, socket.htons(_ETH_P_ALL), 0, 0, 0, 0)
    if _LIBC.bind(packets.fileno(), address, len(address)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _largest_ring(packets: socket.socket, size: RingSize) -> tuple[int, mmap.mmap]:
    """Return a ring of as many blocks as the kernel and this process have memory for, and how many they are."""
    blocks = size.blocks
    while True:
        try:
            return blocks, _ring(packets, blocks=blocks, block_octets=size.block_octets)
        except OSError as error:
            if error.errno not in {errno.ENOMEM, errno.EAGAIN}:
                raise
            if blocks // 2 < LEAST_BLOCKS:
                raise TapError(
                    f"no memory for a capture ring of {blocks} blocks of {size.block_octets} octets; free some"
                ) from None
        blocks //= 2


def _ring(packets: socket.socket, *, blocks: int, block_octets: int) -> mmap.mmap:
    frames = block_octets // _FRAME_OCTETS * blocks
    request = struct.pack("7I", block_octets, blocks, _FRAME_OCTETS, frames, RETIRE_MS, 0, 0)
    packets.setsockopt(_SOL_PACKET, _PACKET_RX_RING, request)
    try:
        return mmap.mmap(packets.fileno(), blocks * block_octets)
    except OSError:
        packets.setsockopt(_SOL_PACKET, _PACKET_RX_RING, bytes(len(request)))
        raise


def _filter(indices: Collection[int], own: Collection[int]) -> Iterator[bytes]:
    """Yield the instructions of a filter: what is sent passes at interfaces in *own*, the rest at any of *indices*."""
    yield _INSTRUCTION.pack(_LOAD, 0, 0, _PACKET_KIND)
    yield _INSTRUCTION.pack(_JUMP_IF_EQUAL, 0, 2 + 2 * len(own), _PACKET_OUTGOING)
    yield from _any_of(own)
    yield from _any_of(indices)


def _any_of(indices: Collection[int]) -> Iterator[bytes]:
    yield _INSTRUCTION.pack(_LOAD, 0, 0, _INTERFACE_INDEX)
    for index in indices:
        yield _INSTRUCTION.pack(_JUMP_IF_EQUAL, 0, 1, index)
        yield _INSTRUCTION.pack(_RETURN, 0, 0, _WHOLE_FRAME)
    yield _INSTRUCTION.pack(_RETURN, 0, 0, 0)
