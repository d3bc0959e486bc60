"""Fills the spool from captures or live interfaces, in a thread of its own; whoever sends does not hold it up."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from collector.documents import DocumentError
from collector.encoding import encode
from collector.flow_ledger import PART_S, TCP_IDLE_S
from collector.segments import load_network
from collector.spool import SpoolFullError
from collector.spooled import Progress

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from collector.events import FlowEvent
    from collector.segments import Network
    from collector.spool import Extra, Spool
    from collector.spooled import Pair

# Small enough that even the smallest spool, once it is empty, has room for what is committed at once.
COMMIT_EVENTS = 250
# What a live event waits for at most before it is on the disk.
COMMIT_EVERY_S = 0.1
LOOK_EVERY_S = 1.0
# How often a full spool is tried again.
FULL_PAUSE_S = 0.05
# An event comes when its flow has been silent for the longest time-out, and a part of a long flow may be the older one.
LATEST_EVENT_NS = (TCP_IDLE_S + PART_S) * 1_000_000_000


class Events(Protocol):
    """Batches of events, from wherever they come."""

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        """Yield them, those of a capture in an order that is the same every time."""
        ...

    def use_network(self, network: Network) -> None:
        """Place later flows by this network file."""
        ...


class Capture(Events, Protocol):
    """One capture, as a sequence of batches of events."""

    name: str
    """File name, for people."""
    sha256: str
    """Hash of its octets: the same capture is known again by it."""


class Live(Events, Protocol):
    """Live interfaces."""

    @property
    def reached_ns(self) -> int:
        """Everything that passed by before this time has been seen, nanoseconds since the epoch."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FillHooks:
    """What the surroundings want to be told."""

    say: Callable[[str], None]
    """Shows one line to a person."""
    before_append: Callable[[], None]
    """Runs before anything is spooled: whatever the events rest on (keys) must be safe first."""


class NetworkFile:
    """The network file, read again when it changes or when somebody asks; a bad one never replaces a good one."""

    def __init__(self, path: Path, *, off_schools: Collection[str] = ()) -> None:
        self._off = off_schools
        self.network = load_network(path, off_schools=off_schools)
        self._path = path
        self._last = self._print()
        self._asked = False

    def ask(self) -> None:
        """Read again at the next look, whether anything changed or not."""
        self._asked = True

    def look(self) -> Network | None:
        """Return the network when the file changed, None when it did not.

        Raises:
            DocumentError: the new file is wrong; told once for each change.
        """
        now = self._print()
        if now == self._last and not self._asked:
            return None
        self._last, self._asked = now, False
        self.network = load_network(self._path, off_schools=self._off)
        return self.network

    def _print(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return (0, -1)
        return (status.st_mtime_ns, status.st_size)


class Filler:
    """Puts events into a spool, each batch together with how far its capture is read.

    Args:
        spool: the queue.
        stop: set by whoever wants it to end soon.
        network: noticed when it changes.
        hooks: the surroundings.
    """

    def __init__(self, spool: Spool, *, stop: threading.Event, network: NetworkFile, hooks: FillHooks) -> None:
        self._spool = spool
        self._stop = stop
        self._network = network
        self._hooks = hooks
        self._looked = time.monotonic()

    def take(self, source: Capture) -> bool:
        """Spool all of *source*, or what an earlier run left of it; return False when stopped before its end."""
        before = self._spool.progress(source.sha256)
        if before is not None and before.finished:
            self._hooks.say(f"{source.name}: collected before ({before.events:,} events); skipped")
            return True
        skip = before.events if before else 0
        if skip:
            self._hooks.say(f"{source.name}: an earlier run stopped after {skip:,} events; going on from there")
        pending: list[Pair] = []
        done, last, committed_at = 0, "", time.monotonic()
        for batch in _portions(source.batches()):
            pending += self._watched(batch[max(0, skip - done) :])
            done += len(batch)
            last = max([last, *(event.ended_at for event in batch)])
            due = len(pending) >= COMMIT_EVENTS or time.monotonic() - committed_at >= COMMIT_EVERY_S
            if pending and (due or self._stop.is_set()):
                progress = _progress(source, events=done, finished=False)
                if not self._append(
                    pending, {"progress": progress, "through_ns": _nanoseconds(last) - LATEST_EVENT_NS}
                ):
                    return False
                pending, committed_at = [], time.monotonic()
            if self._stop.is_set():
                return False
            self._look(source)
        progress = _progress(source, events=max(done, skip), finished=True)
        through = _nanoseconds(last) if last else None
        return self._append(pending, {"progress": progress, "through_ns": through, "end": True})

    def follow(self, source: Live) -> bool:
        """Spool what *source* gives for as long as it gives anything; whoever stops it stops this.

        Return whether all of it was kept.
        """
        pending: list[Pair] = []
        kept = True
        committed_at = time.monotonic()
        for batch in _portions(source.batches()):
            pending += self._watched(batch)
            if len(pending) >= COMMIT_EVENTS or time.monotonic() - committed_at >= COMMIT_EVERY_S:
                through = source.reached_ns - LATEST_EVENT_NS
                if pending:
                    kept = self._append_live(pending, through_ns=through) and kept
                else:
                    self._spool.reach(through)
                pending, committed_at = [], time.monotonic()
            self._look(source)
        if pending:
            kept = self._append_live(pending, through_ns=None) and kept
        return kept

    def _watched(self, events: Sequence[FlowEvent]) -> list[Pair]:
        """Return the pairs of *events*, those of schools that are off left out, wherever they come from."""
        off = self._network.network.off_schools
        return _pairs([event for event in events if event.school not in off] if off else events)

    def _append_live(self, pairs: list[Pair], *, through_ns: int | None) -> bool:
        kept = self._append(pairs, {"through_ns": through_ns})
        if not kept:
            self._hooks.say(f"the spool is full and its rule is to stop: {len(pairs):,} events were not kept")
        return kept

    def _append(self, pairs: list[Pair], extra: Extra) -> bool:
        """Append, waiting for room where nothing may be dropped; return False when stopped while waiting."""
        self._hooks.before_append()
        waiting = False
        while True:
            try:
                self._spool.append(pairs, **extra)
            except SpoolFullError as full:
                if not waiting:
                    self._hooks.say(f"{full}; waiting until the broker has taken something")
                waiting = True
                if self._stop.wait(FULL_PAUSE_S):
                    return False
            else:
                return True

    def _look(self, source: Events) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        try:
            network = self._network.look()
        except DocumentError as error:
            for problem in error.problems:
                self._hooks.say(str(problem))
            self._hooks.say("the changed network file has problems; going on with what was read before")
            return
        if network is not None:
            source.use_network(network)
            self._hooks.say("network file read again")


def _portions(batches: Iterator[Sequence[FlowEvent]]) -> Iterator[Sequence[FlowEvent]]:
    """Cut long batches; the end of a capture may bring tens of thousands of events at once."""
    for batch in batches:
        yield batch[:COMMIT_EVENTS]
        for at in range(COMMIT_EVENTS, len(batch), COMMIT_EVENTS):
            yield batch[at : at + COMMIT_EVENTS]


def _pairs(events: Sequence[FlowEvent]) -> list[Pair]:
    return [((event.device or "").encode(), encode(event)) for event in events]


def _progress(source: Capture, *, events: int, finished: bool) -> Progress:
    return Progress(sha256=source.sha256, name=source.name, events=events, finished=finished)


def _nanoseconds(stamp: str) -> int:
    """Return a time of a flow event as nanoseconds since the epoch, to the microsecond."""
    return int(datetime.fromisoformat(stamp).timestamp() * 1_000_000) * 1_000
