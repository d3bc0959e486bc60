"""Opens live interfaces in the way that this system has: a ring of the kernel on Linux, scapy elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from collector.sources.errors import TapError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from collector.frames import FrameBlock


_Passed_co = TypeVar("_Passed_co", covariant=True)


class Tap(Protocol[_Passed_co]):
    """What passes by on live interfaces: blocks of frames, or portions of what several processes made of them.

    One comes at least ten times a second, if need be with nothing in it.
    """

    fault: str
    """Why the watch ended though nobody asked; empty: it did not."""
    processes: int
    """How many processes read the frames."""
    reached_ns: int
    """All that was seen before this time (nanoseconds since the epoch) has been delivered."""

    @property
    def packets(self) -> int:
        """Frames read so far."""

    @property
    def dropped(self) -> int | None:
        """Frames that were lost because they were not read fast enough. None: this system does not tell."""

    @property
    def ring_octets(self) -> int:
        """Octets of the capture rings of all processes; 0: this system has none."""

    @property
    def rings_grown(self) -> int:
        """Times that a ring was replaced by a larger one."""

    def __iter__(self) -> Iterator[_Passed_co]:
        """Yield what passes by; each yield is filled anew when the next one is asked for."""

    def start(self, *, confine: Callable[[], None]) -> None:
        """Start the processes that read, where there are several; once rights are given up, before any thread.

        Args:
            confine: called in each of them before it reads: what else it must not be able to do.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def stop(self) -> None:
        """End the iteration soon."""

    def close(self) -> None:
        """Give up the interfaces."""


def open_tap(
    interfaces: Sequence[str], *, own: Collection[str] = (), processes: int = 1, say: Callable[[str], None]
) -> Tap[Any]:
    """Open the interfaces.

    Args:
        interfaces: as in LiveCapture, like `own` and `say`.
        own: those of them that carry this machine's own traffic.
        processes: how many shall read; of several, `start` must be called.
        say: told whatever an operator should know.

    Raises:
        TapError: they cannot be captured.
    """
    if processes > 1 and sys.platform != "linux":
        raise TapError("several processes read one tap on Linux alone; write `processes: 1`")
    if processes > 1:
        from collector.spread_tap import SpreadTap  # noqa: PLC0415 -- its system calls exist on Linux alone

        return SpreadTap(interfaces, own=own, processes=processes, say=say)
    return open_capture(interfaces, own=own, say=say)


def open_capture(
    interfaces: Sequence[str], *, own: Collection[str] = (), say: Callable[[str], None]
) -> Tap[FrameBlock]:
    """Open the interfaces for this process alone; as `open_tap`."""
    if sys.platform != "linux":
        from collector.sources.scapy_live import ScapyCapture  # noqa: PLC0415 -- one half of a choice

        return ScapyCapture(interfaces, say=say)
    from collector.sources.live import LiveCapture  # noqa: PLC0415 -- the other; its system calls exist on Linux alone

    return LiveCapture(interfaces, own=own, say=say)
