"""Replays a capture at the speed at which it was recorded."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collector.frames import FrameBlock

NS = 1_000_000_000
PACE_FRAMES = 1_024
PACE_STEP_S = 0.1
"""A paced replay lets frames go in steps of this length, which is far below what any rule or picture shows."""


class Pace:
    """Holds a replay back to the speed at which it was recorded, or a multiple of it.

    Args:
        speed: 1: as recorded; 2: twice as fast.
        clock: seconds that only ever grow.
        wait: waits for some seconds; returns True when the replay shall not wait any more.
    """

    def __init__(
        self, speed: float, *, wait: Callable[[float], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._speed = speed
        self._clock = clock
        self._wait = wait
        self._began: tuple[float, int] | None = None

    def parts(self, block: FrameBlock) -> Iterator[FrameBlock]:
        """Yield the frames of *block* in portions, each when its time has come."""
        row = 0
        while row < block.count:
            until_ns = block.time(row) + int(PACE_STEP_S * self._speed * NS)
            part = block.portion(row, until_ns, PACE_FRAMES)
            row += part.count
            self.wait_until(block.time(row - 1))
            yield part

    def wait_until(self, at_ns: int) -> None:
        """Return when the time *at_ns* of the recording (nanoseconds since the epoch) has come."""
        now = self._clock()
        if self._began is None:
            self._began = (now, at_ns)
        began, first_ns = self._began
        delay = began + (at_ns - first_ns) / NS / self._speed - now
        # In short steps: whoever asks to stop must not wait for a pause in the recording to pass.
        while delay > 0 and not self._wait(min(delay, PACE_STEP_S)):
            delay = began + (at_ns - first_ns) / NS / self._speed - self._clock()
