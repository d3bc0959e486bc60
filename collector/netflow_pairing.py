"""Makes flows of what exporters tell: mostly one record for each direction, and one more every few minutes.

Time is that of the exporters; it comes in with the records and is never read here.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from collector.sensor_records import SensorFlow

if TYPE_CHECKING:
    from collector.events import App, End

MAX_HALVES = 65_536
"""Directions whose opposite has not come; one more makes the oldest go alone."""
MAX_LONG = 65_536
"""Flows of which a further part may come."""
# Exporters that keep one entry for both directions send the two records in one datagram or the next; routers that keep
# one for each send them within a few seconds of each other at the end, and apart in between.
PAIR_WAIT_S = 30
"""Exporter's time for which a direction waits for its opposite."""
PART_GAP_S = 180
"""A record that begins later after the one before it, on the same addresses and ports, is another flow."""
_S = 1_000_000_000
_PAIR_WAIT_NS = PAIR_WAIT_S * _S
_PART_GAP_NS = PART_GAP_S * _S
# The ports say it: exporters see no payload. Look-ups must not count as flows to a product.
_APPS: dict[int, App] = {53: "dns", 853: "dot"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """One direction of a flow, or both where the exporter tells both at once."""

    source: bytes
    """Address of who sent these octets."""
    target: bytes
    """Address of who got them."""
    source_port: int
    """Port of the source."""
    target_port: int
    """Port of the target."""
    proto: Literal["tcp", "udp"]
    """Transport protocol."""
    started_ns: int
    """First packet, nanoseconds since the epoch."""
    ended_ns: int
    """Last packet."""
    octets: int
    """Octets at the IP layer, as the exporter counted them."""
    packets: int
    """Packets."""
    octets_back: int
    """Octets of the other direction; 0 where a record of its own tells them."""
    packets_back: int
    """Packets of the other direction."""
    both: bool
    """The record tells both directions: no other is waited for."""
    certain: bool
    """The exporter says that the source opened the connection."""
    vlan: int | None
    """802.1Q id; None: not told."""
    end: End
    """Why the record was sent."""
    ordinal: int
    """Where the record stands in what its exporter sent."""
    leaving: bool = False
    """The exporter counted this when it sent it on, and not when it came in."""


class _Key(NamedTuple):
    low: tuple[bytes, int]
    high: tuple[bytes, int]
    proto: str


class _Long(NamedTuple):
    ordinal: int
    part: int
    ended_ns: int


class Pairing:
    """Joins directions to flows, and numbers the parts of long ones."""

    def __init__(self) -> None:
        self.halves_cut = 0
        """Directions that went alone because too many waited."""
        self.single = 0
        """Directions whose opposite did not come in time; if it comes later it counts as a part of its own."""
        self.reached_ns = 0
        """Latest time that an exporter gave."""
        self._halves: OrderedDict[_Key, tuple[int, Half]] = OrderedDict()
        self._long: OrderedDict[_Key, _Long] = OrderedDict()

    def take(self, half: Half, *, at_ns: int) -> list[SensorFlow]:
        """Take in one record sent at *at_ns*, and return the flows that are whole, or must be."""
        self.reached_ns = max(self.reached_ns, at_ns)
        ready: list[SensorFlow] = []
        self._let_go(ready)
        key = _key(half)
        if half.both:
            ready.append(self._flow(key, half, None))
            return ready
        known = self._halves.pop(key, None)
        if known is not None and known[1].source == half.source and known[1].source_port == half.source_port:
            # The same direction again: what was there goes alone.
            self.single += 1
            ready.append(self._flow(key, known[1], None))
            known = None
        if known is not None:
            ready.append(self._flow(key, known[1], half))
            return ready
        if len(self._halves) >= MAX_HALVES:
            self.halves_cut += 1
            oldest, (_, alone) = self._halves.popitem(last=False)
            ready.append(self._flow(oldest, alone, None))
        self._halves[key] = (self.reached_ns + _PAIR_WAIT_NS, half)
        return ready

    def finish(self) -> list[SensorFlow]:
        """Return all that still waits."""
        ready: list[SensorFlow] = []
        while self._halves:
            key, (_, half) = self._halves.popitem(last=False)
            self.single += 1
            ready.append(self._flow(key, half, None))
        return ready

    def _let_go(self, ready: list[SensorFlow]) -> None:
        while self._halves and next(iter(self._halves.values()))[0] <= self.reached_ns:
            key, (_, half) = self._halves.popitem(last=False)
            self.single += 1
            ready.append(self._flow(key, half, None))

    def _flow(self, key: _Key, half: Half, other: Half | None) -> SensorFlow:
        flow = _joined(half, other)
        before = self._long.pop(key, None)
        if before is not None and -_PART_GAP_NS <= flow.started_ns - before.ended_ns <= _PART_GAP_NS:
            flow = replace(flow, ordinal=before.ordinal, part=before.part + 1)
        if flow.end not in ("fin", "rst"):
            if len(self._long) >= MAX_LONG:
                self._long.popitem(last=False)
            self._long[key] = _Long(flow.ordinal, flow.part, flow.ended_ns)
        return flow


def _key(half: Half) -> _Key:
    ends = sorted(((half.source, half.source_port), (half.target, half.target_port)))
    return _Key(ends[0], ends[1], half.proto)


def _joined(half: Half, other: Half | None) -> SensorFlow:
    """Return the flow of one direction and, if it came, its opposite."""
    octets_back = half.octets_back + (other.octets if other else 0)
    packets_back = half.packets_back + (other.packets if other else 0)
    octets = half.octets + (other.octets_back if other else 0)
    packets = half.packets + (other.packets_back if other else 0)
    # Who opened it is not told: whoever has the higher port, for now; the district's network file may know better.
    forward = half.certain or not (half.source_port < half.target_port)
    if half.source_port == half.target_port and other is not None and not half.certain:
        forward = half.started_ns <= other.started_ns
    up, down = ((octets, packets), (octets_back, packets_back)) if forward else (
        (octets_back, packets_back), (octets, packets)
    )  # fmt: skip
    ends = {half.end} if other is None else {half.end, other.end}
    server_port = half.target_port if forward else half.source_port
    return SensorFlow(
        key=None,
        client=half.source if forward else half.target,
        server=half.target if forward else half.source,
        client_port=half.source_port if forward else half.target_port,
        server_port=server_port,
        proto=half.proto,
        started_ns=min(half.started_ns, other.started_ns) if other else half.started_ns,
        ended_ns=max(half.ended_ns, other.ended_ns) if other else half.ended_ns,
        bytes_up=up[0],
        bytes_down=down[0],
        packets_up=up[1],
        packets_down=down[1],
        payload_up=0,
        payload_down=0,
        end=next(end for end in _ENDS if end in ends),
        certain=half.certain,
        vlan=half.vlan if half.vlan is not None or other is None else other.vlan,
        mac=None,
        app=_APPS.get(server_port, "other"),
        awaits=(),
        ordinal=half.ordinal,
    )


# What weighs most comes first: while one direction goes on, so does the flow.
_ENDS: tuple[End, ...] = ("active", "rst", "fin", "evicted", "idle", "eof")
