"""Captures network interfaces with scapy, on systems that have no ring of their own here: macOS, the BSDs, Windows.

Slow beside the ring of Linux (hundreds of times), and it cannot tell what the system dropped. Frames are copied into
one buffer, so that the rest of the collector sees no difference. scapy is an extra that need not be installed.
"""

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING, Any, Self

from collector.frames import FrameBlock
from collector.sources.errors import NoSuchInterfaceError, TapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

QUIET_S = 0.1
"""A block comes at least this often, if need be with no frame in it."""
RETRY_S = 1.0
"""How often an interface that went away is tried again."""
BUFFER_OCTETS = 1 << 20
"""Octets of the frames of one block."""
MAX_FRAME = 262_144
"""Octets asked for of one frame."""

_NS = 1_000_000_000
_MODULES = ("scapy.config", "scapy.arch", "scapy.layers.l2", "scapy.layers.inet", "scapy.layers.inet6")


class ScapyCapture:
    """The frames of one or several interfaces. Iterate over it once.

    Args:
        interfaces: names, as scapy knows them.
        say: told in one sentence whatever an operator should know.

    Raises:
        NoSuchInterfaceError: an interface is not there.
        TapError: scapy is not installed, or may not capture.
    """

    fault = ""
    """Nothing ends this watch but who asks for it."""
    processes = 1
    """This one reads."""
    ring_octets = 0
    """There is no ring."""
    rings_grown = 0
    """There is no ring."""

    def __init__(self, interfaces: Sequence[str], *, say: Callable[[str], None] = lambda _: None) -> None:
        self.packets = 0
        """Frames delivered so far."""
        self.gaps = 0
        """Times that an interface went away while it was watched."""
        self.reached_ns = 0
        """All frames seen before this time (nanoseconds since the epoch) have been delivered."""
        self.odd = 0
        """Frames left out because nothing here knows their link type."""
        self._say = say
        self._stopped = False
        self._conf, self._refusal = _scapy()
        self._buffer = memoryview(bytearray(BUFFER_OCTETS))
        self._rest: tuple[bytes, int, int] | None = None  # a frame that found no room in the block before
        self._retry_at = 0.0
        self._sockets: dict[str, Any] = dict.fromkeys(interfaces)
        if not self._sockets:
            raise TapError("no interface is named; name at least one")
        for name in self._sockets:
            self._sockets[name] = self._open_first(name)

    @property
    def dropped(self) -> int | None:
        """None: scapy does not tell what the system dropped."""
        return None

    @property
    def away(self) -> tuple[str, ...]:
        """Interfaces from which no frame can come now."""
        return tuple(name for name, opened in self._sockets.items() if opened is None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, *, confine: Callable[[], None]) -> None:
        """Start nothing: this process reads."""

    def stop(self) -> None:
        """End the iteration with the next block. May be called from anywhere."""
        self._stopped = True

    def close(self) -> None:
        """Give up the interfaces."""
        self._stopped = True
        for name, opened in self._sockets.items():
            if opened is not None:
                opened.close()
                self._sockets[name] = None

    def __iter__(self) -> Iterator[FrameBlock]:
        """Yield blocks of frames; each is filled anew when the next one is asked for."""
        block = FrameBlock()
        while not self._stopped:
            block.clear(self._buffer)
            self._fill(block)
            self.packets += block.count
            yield block
            if self.away:
                self._return()

    def _fill(self, block: FrameBlock) -> None:
        """Put frames into *block* until it is full or `QUIET_S` have passed."""
        until = time.monotonic() + QUIET_S
        at = 0
        if self._rest:
            at = self._put(block, at, self._rest)
            self._rest = None
        while (left := until - time.monotonic()) > 0:
            opened = [one for one in self._sockets.values() if one is not None]
            if not opened:
                time.sleep(left)
                return
            for source in opened[0].select(opened, left):
                frame = self._receive(source)
                if frame is None:
                    continue
                if block.count == block.capacity or at + len(frame[0]) > BUFFER_OCTETS:
                    self._rest = frame
                    return
                at = self._put(block, at, frame)
        if not block.count:
            self.reached_ns = max(self.reached_ns, time.time_ns() - int(QUIET_S * _NS))

    def _put(self, block: FrameBlock, at: int, frame: tuple[bytes, int, int]) -> int:
        octets, time_ns, link = frame
        end = at + len(octets)
        self._buffer[at:end] = octets
        # How long a frame was that scapy cut is not known; the IP header tells what counts.
        block.add(at, len(octets), len(octets), time_ns, link)
        self.reached_ns = max(self.reached_ns, time_ns)
        return end

    def _receive(self, source: Any) -> tuple[bytes, int, int] | None:
        """Return octets, time and link type of one frame; None: there was none that can be read."""
        try:
            layer, octets, seconds = source.recv_raw(MAX_FRAME)
        except OSError as error:
            self._lost(source, error)
            return None
        if not octets:
            return None
        link = self._conf.l2types.layer2num.get(layer)
        if link is None or len(octets) > MAX_FRAME:
            self.odd += 1
            return None
        return octets, time.time_ns() if seconds is None else round(float(seconds) * _NS), link

    def _lost(self, source: Any, error: OSError) -> None:
        for name, opened in self._sockets.items():
            if opened is source:
                opened.close()
                self._sockets[name] = None
                self.gaps += 1
                self._retry_at = time.monotonic() + RETRY_S
                self._say(f"{name}: is gone ({error.strerror}); its frames are missing until it is back")

    def _return(self) -> None:
        """Try those interfaces again that are away. On some systems that takes rights that may be gone by now."""
        if time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + RETRY_S
        for name in self.away:
            try:
                self._sockets[name] = self._open(name)
            except TapError:
                continue
            self._say(f"{name}: is up again")

    def _open_first(self, name: str) -> Any:
        """Open an interface at the start; close those before it if that fails."""
        try:
            return self._open(name)
        except TapError:
            self.close()
            raise

    def _open(self, name: str) -> Any:
        there = [interface.name for interface in self._conf.ifaces.values()]
        if name not in there:
            self._conf.ifaces.reload()
            there = [interface.name for interface in self._conf.ifaces.values()]
        if name not in there:
            raise NoSuchInterfaceError(
                f"{name}: is no interface of this machine; name one of: {', '.join(sorted(there))}"
            )
        try:
            return self._conf.L2listen(iface=name, promisc=True)
        except (OSError, self._refusal) as error:
            raise TapError(f"{name}: cannot be captured ({error}); start with the right to capture") from None


def _scapy() -> tuple[Any, type[Exception]]:
    """Return scapy's configuration, with the link layers loaded that name the kinds of frames, and its own error."""
    try:
        for module in _MODULES:
            importlib.import_module(module)
    except ImportError:
        raise TapError("capturing on this system needs scapy; install it: pip install 'schoolgate[scapy]'") from None
    return importlib.import_module("scapy.config").conf, importlib.import_module("scapy.error").Scapy_Exception
