"""Other sensors as a live input: their logs while they grow, NetFlow as it comes; events until somebody says stop."""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.dns_tap import DnsTap
from collector.log_joining import WAIT_S
from collector.refused import Refused
from collector.sensor_events import RecordMeter
from collector.sensor_records import Answer, RecordError
from collector.sources.sensor_log import record_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from collector.events import FlowEvent
    from collector.frames import FrameBlock
    from collector.places import PlaceBook
    from collector.pseudonyms import Pseudonyms
    from collector.segments import Network
    from collector.sensor_records import Kind, Record
    from collector.sources.followed_file import FollowedFile, Place
    from collector.sources.netflow_listener import NetflowListener
    from collector.sources.sensor_log import LineLog
    from collector.sources.tap import Tap

IDLE_S = 0.1
"""How long a round waits when nothing was written: events come at least so often, if need be none."""
QUIET_S = 15.0
"""When nothing was written for so long, nothing more is waited for: a sensor's buffers are written out every second."""
PORTION = 1_000
"""Records taken in one round."""
SHOW_EVERY_S = 0.5
"""How often the counters are shown."""
# A sensor logs a flow when its own time-out for silent ones has passed (Suricata: 600 s), and looks at times only.
LATEST_NS = 900 * 1_000_000_000
"""How much older than the newest record a flow may be when it is logged."""
OVERDUE_NS = 7_200 * 1_000_000_000
"""A sensor that has written nothing for so long holds nothing back any more: time goes on without it."""
PLACES_EVERY_S = 2.0
"""How often the places of the logs are written down, once what was read up to there is surely kept."""
# Whoever takes events keeps them at the latest when it asks for the second batch after them.
_ROUNDS_KEPT = 3
_WAIT_NS = WAIT_S * 1_000_000_000


@dataclass(slots=True, kw_only=True)
class FollowedLog:
    """One growing file, and how it is read."""

    file: FollowedFile
    """The file."""
    log: LineLog
    """Reads its lines."""
    answers_only: bool
    """Only the look-ups in it are wanted: something else tells the flows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """What a live input looks through. Whoever made them closes them."""

    logs: Sequence[FollowedLog] = ()
    """Logs that grow."""
    awaited: frozenset[Kind] = frozenset()
    """Kinds of record that come from another file than the flows do."""
    by_mac: bool = False
    """Flows and look-ups both tell MAC addresses."""
    netflow: NetflowListener | None = None
    """Datagrams of exporters."""
    tap: Tap[FrameBlock] | None = None
    """Frames, for the look-ups in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Milestone:
    round: int
    at_s: float
    log_ns: int
    places: Mapping[str, Place]


class _Queue:
    """The records of one log that are read and not taken yet."""

    def __init__(self, followed: FollowedLog, refused: Refused) -> None:
        self.followed = followed
        self.clock = 0
        self.records: deque[tuple[int, tuple[Record, ...], bool]] = deque()
        self._refused = refused

    def fill(self) -> bool:
        """Read a portion of lines; return whether there was one."""
        file = self.followed.file
        lines = file.lines()
        for line in lines:
            if not line.octets or line.octets.isspace():
                continue
            try:
                records = self.followed.log.read(line.octets, at=line.at)
            except RecordError as error:
                if not line.known:
                    self._refused.add(file.name, line=line.number, what=str(error))
                continue
            if records:
                self.clock = max(self.clock, *map(record_ns, records))
                self.records.append((self.clock, records, line.known))
        return bool(lines)


