"""Fetches what a packet will be counted to while the packets before it are still being counted.

Flows are looked up at random in memory that no cache close to the processor holds: waiting for it takes longer than all
else that is done to a packet. Nothing that is said here changes a result; a frame that is not guessed right is waited
for. Not compiled: compiled code has foresight.pxd, and uncompiled code would gain nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collector.dissect.frame import Frame
    from collector.flow_slots import Slots


def approach(slots: Slots, slot: int, opened: list[Any]) -> None:
    """Ask for what ends after the flow in *slot*, if its list ends in order."""


def touch(octets: memoryview, at: int) -> None:
    """Ask for the octets around *at*."""


def foresee(slots: Slots, frame: Frame, at: int, row: int) -> None:
    """Ask for the place in the index where the flow of the frame at *at*, the *row*th, is to be found."""


def fetch(slots: Slots, row: int) -> None:
    """Ask for the record to which that place, asked for some rows before, leads."""
