"""Lets go of what has been kept for as long as it may be, beside everything else: `run`, `judge` and `desk` each can.

Of several processes on one store one does it, by a lease; all show when it was done last and how much that was.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from rules.errors import StoreError
from rules.notify.lease import LASTS_S, Lease
from rules.retention import Policy
from rules.store.retention import PLACES, LastPurge, last_purge, note_held, purge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from rules.store import Store
    from rules.store.retention import Purged
    from schoolgate.configuration import Configuration
    from schoolgate.due_cases import DueCases

EVERY: Final = timedelta(hours=1)
"""How often it is looked whether anything is due."""
FIRST_S: Final = 1.0
LOOK_S: Final = 60.0
LEASE: Final = "purge"


def policy_of(settings: Configuration) -> Policy:
    """Return how long a district keeps what."""
    privacy = settings.privacy
    return Policy(
        finding_days=privacy.finding_retention_days,
        case_days=privacy.case_retention_days,
        told_days=privacy.told_retention_days,
        access_days=privacy.told_retention_days,
    )


class Purger:
    """Purges once an hour, in a thread of its own.

    Args:
        store: the case store.
        policy: how long what is kept.
        say: told in one sentence what an operator should know.
        due: forgets cases that are due; None: a person does it, and is told.
        clock: the time, UTC.
    """

    def __init__(
        self,
        store: Store,
        *,
        policy: Policy,
        say: Callable[[str], None],
        due: DueCases | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._policy = policy
        self._say = say
        self._due = due
        self._clock = clock
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._days: set[date] = set()
        self._lease = Lease(store.database, name=LEASE, holder=secrets.token_hex(8))
        self._thread = threading.Thread(target=self._run, name="purge", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step in hand. What was taken in since it was looked last is dated: its time begins now."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._date()

    def take_days(self) -> set[date]:
        """Return the days whose evidence went since the last call: whoever holds it in memory lets go of it, too."""
        with self._lock:
            days, self._days = self._days, set()
        return days

    def turn(self) -> Purged | None:
        """Purge, if an hour has passed since anybody did and nobody else does now.

        Raises:
            StoreError: the store cannot be used.
        """
        before = last_purge(self._store.database).at
        now = self._clock()
        if before is not None and now - EVERY < before <= now:
            return None
        if not self._take_lease():
            return None
        try:
            found = purge(self._store, policy=self._policy, now=now, still=self._still)
        finally:
            self._lease.release()
        with self._lock:
            self._days |= found.days
        if found.due_cases and self._due is not None:
            self._due.forget(found.due_cases)
        elif found.due_cases:
            self._say(
                f"{len(found.due_cases)} cases have been kept for as long as `privacy.case_retention_days` says; run "
                "`schoolgate privacy purge --dry-run` to see which, and `schoolgate cases forget`"
            )
        return found

    def _run(self) -> None:
        wait = FIRST_S
        while not self._stop.wait(wait):
            try:
                if self.turn() is None and wait == FIRST_S:
                    # What a process left that was killed since the last purge.
                    self._date()
            except StoreError as error:
                # That it has not been done for a day is an alert; until then it is tried again.
                self._say(f"what is due cannot be let go: {error}")
            wait = LOOK_S

    def _date(self) -> None:
        try:
            # Whoever holds the lease purges, and dates what is there.
            if self._lease.keep():
                try:
                    note_held(self._store, now=self._clock())
                finally:
                    self._lease.release()
        except StoreError as error:
            self._say(f"what is held cannot be dated: {error}")

    def _take_lease(self) -> bool:
        for _ in range(int(LASTS_S) + 2):
            if self._lease.keep():
                return True
            if self._stop.wait(1.0):
                return False
        return False

    def _still(self) -> bool:
        return not self._stop.is_set() and self._lease.keep()


class PurgeMetrics(Collector):
    """When it was done last, and how much it was: read from the store, so that everybody shows the same.

    Args:
        registry: where they are registered.
        store: the case store; None: there is none, and nothing was ever let go.
    """

    def __init__(self, registry: CollectorRegistry, *, store: Store | None) -> None:
        self._store = store
        self._known = LastPurge(at=None, removed=dict.fromkeys(PLACES, 0))
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the series; while the store is away, as they were read last."""
        if self._store is not None:
            with suppress(StoreError):
                self._known = last_purge(self._store.database)
        at = self._known.at
        yield GaugeMetricFamily(
            "schoolgate_last_purge_timestamp_seconds",
            "When everything that was due was let go last; 0: never.",
            value=at.timestamp() if at else 0.0,
        )
        removed = CounterMetricFamily("schoolgate_purged_rows", "Rows let go, by where they lay.", labels=("source",))
        for place in PLACES:
            removed.add_metric((place,), self._known.removed[place])
        yield removed
