"""Knows octets again that one exporter counts twice: when they come in, and when they are sent on."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.netflow_pairing import Half

MAX_REMEMBERED = 65_536
"""Directions of flows that are remembered; one more makes the oldest be forgotten."""

_Key = tuple[str, bytes, int, bytes, int, str]


class Repeats:
    """Which directions of which flows an exporter has told of, and where it counted them."""

    def __init__(self) -> None:
        self.count = 0
        """Records that told again what was told before."""
        self._told: OrderedDict[_Key, tuple[bool, int]] = OrderedDict()

    def is_new(self, half: Half, *, exporter: str) -> bool:
        """Return whether these octets were not told of before.

        An exporter may mark the two directions of a flow as coming and leaving; only the same direction, counted at the
        other place in the same time, is a repeat.
        """
        key = (exporter, half.source, half.source_port, half.target, half.target_port, half.proto)
        before = self._told.pop(key, None)
        if before is not None and before[0] != half.leaving and half.started_ns < before[1]:
            # The place that was told first stays the one that counts.
            self._told[key] = before
            self.count += 1
            return False
        if len(self._told) >= MAX_REMEMBERED:
            self._told.popitem(last=False)
        self._told[key] = (half.leaving, half.ended_ns)
        return True
