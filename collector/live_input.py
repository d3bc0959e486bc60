"""Live interfaces as an input of the embedded service: events for as long as nobody asks to stop."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from collector.joint_watch import JointWatch
from collector.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from collector.events import FlowEvent
    from collector.meter import Meter
    from collector.pseudonyms import Pseudonyms
    from collector.segments import Network
    from collector.sources.tap import Tap
    from collector.spread_tap import SpreadTap
    from collector.tables import Tables


SHOW_EVERY_S = 0.5
"""How often the counters are shown while nothing else happens."""


class _Watches(Protocol):
    """What turns what a tap gives into events."""

    meter: Meter

    @property
    def skipped(self) -> Mapping[str, int]: ...

    @property
    def affected(self) -> Mapping[str, int]: ...

    @property
    def tables(self) -> Tables: ...

    def observe(self, passed: Any, /) -> list[FlowEvent]: ...

    def advance(self, now_ns: int, /) -> list[FlowEvent]: ...

    def finish(self) -> Iterator[list[FlowEvent]]: ...


class LiveInput:
    """The flow events of what passes by.

    Args:
        tap: open interfaces; the caller closes it.
        sensor: name of this collector.
        network: the network file.
        pseudonyms: names devices.
        show: called twice a second, events or none, in the thread that reads: what is lost at the tap must be seen
            even while no flow ends.
    """

    def __init__(
        self, tap: Tap[Any], *, sensor: str, network: Network, pseudonyms: Pseudonyms, show: Callable[[], None]
    ) -> None:
        self._tap = tap
        self._show = show
        self._watch: _Watches = (
            JointWatch(cast("SpreadTap", tap), sensor=sensor, network=network, pseudonyms=pseudonyms)
            if tap.processes > 1
            else Watch(sensor=sensor, network=network, pseudonyms=pseudonyms)
        )

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        """Yield events at least ten times a second, if need be none; at the end those of all flows still open."""
        shown_at = time.monotonic()
        for block in self._tap:
            events = self._watch.observe(block) if block.count else []
            # Nothing that was seen before `reached_ns` is still under way: a quiet flow is quiet up to then.
            events += self._watch.advance(self._tap.reached_ns)
            yield events
            if time.monotonic() - shown_at >= SHOW_EVERY_S:
                self._show()
                shown_at = time.monotonic()
        self._show()
        yield from self._watch.finish()

    def use_network(self, network: Network) -> None:
        """Place later flows by this network file."""
        self._watch.meter.network = network

    @property
    def reached_ns(self) -> int:
        """Everything that passed by before this time has been seen, nanoseconds since the epoch."""
        return self._tap.reached_ns

    @property
    def packets(self) -> int:
        """Packets read so far."""
        return self._tap.packets

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets that no flow counts, by reason; `kernel`: not read fast enough."""
        return {**self._watch.skipped, "kernel": self._tap.dropped or 0}

    @property
    def affected(self) -> Mapping[str, int]:
        """What went wrong or met a bound while openings were read, by reason."""
        return self._watch.affected

    @property
    def tables(self) -> Tables:
        """How full the tables and the capture rings are, and what was let go."""
        return replace(self._watch.tables, ring_octets=self._tap.ring_octets, rings_grown=self._tap.rings_grown)
