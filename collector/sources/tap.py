"""Opens live interfaces in the way that this system has: a ring of the kernel on Linux, scapy elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from collector.frames import FrameBlock


class Tap(Protocol):
    """Frames of live interfaces. A block comes at least ten times a second, if need be with no frame in it."""

    packets: int
    """Frames delivered so far."""
    gaps: int
    """Times that an interface went away."""
    reached_ns: int
    """All frames seen before this time (nanoseconds since the epoch) have been delivered."""

    @property
    def dropped(self) -> int | None:
        """Frames that were lost because they were not read fast enough. None: this system does not tell."""

    @property
    def away(self) -> tuple[str, ...]:
        """Interfaces from which no frame can come now."""

    def __iter__(self) -> Iterator[FrameBlock]:
        """Yield blocks; each is filled anew when the next one is asked for."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def stop(self) -> None:
        """End the iteration soon."""

    def close(self) -> None:
        """Give up the interfaces."""


def open_tap(interfaces: Sequence[str], *, own: Collection[str] = (), say: Callable[[str], None]) -> Tap:
    """Open the interfaces; *own* and *say* as in LiveCapture.

    Raises:
        TapError: they cannot be captured.
    """
    if sys.platform != "linux":
        from collector.sources.scapy_live import ScapyCapture  # noqa: PLC0415 -- one half of a choice

        return ScapyCapture(interfaces, say=say)
    from collector.sources.live import LiveCapture  # noqa: PLC0415 -- the other; its system calls exist on Linux alone

    return LiveCapture(interfaces, own=own, say=say)
