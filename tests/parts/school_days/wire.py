"""From asks to flows: connections are reused, shared and left unused as browsers do it, and look-ups are cached."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.parts.school_days.ledger import RIVAL_S
from tests.parts.school_days.pages import CHECK, PAGE, REQUEST, SECOND, SPECULATIVE
from tests.parts.school_days.timetable import LESSON_S

if TYPE_CHECKING:
    from random import Random

    from tests.parts.school_days.facts import World
    from tests.parts.school_days.ledger import Ledger
    from tests.parts.school_days.pages import Ask
    from tests.parts.school_days.timetable import Lesson

PART_S = 300.0
"""A long flow reports this often (contract FlowEvent, `end`)."""
TLS, QUIC, HTTP, DNS = range(4)
FIN, RST, IDLE, ACTIVE = range(4)


class Flow(NamedTuple):
    """A flow, or a part of one, before it is written as an event. Sorts by its end."""

    ended: float
    """Last packet, seconds since 1970."""
    started: float
    """First packet of this part."""
    label: int
    """Device as it looks from outside."""
    host: int
    """Number of the host; of the host that is asked for in a look-up."""
    app: int
    """One of `TLS`, `QUIC`, `HTTP`, `DNS`."""
    named: bool
    """The name can be seen."""
    up: int
    """Octets up."""
    down: int
    """Octets down."""
    end: int
    """One of `FIN`, `RST`, `IDLE`, `ACTIVE`."""
    part: int
    """Number of the part."""
    cause: int
    """Number of the service that caused it, or a cause below zero."""
    group: int
    """Number of the class."""
    day: int
    """Day of the set."""


class _Open:
    __slots__ = ("cause", "host", "last", "named", "requests", "start", "up")

    def __init__(self, start: float, host: int, cause: int, *, named: bool) -> None:
        self.start = start
        self.last = start
        self.host = host
        self.cause = cause
        self.named = named
        self.requests = 0
        self.up = 0


class Wire:
    """The connections of one device after the other in one lesson."""

    def __init__(
        self, world: World, *, lesson: Lesson, ledger: Ledger, rng: Random, twists: frozenset[str], out: list[Flow]
    ) -> None:
        self._hosts = world.hosts
        self._labels = world.labels
        self._services = world.services
        self._lesson = lesson
        self._place = (lesson.group, lesson.day, lesson.order)
        self._close = lesson.start + LESSON_S + 60
        self._ledger = ledger
        self._random = rng.random
        self._dns = "dns" in twists
        self._out = out
        self._label = 0
        self._pool: dict[tuple[int, int], _Open] = {}
        self._cache: dict[tuple[int, int], float] = {}
        self._recent: list[tuple[float, int]] = []
        self._own_seen: dict[int, float] = {}

    def play(self, device: int, *, asks: list[Ask]) -> None:
        """Write the flows of what *device* asks, in order of time, into the list given at the start."""
        self._label = self._labels[device]
        self._pool, self._cache, self._recent, self._own_seen = {}, {}, [], {}
        for at, what, number, top, cause in asks:
            if what == PAGE:
                self._forget(at)
                self._ledger.opened(number, recent=self._recent, device_day=(self._label, self._lesson.day))
                self._recent.append((at, number))
            elif what >= SECOND:
                self._aside(at, what=what, host=number, cause=cause)
            else:
                it, fresh = self._connection(at, host=number, top=top, cause=cause, device=device)
                if what == SPECULATIVE:
                    it.last = max(it.last, at)
                else:
                    self._request(at, it=it, host=number, cause=cause, fresh=fresh)
        for left in self._pool.values():
            self._end(left, device=device)

    def _forget(self, at: float) -> None:
        self._recent = [opened for opened in self._recent if at - opened[0] <= RIVAL_S]

    def _connection(self, at: float, *, host: int, top: int, cause: int, device: int) -> tuple[_Open, bool]:
        """Return the connection for *host* from pages of *top*, and whether it is new."""
        there = self._hosts[host]
        key = (there.front, top)
        found = self._pool.get(key)
        if found is not None:
            if at - found.last <= there.idle_s:
                return found, False
            self._end(found, device=device)
        if self._dns:
            self._look_up(at, host=host, top=top, cause=cause)
        found = self._pool[key] = _Open(at, host, cause, named=there.hidden == 0 or self._random() >= there.hidden)
        return found, True

    def _request(self, at: float, *, it: _Open, host: int, cause: int, fresh: bool) -> None:
        it.last = at + 0.05 + 0.4 * self._random()
        it.requests += 1
        it.up += 420 + int(1500 * self._random())
        if it.requests == 1:
            # A connection that was opened ahead belongs, from its first request on, to whoever asks.
            it.cause = cause
            fresh = it.host == host
        shown = fresh and it.named
        if cause >= 0 and host in self._services[cause].hosts:
            if shown:
                if at - self._own_seen.get(cause, 0.0) > RIVAL_S:
                    self._ledger.begun(cause)
                self._own_seen[cause] = at
        elif not shown:
            self._ledger.unseen(cause=cause, host=host)
        else:
            self._forget(at)
            self._ledger.contact(
                at,
                cause=cause,
                host=host,
                recent=self._recent,
                seen=at - self._own_seen.get(cause, 0.0) <= RIVAL_S,
                device_day=(self._label, self._lesson.day),
                lesson=self._place,
            )

    def _look_up(self, at: float, *, host: int, top: int, cause: int) -> None:
        # A and HTTPS are asked from separate sockets; the cache is split by the page's site.
        cache, label = self._cache, self._label
        if cache.get((host, top), 0.0) > at:
            return
        random = self._random
        cache[host, top] = at + 60 + 1140 * random()
        before = at - 0.012 - 0.02 * random()
        place = (self._lesson.group, self._lesson.day)
        for ended in (before + 0.004, before + 0.006 * (1 + random())):
            self._out.append(Flow(ended, before, label, host, DNS, False, 68, 110, IDLE, 0, cause, *place))  # noqa: FBT003

    def _aside(self, at: float, *, what: int, host: int, cause: int) -> None:
        random, label, pool = self._random, self._label, self._pool
        place = (self._lesson.group, self._lesson.day)
        if what == CHECK:
            ended = at + 0.1 + 0.3 * random()
            self._out.append(Flow(ended, at, label, host, HTTP, True, 380, 420, FIN, 0, cause, *place))  # noqa: FBT003
        elif what == SECOND:
            ended = at + 10 + 50 * random()
            up = 1900 + int(900 * random())
            self._out.append(Flow(ended, at, label, host, TLS, True, up, 4400, FIN, 0, cause, *place))  # noqa: FBT003
        elif (key := (host, -9)) not in pool:
            held = pool[key] = _Open(at, host, cause, named=True)
            held.requests = 1
            held.last = max(at, self._close - 120 - 600 * random())
            held.up = 4000

    def _end(self, it: _Open, *, device: int) -> None:
        random, out, place = self._random, self._out, (self._lesson.group, self._lesson.day)
        quic = (it.host * 7 + device) % 5 < 2
        lot = random()
        if quic:
            ended, end = it.last + 0.01, IDLE
        elif lot < 0.55:
            # The server hangs up when nothing has happened for its time.
            ended, end = max(min(it.last + self._hosts[it.host].idle_s, self._close), it.last + 0.01), FIN
        else:
            ended, end = it.last + 0.01 + 8 * random(), RST if lot > 0.96 else FIN
        # Octets up tell a connection without a request: hello, acknowledgements and settings stay under 3,000.
        up = 2850 + it.up if it.requests else 1850 + int(950 * random())
        down = 4400 + int(it.up * 12 * random()) if it.requests else 4300
        app = QUIC if quic else TLS
        head = (self._label, it.host, app, it.named)
        started, part = it.start, 0
        while ended - started > PART_S:
            out.append(Flow(started + PART_S - 0.5, started, *head, up, down, ACTIVE, part, it.cause, *place))
            started, part, up, down = started + PART_S, part + 1, 900, 900
        out.append(Flow(ended, started, *head, up, down, end, part, it.cause, *place))


__all__ = ["ACTIVE", "DNS", "FIN", "HTTP", "IDLE", "QUIC", "REQUEST", "RST", "TLS", "Flow", "Wire"]
