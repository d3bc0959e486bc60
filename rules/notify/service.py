"""The notifier: one thread that reads the case log and plans, and one for each channel, so that none waits for another.

Of several notifiers on one store the one that holds the lease plans and sends; all show what is pending.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from rules.errors import StoreError
from rules.notify.docket import Docket
from rules.notify.lease import LASTS_S, Lease
from rules.notify.outbox import Outbox
from rules.notify.planning import begin, digest, plan
from rules.notify.worker import RESEND_S, Courier, Keeper, Surroundings, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.notify.channels import Channels
    from rules.notify.docket import Change, Standing
    from rules.notify.metrics import NotifyMetrics
    from rules.notify.planning import Audience
    from rules.store import Store

LOOK_EVERY_S: Final = 0.3
WORK_EVERY_S: Final = 1.0
SHOW_EVERY_S: Final = 1.0
# After a fault of our own or of the store.
PAUSE_S: Final = 2.0
# A server that hangs holds its thread for a time-out; nobody waits for it longer than this.
STOP_LIMIT_S: Final = 3.0
# Who waits for the end gives up on a channel after so many attempts, some seconds.
GIVE_UP_AFTER: Final = 3
LEASE: Final = "notifier"


class Worker(Protocol):
    """What works one channel off."""

    name: str

    def step(self) -> None:
        """Do what is to be done now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What one channel should have told by now and has not."""

    name: str
    """The channel."""
    count: int
    """How many messages."""
    attempts: int
    """How often it was tried in vain."""
    reason: str
    """Why, as far as that is known. Holds what servers said: escape before showing."""


class Planner:
    """Reads the case log and writes into the outbox what each channel has to tell.

    Args:
        store: the store.
        outbox: the outbox in it.
        channels: the channels.
        clock: tells the time.
    """

    def __init__(self, store: Store, *, outbox: Outbox, channels: Channels, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._outbox = outbox
        self._channels = channels
        self._clock = clock
        self._lock = threading.Lock()
        self._docket = Docket()
        self._backlog: list[Change] = []
        self._planned: dict[str, int] = {}
        self._since: dict[str, int] = {}
        self._digests: dict[str, str] = {}

    def begin(self) -> None:
        """Begin to be the one that sends: others may have gone on meanwhile.

        Raises:
            StoreError: the store cannot be used.
        """
        self._outbox.begin_again(self._channels.names)
        self._planned.clear()
        self._digests.clear()

    def step(self) -> bool:
        """Plan what the log has new; return whether there is anything.

        Raises:
            StoreError: the store cannot be used; what was not planned is planned the next time.
        """
        news = self._store.log_end() > self._docket.seq
        if news:
            entries = self._store.log(after=self._docket.seq)
            with self._lock:
                self._backlog += self._docket.read(entries)
        now = self._clock()
        for channel in self._channels.messages:
            news |= self._plan(channel.name, audience=channel.audience, now=now)
        planned = min(self._planned.values(), default=self._docket.seq)
        self._backlog = [change for change in self._backlog if change.seq > planned]
        return news

    def snapshot(self) -> tuple[int, list[Standing]]:
        """Return up to which entry the log is read, and how every case stands then."""
        with self._lock:
            return self._docket.seq, self._docket.standings()

    def standing(self, case_id: str) -> Standing | None:
        """Return how one case stands."""
        with self._lock:
            return self._docket.standing(case_id)

    def _plan(self, name: str, *, audience: Audience, now: datetime) -> bool:
        quiet, zone = self._channels.quiet, self._channels.place.zone
        stamp, seq = int(now.timestamp()), self._docket.seq
        if name not in self._planned:
            state = self._outbox.channel(name)
            if state is None:
                state = self._outbox.plan(name, begin(self._docket, now=now), planned=seq, now=stamp)
            self._planned[name], self._since[name] = state.planned, state.since
        planned = self._planned[name]
        changes = [change for change in self._backlog if change.seq > planned]
        items = plan(changes, audience=audience, now=now, quiet=quiet, zone=zone)
        if audience == "person":
            since = datetime.fromtimestamp(self._since[name], tz=UTC)
            weekly = digest(self._channels.weekly, since=since, now=now, zone=zone)
            items += [item for item in weekly if self._digests.get(name) != item.name]
        if not items and seq == planned:
            return False
        self._outbox.plan(name, items, planned=seq, now=stamp)
        self._planned[name] = max(seq, planned)
        for item in items:
            if not item.case_id:
                self._digests[name] = item.name
        return bool(items)


class Notifier:
    """Tells of cases until it is stopped.

    Args:
        store: the case store; stays open until after `stop`.
        channels: all ways of telling (`rules.notify.channels.open_channels`).
        metrics: what Prometheus sees.
        say: shows one line to a person.
        clock: tells the time.
        lease_s: how long another waits for one that has died, in seconds.
        resend_s: how often an Alertmanager is told again, in seconds.
    """

    def __init__(
        self,
        store: Store,
        *,
        channels: Channels,
        metrics: NotifyMetrics,
        say: Callable[[str], None],
        clock: Callable[[], datetime] = utc_now,
        lease_s: float = LASTS_S,
        resend_s: float = RESEND_S,
    ) -> None:
        self._store = store
        self._channels = channels
        self._metrics = metrics
        self._say = say
        self._clock = clock
        self._outbox = Outbox(store.database)
        self._lease = Lease(store.database, name=LEASE, holder=secrets.token_hex(16), lasts_s=lease_s)
        self._planner = Planner(store, outbox=self._outbox, channels=channels, clock=clock)
        around = Surroundings(
            store=store,
            outbox=self._outbox,
            snapshot=self._planner.snapshot,
            standing=self._planner.standing,
            may_send=lambda: self._lease.held and not self._stop.is_set(),
            clock=clock,
            chance=random.random,
            say=say,
        )
        self._workers: list[Worker] = [Courier(channel, around=around) for channel in channels.messages]
        self._workers += [Keeper(one, around=around, resend_s=resend_s) for one in channels.alertmanagers]
        self._stop = threading.Event()
        self._wake = {worker.name: threading.Event() for worker in self._workers}
        self._ready = False
        self._shown_at = 0.0
        self._threads = [
            threading.Thread(target=self._loop, args=(self._plan, None), name="notifier", daemon=True),
            *(
                threading.Thread(
                    target=self._loop, args=(self._work_off(worker), worker), name=worker.name, daemon=True
                )
                for worker in self._workers
            ),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and let another one take over at once; what is not told yet stays in the outbox."""
        self._stop.set()
        for wake in self._wake.values():
            wake.set()
        deadline = time.monotonic() + STOP_LIMIT_S
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            return  # it may still be sending: the lease runs out by itself
        try:
            self._lease.release()
        except StoreError as error:
            self._say(f"the notifier could not give its lease back ({error}); another waits until it has run out")

    def pending(self) -> list[Pending]:
        """Return what should have been told by now and has not, by channel; channels with nothing are left out.

        Raises:
            StoreError: the store cannot be used.
        """
        now, end = int(self._clock().timestamp()), self._store.log_end()
        found = []
        for name in self._channels.names:
            state = self._outbox.channel(name)
            count = end - state.planned if state else end
            overdue, attempts = self._outbox.overdue(name, now=now)
            count += overdue
            if state is not None and state.failing_since is not None:
                count, attempts = max(count, 1), max(attempts, state.attempts)
            if count > 0:
                found.append(Pending(name=name, count=count, attempts=attempts, reason=self._outbox.reason(name)))
        return found

    def finish(self, *, limit_s: float, unless: Callable[[], bool] = lambda: False) -> list[Pending]:
        """Wait until all that is due is told, by whoever holds the lease, and return what is left.

        Args:
            limit_s: how long to wait at most, in seconds; it is less where all that is left has failed several times.
            unless: returns whether to wait no longer.

        Raises:
            StoreError: the store cannot be used.
        """
        deadline = time.monotonic() + limit_s
        while True:
            # Attempts of whoever sent before us say nothing: they are counted anew when we begin.
            begun = self._ready
            left = self.pending()
            hopeless = begun and all(one.attempts >= GIVE_UP_AFTER for one in left)
            if not left or hopeless or time.monotonic() > deadline or unless() or self._stop.wait(0.05):
                return left

    def _plan(self) -> None:
        held = self._lease.keep()
        if held:
            if not self._ready:
                self._planner.begin()
            if self._planner.step() or not self._ready:
                for wake in self._wake.values():
                    wake.set()
        self._ready = held
        if time.monotonic() - self._shown_at >= SHOW_EVERY_S:
            self._metrics.pending(sum(one.count for one in self.pending()))
            self._shown_at = time.monotonic()

    def _work_off(self, worker: Worker) -> Callable[[], None]:
        def work() -> None:
            # Nothing is told before the log was read: an Alertmanager would hear that no case is open.
            if self._ready and self._lease.held:
                worker.step()

        return work

    def _loop(self, do: Callable[[], None], worker: Worker | None) -> None:
        wake = self._wake[worker.name] if worker else self._stop
        failing = ""
        while not self._stop.is_set():
            try:
                do()
                failing = ""
            except StoreError as error:
                failing = self._complain(str(error), failing)
            except Exception as error:  # noqa: BLE001 -- a service's top loop: one channel's fault ends no other
                failing = self._complain(f"{worker.name if worker else 'the notifier'}: {error!r}", failing)
            if failing:
                self._stop.wait(PAUSE_S)
            else:
                wake.wait(WORK_EVERY_S if worker else LOOK_EVERY_S)
                if worker:
                    wake.clear()

    def _complain(self, what: str, before: str) -> str:
        if what != before:
            self._say(f"{what}; nothing is lost, and it is tried again")
        return what
