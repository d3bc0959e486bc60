"""How full the tables of a watch are, and what they had to let go: each is bounded, and a bound that is met is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.devices import Devices
    from collector.names import DnsMemory

OVERFLOWING = ("answers", "flows", "macs", "openings")
"""The closed set of the label `reason` of what was let go before its time.

`answers`: DNS answers, or the devices that got them; `flows`: open flows, which end early and lose nothing; `macs`:
link addresses of a day, whose devices are told apart by address; `openings`: first octets that waited for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of one watch, or of several that read one tap."""

    flows: int
    """Open flows."""
    flows_capacity: int
    """Flows that there is room for."""
    answers: float
    """Share of the room for DNS answers, or for the devices that got them, that is taken."""
    openings: float
    """Share of the room for first octets that wait for more that is taken, about."""
    ring_octets: int = 0
    """Octets of the capture rings; 0: there are none."""
    rings_grown: int = 0
    """Times that a ring was replaced by a larger one."""
    overflows: dict[str, int]
    """What was let go to make room since the start, by table (`OVERFLOWING`)."""


def overflows(*, flows: int, openings: int, memory: DnsMemory, devices: Devices) -> dict[str, int]:
    """Return what was let go, by table."""
    answers = memory.devices_forgotten + memory.names_forgotten + memory.histories_cut
    return {"answers": answers, "flows": flows, "macs": devices.macs_dropped, "openings": openings}
