"""Captures network interfaces of a Linux machine as they run, block by block, through everything that happens to them.

An interface may go down, lose its link, or vanish and come back under another number: the others go on, the gap is
counted and said, and frames come again as soon as it does. Nothing of this needs the rights that opening it needed.
"""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from collector.frames import FrameBlock
from collector.sources.afpacket import MAX_INTERFACES, RETIRE_MS, RingSize
from collector.sources.errors import NoSuchInterfaceError, TapError
from collector.sources.fanout import Fanout
from collector.sources.growing_ring import SETTLE_S, GrowingRing
from collector.sources.interfaces import Interface, LinkNews, has_address, joins_packets, look
from collector.sources.ring import link_type

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from collector.sources.ring import RingWalker

QUIET_MS = 100
"""A block comes at least this often, if need be with no frame in it, so that whoever reads can tend to other things."""
LOOK_S = 1.0
"""How often interfaces and counters are looked at even where the kernel sends no word."""
AWAY_LOOK_S = 0.1
"""The same while an interface is away: the kernel's word of its return may be a second late."""

# How long nothing is read while what has come waits for what came before it.
_MOVING_PAUSE_S = 0.005
_NS = 1_000_000_000
_MS = 1_000_000
_HELD_NS = 2 * RETIRE_MS * _MS  # no frame waits longer for its block to be handed over


@dataclass(slots=True, kw_only=True)
class _Port:
    """One interface and what became of it."""

    name: str
    own: bool  # what this machine sends through it is wanted too
    index: int  # 0: the interface is not there
    away_since: float | None  # on the clock that never goes back; None: frames can come


