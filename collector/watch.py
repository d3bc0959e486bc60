"""Frames in, flow events out: wires flow table, openings, memory of DNS answers and meter, and decides nothing."""

from __future__ import annotations

import os
from datetime import UTC
from typing import TYPE_CHECKING, Generic, TypeVar

from collector.devices import Devices
from collector.flows import CAPACITY, FlowTable
from collector.meter import Meter
from collector.names import DnsMemory
from collector.opening import Openings
from collector.periods import Periods
from collector.pseudonyms import KeyRing, Pseudonyms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collector.events import FlowEvent
    from collector.flow import Flow
    from collector.frames import FrameBlock
    from collector.segments import Network
    from collector.tables import Tables

_Given = TypeVar("_Given")
# A flow belongs to the day on which it began; an hour after that day its last parts have come.
KEY_GRACE_NS = 3_600 * 1_000_000_000
"""For so long after its period has ended a key is kept."""
# Another sensor may tell a flow two hours late.
KEY_OVERDUE_NS = 3 * KEY_GRACE_NS
"""For so long after its period has ended, by the clock, a key that an earlier run left is kept at start."""
PORTION = 1_024
"""Events given out at one time when everything ends: all at once they would take more memory than all else."""


class _Sight(Generic[_Given]):
    """What one capture, or one set of interfaces, is seen through, in whatever form its events are given.

    Args:
        sensor: name of this collector.
        network: the network file; None: schools and groups stay unknown.
        pseudonyms: names devices; None: events carry addresses (lab work).
    """

    def __init__(self, *, sensor: str, network: Network | None, pseudonyms: Pseudonyms | None) -> None:
        self._devices = devices = Devices(Periods(network.time_zone if network else UTC))
        self._names = names = DnsMemory()
        # Secret, so that nobody can choose addresses that all fall on one place of the table.
        seed = int.from_bytes(os.urandom(8), "big")
        self.meter = Meter(sensor=sensor, network=network, pseudonyms=pseudonyms, devices=devices, names=names)
        # An event is made at the packet that ends its flow and not at the end of a block, so that what the memory of
        # DNS answers says does not depend on how the capture happens to be read.
        self._openings = Openings(names, device_key=devices.key)
        self.table = FlowTable(self._openings, seed=seed, taker=self._taker())

    @property
    def skipped(self) -> dict[str, int]:
        """Frames that count to no flow, by reason."""
        return self.table.skipped

    @property
    def tables(self) -> Tables:
        """How full the tables are, and what they had to let go."""
        # Who only writes events down does not ask, and does not pay for it.
        from collector.tables import Tables, overflows  # noqa: PLC0415

        return Tables(
            flows=self.table.live,
            flows_capacity=CAPACITY,
            answers=self._names.taken,
            openings=self._openings.taken,
            overflows=overflows(
                flows=self.table.evicted,
                openings=self._openings.counters.openings_shed,
                memory=self._names,
                devices=self._devices,
            ),
        )

    @property
    def affected(self) -> dict[str, int]:
        """What went wrong or met a bound while openings were read, by reason (`OpeningCounters`)."""
        return self._openings.counters.told()

    @property
    def unread(self) -> str:
        """What of the names was given up because too much came at once, in words; empty: nothing."""
        told = self._openings.counters
        quic = told.quic_attempts_capped - told.quic_attempts_late
        shed = told.openings_shed
        if not quic and not shed:
            return ""
        return (
            f"too much came at once: {quic:,} QUIC hellos were not opened and {shed:,} openings were given up; "
            "their flows are counted, and have names only from DNS"
        )

    def observe(self, block: FrameBlock) -> _Given:
        """Take frames in, and return the events of the flows and parts that ended with them."""
        self.table.observe(block)
        return self._given()

    def advance(self, now_ns: int) -> _Given:
        """Let time pass (nanoseconds since the epoch), and return the events of what fell silent."""
        self.table.advance(now_ns)
        return self._given()

    def finish(self) -> Iterator[_Given]:
        """End every flow, and yield their events."""
        left = True
        while left:
            left = self.table.finish_some(PORTION)
            yield self._given()

    def _taker(self) -> Callable[[Flow], object]:
        raise NotImplementedError

    def _given(self) -> _Given:
        raise NotImplementedError


if TYPE_CHECKING:
    _EventSight = _Sight[list[FlowEvent]]
else:
    _EventSight = _Sight  # a type in quotes would be compiled at each start


class Watch(_EventSight):
    """Gives events."""

    def __init__(self, *, sensor: str, network: Network | None, pseudonyms: Pseudonyms | None) -> None:
        super().__init__(sensor=sensor, network=network, pseudonyms=pseudonyms)
        self._ready: list[FlowEvent] = []

    def _taker(self) -> Callable[[Flow], object]:
        return self._take

    def _take(self, flow: Flow) -> None:
        self._ready.append(self.meter.event(flow))

    def _given(self) -> list[FlowEvent]:
        ready, self._ready = self._ready, []
        return ready


class LineWatch(_Sight[bytes]):
    """Gives lines of JSON: for who writes events down and does nothing else with them."""

    def _taker(self) -> Callable[[Flow], object]:
        return self.meter.write

    def _given(self) -> bytes:
        return self.meter.written()


def new_pseudonyms(
    network: Network | None,
    *,
    make_key: Callable[[], bytes],
    keys: dict[str, bytes] | None = None,
    agree: Callable[[str, bytes], bytes] | None = None,
    hours: int = 24,
) -> tuple[Pseudonyms, KeyRing]:
    """Return pseudonyms for the devices of a district, and the ring of their keys; *agree* as in KeyRing."""
    ring = KeyRing(make_key, keys=keys, agree=agree)
    periods = Periods(network.time_zone if network else UTC, hours=hours)
    site = network.district if network else ""
    return Pseudonyms(ring, periods=periods, site=site), ring
