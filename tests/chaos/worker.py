"""One process of several that play rounds at the same time, each in a lane of its own."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
from pathlib import Path

from tests.chaos.lane import Lane
from tests.chaos.plan import Kind, draw
from tests.chaos.round import Outcome, play

PR_SET_PDEATHSIG = 1  # prctl(2)

_lanes: list[Lane] = []


def open_lane(folder: Path) -> None:
    """Make this process ready for rounds; everything of it lies in a folder beneath *folder*."""
    # Whoever gave us work is gone: nobody would ever end us, nor the broker (its leash is held by this process).
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    lane = Lane(folder / f"lane-{os.getpid()}")
    _lanes.append(lane)
    atexit.register(lane.close)


def play_round(*, seed: int, number: int, only: Kind | None) -> Outcome:
    """Play one round in the lane of this process."""
    return play(draw(seed=seed, number=number, only=only), lane=_lanes[0])