class LiveCapture:
    """The frames of one or several interfaces, in the order in which they came. Iterate over it once.

    Frames that the machine itself sends are left out: at a mirror port or a tap both directions come in, and on
    loopback each frame sent comes in again. For the machine's own uplink, name the interface in *own*.

    Args:
        interfaces: names.
        own: those of them through which this machine's own traffic goes and shall be seen in both directions.
        size: of the capture ring.
        say: told in one sentence whatever an operator should know.
        fanout: shares the frames with other captures of the same interfaces; None: all come here.
        lane: which of them this one is; they are made in order.

    Raises:
        NoSuchInterfaceError: an interface is not there.
        TapError: no right to capture, no memory, or an interface of a kind that cannot be read.
    """

    fault = ""
    """Nothing ends this watch but who asks for it."""
    processes = 1
    """This one reads."""

    def __init__(
        self,
        interfaces: Sequence[str],
        *,
        own: Collection[str] = (),
        size: RingSize | None = None,
        say: Callable[[str], None] = lambda _: None,
        fanout: Fanout | None = None,
        lane: int = 0,
    ) -> None:
        self.packets = 0
        """Frames delivered so far."""
        self.gaps = 0
        """Times that an interface went away while it was watched."""
        self.gap_s = 0.0
        """Seconds that interfaces were away and came back, added up."""
        self.reached_ns = 0
        """All frames seen before this time (nanoseconds since the epoch) have been delivered."""
        self._say = self._tell_ring = say
        self._stop_at: float | None = None
        self._closed = False
        self._looked_at = time.monotonic()
        size = size or RingSize()
        names = _named(interfaces, own)
        self._news = LinkNews()
        shares = Fanout(1) if fanout is None else fanout
        self._own_fanout = shares if fanout is None else None
        try:
            self._packets = GrowingRing(size, fanout=shares, lane=lane, say=self._tell)
        except TapError:
            self._give_up()
            raise
        try:
            self._ports = [self._port(name, own=name in own) for name in names]
            self._tune()
        except BaseException:
            self.close()
            raise
        if self._packets.blocks < size.blocks:
            say(f"the kernel has memory for {self._packets.blocks} of {size.blocks} blocks of the capture ring")
        self._poll = self._polling()

    def start(self, *, confine: Callable[[], None]) -> None:
        """Start nothing: this process reads."""

    def become_reader(self, say: Callable[[str], None], *, tell_ring: Callable[[str], None]) -> None:
        """Go on in this process, which was forked from the one that opened the interfaces.

        Args:
            say: told of the interfaces, as before.
            tell_ring: told of the capture ring.
        """
        self._say = say
        self._tell_ring = tell_ring
        self._packets.repoll()
        self._poll = self._polling()

    def leave(self) -> None:
        """Let go of it in this process alone: another one, forked from this, goes on with it."""
        if not self._closed:
            self._packets.leave()
            self._give_up()

    @property
    def ring_octets(self) -> int:
        """Octets of the capture ring."""
        return 0 if self._closed else self._packets.octets

    @property
    def rings_grown(self) -> int:
        """Times that the ring was replaced by a larger one."""
        return self._packets.grown

    @property
    def dropped(self) -> int:
        """Frames that the kernel dropped because they were not read fast enough."""
        if not self._closed:
            self._packets.count()
        return self._packets.dropped

    @property
    def odd(self) -> int:
        """Frames and blocks left out because the kernel's own headers contradict themselves."""
        return self._packets.odd

    @property
    def away(self) -> tuple[str, ...]:
        """Interfaces from which no frame can come now."""
        return tuple(port.name for port in self._ports if port.away_since is not None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """End the iteration once the frames that have come by now are delivered. May be called from anywhere."""
        if self._stop_at is None:  # whoever asks again does not want to wait for longer
            self._stop_at = time.monotonic() + _HELD_NS / _NS + SETTLE_S * self._packets.moving

    def close(self) -> None:
        """Give up the interfaces. Not to be called while another thread iterates: use `stop` there."""
        if not self._closed:
            self._packets.close()
            self._give_up()

    def _give_up(self) -> None:
        self._news.close()
        if self._own_fanout is not None:
            self._own_fanout.close()
        self._closed = True

    def __iter__(self) -> Iterator[FrameBlock]:
        """Yield blocks of frames; the octets of each are the kernel's again when the next one is asked for."""
        block = FrameBlock()
        while not self._closed and (self._stop_at is None or time.monotonic() < self._stop_at):
            ring = self._packets.reader()
            if ring is not None:
                yield from self._frames(block, ring)
                if not self._closed and self._stop_at is None:
                    self._packets.tend()
            elif not self._wait():
                if not self._packets.moving:
                    self.reached_ns = max(self.reached_ns, time.time_ns() - _HELD_NS)
                block.clear(memoryview(b""))
                yield block
            if not self._closed and time.monotonic() - self._looked_at >= (AWAY_LOOK_S if self.away else LOOK_S):
                self._look()
        block.clear(memoryview(b""))

    def _frames(self, block: FrameBlock, ring: RingWalker) -> Iterator[FrameBlock]:
        """Yield the frames of the ring's next block, in as many portions as it takes."""
        more = True
        while more and not self._closed:
            more = ring.fill(block)
            self.packets += block.count
            self.reached_ns = max(self.reached_ns, ring.last_ns)
            try:
                yield block
            finally:
                if not more and not self._closed:
                    ring.give_back()

    def _wait(self) -> bool:
        """Wait for frames or for news of the interfaces; return whether frames have come."""
        if self._packets.moving:  # what is ready may have to wait: that would end every poll at once
            time.sleep(_MOVING_PAUSE_S)
        for descriptor, _ in self._poll.poll(0 if self._packets.moving else QUIET_MS):
            if descriptor == self._news.fileno():
                self._hear()
            else:
                self._packets.clear_fault()
        return self._packets.reader() is not None

    def _polling(self) -> select.poll:
        poll = select.poll()
        poll.register(self._packets, select.POLLIN)
        poll.register(self._news, select.POLLIN)
        return poll

    def _tell(self, words: str) -> None:
        """Say what the ring says; who is told may change."""
        self._tell_ring(words)

    def _hear(self) -> None:
        """Take in the kernel's word, in order: an interface may have gone and come back within one turn."""
        for index, carries in self._news.read():
            for port in self._ports:
                if port.index == index and not carries:
                    self._lost(port, "is down")
        self._look()

    def _look(self) -> None:
        """Look at every interface, listen to those that came back, and read the kernel's counters."""
        self._looked_at = time.monotonic()
        self._packets.count()
        changed = False
        for port in self._ports:
            found = look(self._packets.socket, port.name)
            index = found.index if found else 0
            if index != port.index:
                self._lost(port, "is gone")
                port.index = index
                changed = True
            if found is None or not found.carries:
                self._lost(port, "is down")
            elif port.away_since is not None:
                self._found(port)
        if changed:
            self._tune()

    def _lost(self, port: _Port, how: str) -> None:
        if port.away_since is None:
            port.away_since = time.monotonic()
            self.gaps += 1
            self._say(f"{port.name}: {how}; its frames are missing until it is back")

    def _found(self, port: _Port) -> None:
        if port.away_since is not None:
            seconds = time.monotonic() - port.away_since
            port.away_since = None
            self.gap_s += seconds
            self._say(f"{port.name}: is up after {seconds:.1f} s")

    def _tune(self) -> None:
        """Listen to the interfaces that are there, by their numbers of now."""
        there = [port for port in self._ports if port.index]
        for port in there:
            try:
                self._packets.hear_all(port.index)
            except OSError:  # gone again: the next look sees it
                port.index = 0
        self._packets.listen(
            {port.index for port in there if port.index}, own={port.index for port in there if port.index and port.own}
        )

    def _port(self, name: str, *, own: bool) -> _Port:
        """Return the interface *name* as it is at the start; say what the operator should know of it."""
        probe = self._packets.socket
        found = look(probe, name)
        if found is None:
            there = ", ".join(sorted(name for _, name in socket.if_nameindex()))
            raise NoSuchInterfaceError(f"{name}: is no interface of this machine; name one of: {there}")
        if link_type(found.hardware) < 0:
            raise TapError(
                f"{name}: frames of hardware type {found.hardware} cannot be read; "
                "name an Ethernet, loopback or tun interface"
            )
        self._advise(name, found, own=own)
        # On loopback each frame that is sent comes in again: taken in both directions it would count twice.
        port = _Port(name=name, own=own and not found.loops, index=found.index, away_since=None)
        if not found.carries:
            port.away_since = time.monotonic()
            self._say(f"{name}: is down; its frames come as soon as it is up")
        return port

    def _advise(self, name: str, found: Interface, *, own: bool) -> None:
        probe = self._packets.socket
        if not own and not found.loops and has_address(probe, name):
            self._say(f"{name}: has an address of this machine; what this machine sends through it is not seen")
        if not found.loops and joins_packets(probe, name):
            self._say(
                f"{name}: joins packets before they are counted; "
                f"`ethtool -K {name} gro off lro off` leaves them as they were sent"
            )


def _named(interfaces: Sequence[str], own: Collection[str]) -> list[str]:
    """Return the names, each once."""
    names = list(dict.fromkeys(interfaces))
    if not names:
        raise TapError("no interface is named; name at least one")
    if len(names) > MAX_INTERFACES:
        raise TapError(f"{len(names)} interfaces are named; one tap takes {MAX_INTERFACES} at most")
    if strangers := sorted(set(own) - set(names)):
        raise TapError(f"{', '.join(strangers)}: is marked as this machine's own, but is not captured; name it as well")
    return names