class SensorInput:
    """The flow events that other sensors tell as they see them.

    Args:
        eyes: what is looked through.
        places: where it is kept how far the logs are read.
        sensor: name of this collector.
        network: the network file.
        pseudonyms: names devices.
        show: called twice a second, events or none, in the thread that reads.
        say: told in one sentence what an operator should know.
    """

    def __init__(
        self,
        eyes: Eyes,
        *,
        places: PlaceBook,
        sensor: str,
        network: Network,
        pseudonyms: Pseudonyms,
        show: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.refused = Refused()
        self._eyes = eyes
        self._places = places
        self._show = show
        self._say = say
        self._records = RecordMeter(
            sensor=sensor, network=network, pseudonyms=pseudonyms, awaited=eyes.awaited, by_mac=eyes.by_mac
        )
        self._queues = [_Queue(each, self.refused) for each in eyes.logs]
        self._frames: Iterator[FrameBlock] | None = iter(eyes.tap) if eyes.tap is not None else None
        self._dns_tap = DnsTap(self._records.memory)
        self._stop = threading.Event()
        self._wrote_at = time.monotonic()
        self._milestones: deque[_Milestone] = deque()
        self._told = 0

    def stop(self) -> None:
        """End the iteration soon. May be called from anywhere."""
        self._stop.set()
        if self._eyes.tap is not None:
            self._eyes.tap.stop()

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        """Yield events at least ten times a second, if need be none; at the end those of all flows that waited."""
        shown_at = time.monotonic()
        rounds = 0
        while not self._stop.is_set():
            events = self._round()
            rounds += 1
            self._note_places(rounds)
            yield events
            if time.monotonic() - shown_at >= SHOW_EVERY_S:
                self._show()
                self._tell_refused()
                shown_at = time.monotonic()
        yield self._rest()
        self._show()

    def settle(self) -> None:
        """Write down how far the logs are read: everything that was given out is kept."""
        self._places.save(self._now_places())

    def use_network(self, network: Network) -> None:
        """Place later flows by this network file."""
        self._records.meter.network = network

    @property
    def reached_ns(self) -> int:
        """Every flow that ended before this time has been told, or its sensor is silent and two hours behind."""
        now_ns = time.time_ns()
        told_ns = max(0, min(self._records.joiner.reached_ns, now_ns) - LATEST_NS)
        # While there is something to read, time is that of the logs, however old they are.
        return max(told_ns, now_ns - OVERDUE_NS) if self._quiet else told_ns

    @property
    def packets(self) -> int:
        """Packets that the sensors counted."""
        return self._records.packets

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets that no flow counts, by reason."""
        return {"neither TCP nor UDP": sum(each.followed.log.packets_of_others for each in self._queues)}

    @property
    def losses(self) -> dict[str, int]:
        """What is missing, was refused, or met a bound, by reason."""
        told = {
            **self._records.losses,
            "log_malformed": self.refused.count,
            "log_gap": sum(each.followed.file.gaps for each in self._queues),
        }
        return told | (self._eyes.netflow.losses if self._eyes.netflow is not None else {})

    @property
    def _quiet(self) -> bool:
        return time.monotonic() - self._wrote_at >= QUIET_S

    def _round(self) -> list[FlowEvent]:
        """Take what there is, or wait a moment where there is nothing."""
        # Asked first and taken last: a look-up that was written before a flow was told names it.
        told = self._eyes.netflow.take() if self._eyes.netflow is not None else ()
        events = self._take_logs()
        waited = self._take_frames() if self._frames is not None else False
        for flow in told:
            events += self._records.take(flow)
            self._wrote_at = time.monotonic()
        if self._quiet:
            events += self._records.finish()
        if not events and not waited and not any(each.records for each in self._queues):
            self._wait()
        return events

    def _take_logs(self) -> list[FlowEvent]:
        """Take a portion of records, always of that log which has got least far."""
        events: list[FlowEvent] = []
        for each in self._queues:
            if not each.records:
                self._fill(each)
        for _ in range(PORTION):
            queue = self._least_far()
            if queue is None:
                break
            events += self._take_next(queue)
            if not queue.records:
                self._fill(queue)
        return events

    def _rest(self) -> list[FlowEvent]:
        """Take what was read and not taken, and wait for nothing more."""
        events: list[FlowEvent] = []
        while (queue := self._least_far()) is not None:
            events += self._take_next(queue)
        if self._eyes.netflow is not None:
            for flow in self._eyes.netflow.finish():
                events += self._records.take(flow)
        return events + self._records.finish()

    def _fill(self, queue: _Queue) -> None:
        if queue.fill():
            self._wrote_at = time.monotonic()

    def _least_far(self) -> _Queue | None:
        due = [each for each in self._queues if each.records]
        return min(due, key=lambda each: each.records[0][0]) if due else None

    def _take_next(self, queue: _Queue) -> list[FlowEvent]:
        _, records, known = queue.records.popleft()
        take = self._records.learn if known else self._records.take
        events: list[FlowEvent] = []
        for record in records:
            if not queue.followed.answers_only or isinstance(record, Answer):
                events += take(record)
        return events

    def _take_frames(self) -> bool:
        """Read the look-ups in a block of frames; return whether that took a while, as it does when none come."""
        assert self._frames is not None  # noqa: S101 -- only asked with a tap
        block = next(self._frames, None)
        if block is None:
            self._frames = None
            return False
        if block.count:
            self._dns_tap.observe(block)
        if self._eyes.tap is not None:
            self._dns_tap.advance(self._eyes.tap.reached_ns)
        return True

    def _wait(self) -> None:
        if self._eyes.netflow is not None:
            select.select([self._eyes.netflow], [], [], IDLE_S)
        else:
            self._stop.wait(IDLE_S)

    def _now_places(self) -> dict[str, Place]:
        found = {each.followed.file.name: each.followed.file.place for each in self._queues}
        return {name: place for name, place in found.items() if place is not None}

    def _note_places(self, rounds: int) -> None:
        """Write places down once everything that was read up to them was given out, and surely kept.

        A milestone is set where all that was read is taken. It is reached when no flow waits any more that waited then.
        """
        if not self._queues:
            return
        now = time.monotonic()
        since_ns = self._records.joiner.waiting_since_ns
        reached: _Milestone | None = None
        while self._milestones:
            first = self._milestones[0]
            old = rounds - first.round >= _ROUNDS_KEPT and now - first.at_s >= PLACES_EVERY_S
            if not old or (since_ns is not None and since_ns <= first.log_ns):
                break
            reached = self._milestones.popleft()
        if reached is not None:
            self._places.save(reached.places)
        if any(each.records for each in self._queues):
            return
        if not self._milestones or now - self._milestones[-1].at_s >= PLACES_EVERY_S:
            log_ns = self._records.joiner.reached_ns
            self._milestones.append(_Milestone(round=rounds, at_s=now, log_ns=log_ns, places=self._now_places()))

    def _tell_refused(self) -> None:
        for problem in self.refused.problems[self._told :]:
            self._say(str(problem))
        self._told = len(self.refused.problems)
