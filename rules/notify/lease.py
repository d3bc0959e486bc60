"""Who may send: one row in the store that its holder changes every few seconds.

No time is written down, for clocks of two hosts need not agree. Whoever waits watches the row, and takes it over when
it has stood still for as long as the lease lasts by the watcher's own clock. The holder stops by itself before that
when it cannot write, and learns at its next beat that it was taken over.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from rules.store.database import POSTGRESQL
from rules.store.schema import leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.store.database import Database

LASTS_S: Final = 10.0
# Three beats may fail before anybody may take over.
BEATS: Final = 4.0
SURE: Final = 0.7
"""Part of its time for which a holder relies on the lease: what it has begun shall be over before others begin."""
# A laptop or a virtual machine that slept must not believe that no time has passed.
awake: Final = partial(time.clock_gettime, time.CLOCK_BOOTTIME)


class Lease:
    """A lease that one of several may hold.

    Args:
        database: where the row lies.
        name: what it is about.
        holder: a name that nobody else has.
        lasts_s: how long it lasts, in seconds.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        database: Database,
        *,
        name: str,
        holder: str,
        lasts_s: float = LASTS_S,
        clock: Callable[[], float] = awake,
    ) -> None:
        self._database = database
        self._name = name
        self._holder = holder
        self._lasts_s = lasts_s
        self._clock = clock
        self._sure_until: float | None = None
        self._beat_at = 0.0
        self._watched: tuple[str, int] | None = None
        self._watched_since = 0.0

    @property
    def held(self) -> bool:
        """Whether what only one may do may be done now."""
        return self._sure_until is not None and self._clock() < self._sure_until

    def keep(self) -> bool:
        """Take the lease, keep it, or watch who has it; to be called every second or so.

        Returns:
            Whether it is held.

        Raises:
            StoreError: the store cannot be used; what was held runs out by itself.
        """
        now = self._clock()
        if self.held and now < self._beat_at:
            return True
        found = self._look()
        if found is not None and found[0] != self._holder:
            self._sure_until = None
            if found != self._watched:
                self._watched, self._watched_since = found, now
                return False
            if now - self._watched_since < self._lasts_s:
                return False
        if not self._take(found):
            self._sure_until = None
            return False
        self._watched = None
        self._sure_until = now + self._lasts_s * SURE
        self._beat_at = now + self._lasts_s / BEATS
        return self.held

    def release(self) -> None:
        """Give it back, so that another need not wait.

        Raises:
            StoreError: the store cannot be used; the lease runs out by itself.
        """
        if self._sure_until is not None:
            self._sure_until = None
            with self._database.writing() as connection:
                connection.execute(
                    sa.delete(leases).where(leases.c.name == self._name, leases.c.holder == self._holder)
                )

    def _look(self) -> tuple[str, int] | None:
        with self._database.reading() as connection:
            row = connection.execute(
                sa.select(leases.c.holder, leases.c.beat).where(leases.c.name == self._name)
            ).first()
            return None if row is None else (row.holder, row.beat)

    def _take(self, found: tuple[str, int] | None) -> bool:
        """Write our next beat in place of *found*; return False when somebody else was faster."""
        kept = leases.c
        with self._database.writing() as connection:
            if found is None:
                insert = postgresql.insert if connection.dialect.name == POSTGRESQL else sqlite.insert
                fresh = insert(leases).values(name=self._name, holder=self._holder, beat=1)
                # Not every driver counts what such an insert did: the row itself says so.
                return connection.execute(fresh.on_conflict_do_nothing().returning(kept.beat)).first() is not None
            holder, beat = found
            same = sa.and_(kept.name == self._name, kept.holder == holder, kept.beat == beat)
            taken = sa.update(leases).where(same).values(holder=self._holder, beat=beat + 1)
            return connection.execute(taken).rowcount == 1
