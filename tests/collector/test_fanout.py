"""collector/sources/fanout.py: what the kernel is told. tests/system/test_tap_rings.py has it do so to real frames."""

from __future__ import annotations

import struct

from collector.sources.fanout import spreading

CLASS, MODE = 0x07, 0xE0
"""Parts of an instruction's code (linux/filter.h)."""
LOAD, BY_OFFSET = 0x00, 0x20
NETWORK = 0xFFF00000
"""Where offsets begin that count from the network header."""


def looks(lanes: int, *, moved: dict[int, int] | None = None) -> list[int]:
    """Return the offsets at which the program looks into a frame."""
    program = struct.iter_unpack("=HBBI", spreading(lanes, multiplier=0x9E3779B1, moved=moved or {}))
    return [offset for code, _, _, offset in program if code & CLASS == LOAD and code & MODE == BY_OFFSET]


def test_one_socket_gets_every_frame_without_a_look_into_it() -> None:
    assert looks(1) == []
    assert looks(1, moved={0: 1}) == []


def test_several_sockets_share_frames_by_their_addresses() -> None:
    assert {NETWORK + 12, NETWORK + 16} <= set(looks(2))
