"""A paced replay lets each frame go when its time has come, and none before."""

from __future__ import annotations

import pytest

from collector.frames import FrameBlock
from collector.pace import Pace

SECOND = 1_000_000_000


class Clock:
    """A clock that only moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False


def block(*times_s: float) -> FrameBlock:
    frames = FrameBlock(capacity=max(1, len(times_s)))
    frames.clear(memoryview(b"abcd" * len(times_s)))
    for number, at in enumerate(times_s):
        assert frames.add(4 * number, 4, 60 + number, int(at * SECOND), 1)
    return frames


@pytest.mark.parametrize("speed", [0.5, 1.0, 10.0])
def test_frames_leave_when_their_time_has_come_at_every_speed(speed: float) -> None:
    clock = Clock()
    pace = Pace(speed, wait=clock.wait, clock=lambda: clock.now)
    left = []
    for part in pace.parts(block(0, 0.05, 1, 3.5)):
        left += [(time_ns / SECOND, clock.now - 100) for _octets, _wire, time_ns, _link in part.rows()]
    assert [recorded for recorded, _ in left] == [0, 0.05, 1, 3.5]
    for recorded, passed in left:
        assert passed == pytest.approx(recorded / speed, abs=0.11)


def test_every_frame_comes_once_in_order_with_its_octets_and_length() -> None:
    clock = Clock()
    whole = block(*[number / 7 for number in range(5_000)])
    rows = [row for part in Pace(1000, wait=clock.wait, clock=lambda: clock.now).parts(whole) for row in part.rows()]
    assert rows == list(whole.rows())


def test_a_second_block_goes_on_where_the_first_ended() -> None:
    clock = Clock()
    pace = Pace(1, wait=clock.wait, clock=lambda: clock.now)
    list(pace.parts(block(0, 2)))
    list(pace.parts(block(10)))
    assert clock.now - 100 == pytest.approx(10, abs=0.11)


def test_who_does_not_want_to_wait_any_more_gets_the_rest_at_once() -> None:
    clock = Clock()
    pace = Pace(1, wait=lambda _seconds: True, clock=lambda: clock.now)
    assert sum(part.count for part in pace.parts(block(0, 3600, 7200))) == 3
    assert clock.now == 100.0
