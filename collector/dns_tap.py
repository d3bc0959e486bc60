"""Learns from a tap's own frames what devices were answered by resolvers, for flows that another sensor tells."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from collector.flows import FlowTable
from collector.opening import Openings

if TYPE_CHECKING:
    from collector.flow import Flow
    from collector.frames import FrameBlock
    from collector.names import DnsMemory


class DnsTap:
    """Reads look-ups out of frames; the flows in them are counted by nobody.

    Args:
        memory: learns the answers. A device is its address: what tells the flows knows no MAC address.
    """

    def __init__(self, memory: DnsMemory) -> None:
        seed = int.from_bytes(os.urandom(8), "big")
        self._table = FlowTable(Openings(memory, device_key=_by_address), seed=seed, taker=_forget)

    def observe(self, block: FrameBlock) -> None:
        """Take frames in."""
        self._table.observe(block)

    def advance(self, now_ns: int) -> None:
        """Let time pass, nanoseconds since the epoch."""
        self._table.advance(now_ns)


def _by_address(mac: bytes | None, address: bytes, at_ns: int, /) -> bytes:  # noqa: ARG001 -- what is asked for elsewhere
    return b"a" + address


def _forget(flow: Flow) -> None:
    """Let a flow go."""
