"""A capture ring that is replaced by one of twice its size when it fills up, with no frame lost or counted twice.

The larger ring is made beside the old one, the kernel turns from one to the other between two frames
(`Fanout.move`), and what the old one still holds is read before what the new one holds. All sockets are opened at the
start: later there is no right to.
"""

from __future__ import annotations

import contextlib
import select
import time
from typing import TYPE_CHECKING

from collector.sources.afpacket import RETIRE_MS, PacketSocket, RingSize, silent_socket
from collector.sources.errors import TapError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Collection

    from collector.sources.fanout import Fanout
    from collector.sources.ring import RingWalker

SETTLE_S = 2 * RETIRE_MS / 1_000
"""No frame that the kernel gave to the old ring waits longer there for its block to be handed over."""
CALM_S = 1.0
"""How long nothing is grown after a ring was replaced, or after none could be."""
_MIB = 1 << 20


class GrowingRing:
    """The ring of one lane of a tap: the one that the kernel fills, and for a moment the one before it.

    Args:
        size: at the start, and at most.
        fanout: which frames come here.
        lane: the number of this one in it; lanes are opened in order.
        say: told when it grows, and when it cannot.

    Raises:
        TapError: no right to open it, no memory, or no such socket on this system.
    """

    def __init__(self, size: RingSize, *, fanout: Fanout, lane: int, say: Callable[[str], None]) -> None:
        self.grown = 0
        """Times that the ring was replaced by a larger one."""
        self._size = size
        self._fanout = fanout
        self._lane = lane
        self._say = say
        self._heard: tuple[Collection[int], Collection[int]] = ((), ())
        self._before: PacketSocket | None = None
        self._settled_at = 0.0
        self._calm_until = 0.0
        self._past_dropped = self._past_odd = self._seen_dropped = 0
        self._poll = select.epoll()
        self._spares: list[socket.socket] = []
        try:
            self._now = PacketSocket(silent_socket(), size, fanout=fanout)
            self._poll.register(self._now, select.EPOLLIN)
            if self._now.blocks == size.blocks:
                self._spares += [silent_socket() for _ in range(size.doublings)]
        except TapError:
            self._poll.close()
            raise

    @property
    def socket(self) -> socket.socket:
        """A socket in the namespace of the tap, to ask the kernel about interfaces."""
        return self._now.socket

    @property
    def blocks(self) -> int:
        """Blocks of the ring that the kernel fills."""
        return self._now.blocks

    @property
    def octets(self) -> int:
        """Octets of the ring that the kernel fills."""
        return self._now.octets

    @property
    def dropped(self) -> int:
        """Frames that the kernel dropped because no ring had room. Up to date after `count`."""
        return self._past_dropped + self._now.dropped + (self._before.dropped if self._before else 0)

    @property
    def odd(self) -> int:
        """Frames and blocks left out because the kernel's own headers contradict themselves."""
        return self._past_odd + self._now.ring.odd + (self._before.ring.odd if self._before else 0)

    @property
    def moving(self) -> bool:
        """Frames of the new ring may be kept back behind those of the old one."""
        return self._before is not None

    def fileno(self) -> int:
        """Return the descriptor to poll: readable once the kernel has closed a block."""
        return self._poll.fileno()

    def reader(self) -> RingWalker | None:
        """Return the ring whose next block is ready; None: none is. The old one goes first."""
        if self._before is not None:
            if self._before.ring.ready():
                return self._before.ring
            # What came to the new one is later than what may still lie in the old one's last block.
            if time.monotonic() < self._settled_at and not self._now.ring.half_full():
                return None
            if time.monotonic() >= self._settled_at:
                self._settle()
        return self._now.ring if self._now.ring.ready() else None

    def listen(self, indices: Collection[int], *, own: Collection[int]) -> None:
        """Let through what `PacketSocket.listen` says."""
        self._heard = indices, own
        self._now.listen(indices, own=own)
        if self._before is not None:
            self._before.listen(indices, own=own)

    def hear_all(self, index: int) -> None:
        """Make an interface take in frames for every address, for as long as this is open."""
        self._now.hear_all(index)

    def count(self) -> None:
        """Bring the counters up to date."""
        self._now.count()
        if self._before is not None:
            self._before.count()

    def clear_fault(self) -> None:
        """Take note of asynchronous errors, which would otherwise end every poll at once."""
        self._now.clear_fault()
        if self._before is not None:
            self._before.clear_fault()

    def tend(self) -> None:
        """Grow if the ring is half full, or if the kernel dropped frames since this was asked last."""
        dropping = self._now.dropped > self._seen_dropped
        self._seen_dropped = self._now.dropped
        if not self._spares or self._before is not None or time.monotonic() < self._calm_until:
            return
        if not dropping and not self._now.ring.half_full():
            return
        if self._fanout.begin_move():
            self._grow("frames found no room" if dropping else "it was half full")

    def close(self) -> None:
        """Hear no more and give the rings back."""
        if self._before is not None:
            self._settle()
        self._past_odd += self._now.ring.odd
        self._now.close()
        self._close_spares()
        self._poll.close()

    def leave(self) -> None:
        """Let go of it in this process alone: another one, forked from this, goes on with it."""
        self._now.leave()
        self._close_spares()
        self._poll.close()

    def repoll(self) -> None:
        """Wait through a descriptor of this process: one that was inherited is shared with the process before it."""
        self._poll.close()
        self._poll = select.epoll()
        self._poll.register(self._now, select.EPOLLIN)

    def _grow(self, why: str) -> None:
        was = self._now
        wanted = RingSize(blocks=2 * was.blocks, block_octets=self._size.block_octets)
        try:
            larger = PacketSocket(self._spares.pop(0), wanted, fanout=self._fanout)
        except TapError:
            self._stay(f"and the kernel has no memory for {wanted.blocks} blocks")
            return
        if larger.blocks <= was.blocks:
            larger.close()
            self._stay(f"and the kernel has no memory for {wanted.blocks} blocks")
            return
        indices, own = self._heard
        larger.listen(indices, own=own)
        for index in was.promiscuous:
            with contextlib.suppress(OSError):  # the interface has gone
                larger.hear_all(index)
        self._fanout.move(self._lane, through=larger.socket)
        self._settled_at = time.monotonic() + SETTLE_S
        self._poll.register(larger, select.EPOLLIN)
        self._before, self._now = was, larger
        self._seen_dropped = 0
        self.grown += 1
        self._say(f"the capture ring grew from {was.octets // _MIB} to {larger.octets // _MIB} MiB: {why}")

    def _stay(self, why: str) -> None:
        self._close_spares()
        self._fanout.give_up_move()
        self._say(f"the capture ring of {self._now.octets // _MIB} MiB fills up, {why}")

    def _settle(self) -> None:
        """Close the old ring, which is read to its end."""
        before = self._before
        if before is None:
            return
        self._poll.unregister(before)
        self._past_odd += before.ring.odd
        before.close()
        self._past_dropped += before.dropped
        self._before = None
        self._fanout.end_move(through=self._now.socket)
        self._calm_until = time.monotonic() + CALM_S

    def _close_spares(self) -> None:
        for spare in self._spares:
            spare.close()
        self._spares.clear()
