"""What several processes saw of a tap in, flow events out: one memory of DNS answers, one knowledge of devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.devices import Devices
from collector.flows import CAPACITY
from collector.meter import Meter
from collector.names import DnsMemory
from collector.periods import Periods
from collector.tables import Tables, overflows
from collector.told import ToldAnswer, flow_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.events import FlowEvent
    from collector.pseudonyms import Pseudonyms
    from collector.segments import Network
    from collector.spread_tap import Portion, SpreadTap


class JointWatch:
    """Gives the events that one process alone would give.

    Args:
        tap: counts what was not read.
        sensor: name of this collector.
        network: the network file.
        pseudonyms: names devices.
    """

    def __init__(self, tap: SpreadTap, *, sensor: str, network: Network, pseudonyms: Pseudonyms) -> None:
        self._tap = tap
        self._devices = Devices(Periods(network.time_zone))
        self._names = DnsMemory()
        self.meter = Meter(
            sensor=sensor, network=network, pseudonyms=pseudonyms, devices=self._devices, names=self._names
        )

    @property
    def skipped(self) -> dict[str, int]:
        """Frames that count to no flow, by reason."""
        return self._tap.skipped

    @property
    def tables(self) -> Tables:
        """How full the tables are, and what they had to let go; of several of a kind the fullest counts."""
        newest = self._tap.newest
        fullest = max(newest, key=lambda report: report.flows_live, default=None)
        return Tables(
            flows=fullest.flows_live if fullest else 0,
            flows_capacity=CAPACITY,
            answers=self._names.taken,
            openings=max((report.openings_taken for report in newest), default=0.0),
            overflows=overflows(
                flows=sum(report.flows_evicted for report in newest),
                openings=self.affected.get("openings_shed", 0),
                memory=self._names,
                devices=self._devices,
            ),
        )

    @property
    def affected(self) -> dict[str, int]:
        """What went wrong or met a bound while openings were read, by reason (`OpeningCounters`)."""
        return self._tap.affected

    def observe(self, portion: Portion) -> list[FlowEvent]:
        """Take in what was seen, and return the events of the flows and parts that ended."""
        events = []
        for process, told in portion.told:
            if isinstance(told, ToldAnswer):
                device = self._devices.key(told.mac, told.client, told.at_ns)
                self._names.learn(device, told.name, told.chain, told.addresses, told.ttl_s, told.at_ns)
            else:
                # Each process counts its own flows; an ordinal means one flow, and an id is made of it.
                told.ordinal = told.ordinal * self._tap.processes + process
                events.append(self.meter.event(flow_of(told)))
        return events

    def advance(self, _now_ns: int) -> list[FlowEvent]:
        """Let time pass: the processes have done so already."""
        return []

    def finish(self) -> Iterator[list[FlowEvent]]:
        """Yield nothing: the processes have ended every flow."""
        yield []
