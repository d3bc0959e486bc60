"""A tap that several processes read side by side, each its share of the flows; this one puts together what they tell.

The kernel gives all that passes between two hosts to one process (collector/sources/fanout.py). What a device was
answered and what it then fetched may come to two of them: so they only read, and what they tell is put in order of time
here, before anybody asks which device it was. Linux only.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
import traceback
from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Final, NoReturn, Self

from collector.reader import Reader
from collector.sources.fanout import Fanout
from collector.sources.live import LiveCapture
from collector.told import Report, Reports, ToldAnswer, ToldFlow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from collector.sources.afpacket import RingSize

QUIET_S: Final = 0.1
"""A portion comes at least this often, if need be with nothing in it."""
SILENT_S: Final = 60.0
"""A process that tells nothing for so long, not even how far it is, hangs."""
END_S: Final = 5.0
"""A process whose listener is gone ends within a tenth of a second; one that does not is killed."""
MAX_WAITING: Final = 131_072
"""Flows and answers kept back until slower processes are as far; beyond, only those are listened to. What is not
listened to waits in its pipe, then in its ring, and is counted where that is full."""
_READ_OCTETS = 1 << 18
_FOREVER_NS = 1 << 63

Told = ToldAnswer | ToldFlow


class Portion:
    """What all processes saw up to one time, in order of time."""

    __slots__ = ("count", "told")

    def __init__(self, told: list[tuple[int, Told]]) -> None:
        self.told = told
        """The number of the process that saw it, and what it was."""
        self.count = len(told)
        """How many flows and answers."""


class _Lane:
    """One process: what it told, and where it tells."""

    def __init__(self, pid: int, pipe: socket.socket) -> None:
        self.pid = pid
        self.pipe = pipe
        self.reports = Reports()
        self.newest: Report | None = None
        self.open = True
        self.reached_ns = 0
        self.heard_at = time.monotonic()


class SpreadTap:
    """Live interfaces read by several processes. Iterate over it once, after `start`.

    Args:
        interfaces: names.
        processes: how many.
        own: as in LiveCapture.
        size: of each process's capture ring.
        say: told in one sentence whatever an operator should know.

    Raises:
        TapError: the interfaces cannot be captured.
    """

    def __init__(
        self,
        interfaces: Sequence[str],
        *,
        processes: int,
        own: Collection[str] = (),
        size: RingSize | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.reached_ns = 0
        """All that was seen before this time (nanoseconds since the epoch) has been delivered."""
        self.fault = ""
        """Why the watch ended though nobody asked; empty: it did not."""
        self.processes = processes
        self._say = say
        self._fanout = Fanout(processes)
        self._taps: list[LiveCapture] = []
        self._lanes: list[_Lane] = []
        self._stopping = False
        self._waiting: list[tuple[int, Told]] = []
        try:
            for lane in range(processes):
                tell = say if lane == 0 else _keep_quiet
                self._taps.append(LiveCapture(interfaces, own=own, size=size, say=tell, fanout=self._fanout, lane=lane))
        except BaseException:
            self.close()
            raise

    def start(self, *, confine: Callable[[], None]) -> None:
        """Start the processes. To be called once rights are given up, and before any thread is started.

        Each begins as a copy of this process, so that it has the rights that this one has, and no more.

        Args:
            confine: called in each of them before it reads. Afterwards this process, too, needs to start no other.
        """
        pipes = [socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM) for _ in self._taps]
        sys.stdout.flush()
        sys.stderr.flush()
        for lane, (ours, theirs) in enumerate(pipes):
            pid = os.fork()
            if pid == 0:
                self._read(lane, pipes, confine=confine)
            theirs.close()
            ours.setblocking(False)  # noqa: FBT003 -- the standard library's own form
            self._lanes.append(_Lane(pid, ours))
        for tap in self._taps:
            tap.leave()
        self._taps.clear()

    def _read(
        self, lane: int, pipes: list[tuple[socket.socket, socket.socket]], *, confine: Callable[[], None]
    ) -> NoReturn:
        """Be the process that reads *lane*; never return to what this is a copy of."""
        status = 1
        try:
            confine()
            # A terminal, or whoever ends a service, signals all processes at once: the first one says when to end.
            for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(asked, signal.SIG_IGN)
            # Another's pipe that stayed open here would hide from it that nobody listens any more.
            for number, (ours, theirs) in enumerate(pipes):
                ours.close()
                if number != lane:
                    theirs.close()
            for number, tap in enumerate(self._taps):
                if number != lane:
                    tap.leave()
            tap = self._taps[lane]
            # What there is to say of an interface is said once; of its own ring each tells.
            tell_ring = _named_teller(self._say, process=lane + 1)
            tap.become_reader(self._say if lane == 0 else _keep_quiet, tell_ring=tell_ring)
            Reader(tap, pipe=pipes[lane][1]).run()
            tap.close()
            status = 0
        except ConnectionError:
            pass  # whoever started this is no more
        except BaseException:  # noqa: BLE001 -- the top of a process: what it leaves is this trace and its status
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError):
                sys.stderr.flush()
            os._exit(status)

    @property
    def packets(self) -> int:
        """Frames read so far."""
        return sum(report.packets for report in self.newest)

    @property
    def dropped(self) -> int:
        """Frames that the kernel dropped because they were not read fast enough."""
        return sum(report.dropped for report in self.newest)

    @property
    def ring_octets(self) -> int:
        """Octets of all capture rings."""
        return sum(report.ring_octets for report in self.newest)

    @property
    def rings_grown(self) -> int:
        """Times that a ring was replaced by a larger one."""
        return sum(report.rings_grown for report in self.newest)

    @property
    def skipped(self) -> dict[str, int]:
        """Frames that count to no flow, by reason."""
        return _sums(report.skipped for report in self.newest)

    @property
    def affected(self) -> dict[str, int]:
        """What went wrong or met a bound while openings were read, by reason."""
        return _sums(report.affected for report in self.newest)

    @property
    def newest(self) -> list[Report]:
        """The last report of each process; nothing of one that has not told yet."""
        return [lane.newest for lane in self._lanes if lane.newest is not None]

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes."""
        return [lane.pid for lane in self._lanes]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """End the iteration once the processes have handed over what they have. May be called from anywhere."""
        if not self._stopping:
            self._stopping = True
            for lane in self._lanes:
                with contextlib.suppress(OSError):  # it has ended
                    lane.pipe.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Give up the interfaces; a process that still reads loses its listener and ends."""
        for tap in self._taps:
            tap.close()
        self._taps.clear()
        for lane in self._lanes:
            lane.pipe.close()
        for lane in self._lanes:
            if lane.open:
                lane.open = False
                _end(lane.pid)
        self._fanout.close()

    def __iter__(self) -> Iterator[Portion]:
        """Yield what was seen, at least ten times a second, if need be nothing."""
        with select.epoll() as poll:
            by_number = {lane.pipe.fileno(): lane for lane in self._lanes}
            listened: set[int] = set()
            while any(lane.open for lane in self._lanes):
                listened = self._listen(poll, by_number, listened)
                for number, _ in poll.poll(QUIET_S):
                    self._hear(by_number[number])
                self._look_for_silence(by_number[number] for number in listened)
                yield self._portion()

    def _listen(self, poll: select.epoll, by_number: dict[int, _Lane], listened: set[int]) -> set[int]:
        """Listen to all that run; where too much waits, to those that are behind."""
        wanted = {number for number, lane in by_number.items() if lane.open}
        if len(self._waiting) > MAX_WAITING:
            behind = min(lane.reached_ns for lane in self._lanes if lane.open)
            wanted = {number for number in wanted if by_number[number].reached_ns == behind}
        for number in listened - wanted:
            with contextlib.suppress(OSError):  # closed, and so no longer listened to
                poll.unregister(number)
        for number in wanted - listened:
            poll.register(number, select.EPOLLIN)
            by_number[number].heard_at = time.monotonic()
        return wanted

    def _hear(self, lane: _Lane) -> None:
        """Take in what a process tells."""
        try:
            octets = lane.pipe.recv(_READ_OCTETS)
        except BlockingIOError:
            return
        except ConnectionError:
            octets = b""
        number = self._lanes.index(lane)
        lane.heard_at = time.monotonic()
        for report in lane.reports.take(octets):
            self._waiting += [(number, told) for told in report.told]
            lane.newest = report
            lane.reached_ns = max(lane.reached_ns, report.reached_ns)
        if not octets:
            self._ended(lane)

    def _ended(self, lane: _Lane) -> None:
        """Take note that a process has ended; before its time, it ends the others, which hand over what they have."""
        lane.open = False
        _, status = os.waitpid(lane.pid, 0)
        if lane.newest is None or not lane.newest.last:
            code = os.waitstatus_to_exitcode(status)
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
            self._fail(lane, how)

    def _look_for_silence(self, listened: Iterable[_Lane]) -> None:
        for lane in listened:
            if lane.open and time.monotonic() - lane.heard_at > SILENT_S:
                os.kill(lane.pid, signal.SIGKILL)
                self._fail(lane, f"told nothing for {SILENT_S:.0f} s")

    def _fail(self, lane: _Lane, how: str) -> None:
        if not self.fault:
            place = self._lanes.index(lane) + 1
            self.fault = (
                f"process {place} of the {self.processes} that read the tap {how}; "
                "the flows that it had open are lost, what the others saw is kept; start again"
            )
        self.stop()

    def _portion(self) -> Portion:
        """Return what was seen before the time that all have reached."""
        reached_ns = min((lane.reached_ns for lane in self._lanes if lane.open), default=_FOREVER_NS)
        if reached_ns < _FOREVER_NS:
            self.reached_ns = max(self.reached_ns, reached_ns)
        if not self._waiting:
            return Portion([])
        self._waiting.sort(key=_when)
        end = bisect_right(self._waiting, reached_ns, key=_when)
        ready = self._waiting[:end]
        del self._waiting[:end]
        return Portion(ready)


def _end(pid: int) -> None:
    """Wait until a process that has no listener any more has ended; kill it if it does not."""
    deadline = time.monotonic() + END_S
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _when(one: tuple[int, Told]) -> int:
    return one[1].at_ns


def _sums(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _named_teller(say: Callable[[str], None], *, process: int) -> Callable[[str], None]:
    return lambda words: say(f"process {process}: {words}")


def _keep_quiet(_words: str) -> None:
    """Say nothing."""
