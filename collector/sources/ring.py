"""Walks the blocks of a TPACKET_V3 ring, which the kernel fills, and notes each frame. Compiled; makes no system call.

The ring is memory shared with the kernel. Every number in it is held against its block before it is followed.
Source: Linux Documentation/networking/packet_mmap.rst; struct tpacket_block_desc and tpacket3_hdr of linux/if_packet.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.frames import NO_VLAN

if TYPE_CHECKING:
    from collector.frames import FrameBlock

COMPILED = not __file__.endswith(".py")
"""Whether this module runs as compiled code."""

_SECOND = 1_000_000_000
_UNTAGGED = NO_VLAN

_BLOCK_HEADER = 48  # octets before the first frame of a block
_FRAME_HEADER = 68  # octets of tpacket3_hdr (48) and the sockaddr_ll behind it (20)

_OURS = 1  # TP_STATUS_USER: the kernel has closed the block; 0 gives it back
_VLAN_VALID = 16  # TP_STATUS_VLAN_VALID: the kernel took an 802.1Q tag out of the frame, and put it into its header


def link_type(hardware: int) -> int:
    """Return the pcap link type of frames from an interface of this ARPHRD type; -1: nothing here can read them.

    Source: linux/if_arp.h; www.tcpdump.org/linktypes.html.
    """
    if hardware == 1 or hardware == 772:  # noqa: PLR1714 -- compiled to comparisons. Linux gives loopback an Ethernet header
        return 1
    if hardware == 65534 or hardware == 519:  # noqa: PLR1714 -- as above: tun, WireGuard, modems: IP without a header
        return 101
    if hardware == 801:  # 802.11
        return 105
    if hardware == 803:  # 802.11 behind a radiotap header
        return 127
    return -1


class RingWalker:
    """Reads the blocks of one ring in turn.

    Args:
        octets: the ring, writable.
        blocks: blocks in it.
        block_octets: octets of a block: a multiple of the page size.
    """

    def __init__(self, octets: memoryview, *, blocks: int, block_octets: int) -> None:
        if blocks < 1 or block_octets < 4096 or block_octets % 4096 or blocks * block_octets > len(octets):
            raise ValueError(f"no ring: {blocks} blocks of {block_octets} octets in {len(octets)}")
        self.odd = 0
        """Blocks left before their end, and frames left out, because a number in them cannot be."""
        self.last_ns = 0
        """Time of the last frame noted, nanoseconds since the epoch."""
        self._view = octets
        self._halves = octets.cast("H")
        self._words = octets.cast("I")
        self._blocks = blocks
        self._block_octets = block_octets
        self._block = 0
        self._at = 0  # of the next frame; 0: the block is not begun
        self._left = 0  # frames of the block not yet noted

    def ready(self) -> bool:
        """Whether the kernel has closed the block that comes next."""
        return self._words[self._block * self._block_octets // 4 + 2] & _OURS != 0

    def half_full(self) -> bool:
        """Whether half of the blocks wait to be read: the kernel has closed the one half a ring ahead."""
        ahead = (self._block + self._blocks // 2) % self._blocks
        return self._words[ahead * self._block_octets // 4 + 2] & _OURS != 0

    def fill(self, block: FrameBlock) -> bool:
        """Put the frames of the block that is ready into *block*, as many as it holds; return whether some are left.

        Call it again while some are left, then call `give_back`.
        """
        base = self._block * self._block_octets
        end = base + self._block_octets
        if self._at == 0:
            _see_what_the_kernel_wrote()
            self._left = self._words[(base + 12) >> 2]
            first = self._words[(base + 16) >> 2]
            if self._left and not _follows(first, _BLOCK_HEADER, self._block_octets):
                self.odd += 1
                self._left = 0
            self._at = base + first if self._left else end
        block.clear(self._view)
        while self._left:
            if block.count >= block.capacity:
                return True
            self._frame(block, self._at, end)
            following = self._words[self._at >> 2]
            self._left -= 1
            if self._left and not _follows(following, _FRAME_HEADER, end - self._at):
                self.odd += 1
                self._left = 0
            self._at += following
        return False

    def give_back(self) -> None:
        """Let the kernel fill the block again, and go on to the next. Its frames must not be looked at any more."""
        _see_what_the_kernel_wrote()
        self._words[self._block * self._block_octets // 4 + 2] = 0
        self._block += 1
        if self._block >= self._blocks:
            self._block = 0
        self._at = 0
        self._left = 0

    def _frame(self, block: FrameBlock, at: int, end: int) -> None:
        """Note the frame whose header lies at *at*, in a block that ends at *end*."""
        seconds = self._words[(at >> 2) + 1]
        time = seconds * _SECOND + self._words[(at >> 2) + 2]
        captured = self._words[(at >> 2) + 3]
        wire = self._words[(at >> 2) + 4]
        start = at + self._halves[(at >> 1) + 12]
        link = link_type(self._halves[(at >> 1) + 28])
        if link < 0 or captured > end - start:
            self.odd += 1
            return
        wire = max(wire, captured)
        vlan = _UNTAGGED
        if self._words[(at >> 2) + 5] & _VLAN_VALID:
            vlan = self._words[(at >> 2) + 8] & 0x0FFF
            if vlan == 0:  # a priority tag: no VLAN (IEEE 802.1Q section 9.6)
                vlan = _UNTAGGED
        self.last_ns = time
        block.add(start, captured, wire, time, link, vlan)


def _follows(step: int, least: int, room: int) -> bool:
    """Return whether *step* octets further a frame header can stand, with *room* octets left in the block."""
    return step >= least and step & 3 == 0 and step + _FRAME_HEADER <= room


def _see_what_the_kernel_wrote() -> None:
    """Keep reads of a block behind the look at its status, and before its return, where processors reorder them."""
    if COMPILED:
        thread_fence()  # type: ignore[name-defined] # noqa: F821 -- a C macro, see ring.pxd; else poll() stands between
