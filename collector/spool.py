"""A durable queue of events between the capture and the broker: what is in it outlives kill -9 and a power cut.

It knows nothing of Kafka. One process at a time holds a spool, and two of its threads may: one appends, one takes out.
SQLite with a write-ahead log, each commit on the disk before it counts; a row a batch, deleted when the broker has it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Literal, Self, TypedDict, Unpack

import msgspec

from collector.spool_file import SpoolError, in_words, open_file
from collector.spooled import Batch, Gap, Kind, Progress, decode_gap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from collector.spooled import Pair

ROW_EVENTS = 200
# Rows are what is dropped and what is sent at once; large ones would make a small spool coarse.
ROW_OCTETS = 64 << 10
# What a row costs the file besides its body: the other columns and SQLite's own bookkeeping.
ROW_OVERHEAD = 64
# The part of the bound that may be on its way to the broker, and is therefore not dropped, at one time.
FLIGHT_SHARE = 4
# And no more events than these: a reader that drops repeats remembers the last 4,096 of a collector in a partition.
FLIGHT_EVENTS = 4_000
# Pages that stay free in the file for the next events; more are given back to the disk.
SPARE_PAGES = 1024


class SpoolFullError(SpoolError):
    """The spool is at its bound and may drop nothing; take something out, then append again."""


class Extra(TypedDict, total=False):
    """What may be committed together with events."""

    through_ns: int | None
    """See Batch."""
    progress: Progress | None
    """The capture that they come from."""
    end: bool
    """Nothing comes after these events."""


class Spool:
    """The queue.

    Args:
        path: its file; made where there is none, readable by its owner alone.
        max_bytes: bound in octets, over what waits.
        when_full: drop the oldest events and leave a gap in their place, or refuse new ones (SpoolFullError).
        keep_s: seconds for which events may wait; None: for ever.
        clock: tells the time, seconds since the epoch.
        origin: first sequence number of a new file. Microseconds since the epoch, so that a spool that replaces a lost
            one goes on above it.

    Raises:
        SpoolError: another process holds it, it is no spool, or the disk does not take it.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        when_full: Literal["drop_oldest", "stop"] = "drop_oldest",
        origin: int,
        keep_s: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keep_s = keep_s
        self._clock = clock
        self._path = path
        self._max = max_bytes
        self._drops = when_full == "drop_oldest"
        self._lock = threading.Lock()
        self._reached: int | None = None
        # Rows up to this one were handed out: they may be at the broker already, so they are not dropped.
        self._handed = -1
        # Whoever had the file before may have been killed.
        self._has_gone = True
        self.flight_octets = max_bytes // FLIGHT_SHARE
        self.dropped_events = 0
        self._db = open_file(path, origin=origin, now_s=int(clock()))
        try:
            with in_words(self._path):
                self._recount()
        except SpoolError:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let it go."""
        with self._lock:
            self._db.close()

    @property
    def events(self) -> int:
        """Events that wait."""
        return self._events

    @property
    def rows(self) -> int:
        """Rows that wait: batches of events, gaps, ends."""
        return self._rows

    @property
    def octets(self) -> int:
        """Octets that wait."""
        return self._octets

    def progress(self, sha256: str) -> Progress | None:
        """Return how much of a capture was spooled; None: it was never seen."""
        with self._lock, in_words(self._path):
            row = self._db.execute(
                "SELECT sha256, name, events, finished FROM capture WHERE sha256 = ?", (sha256,)
            ).fetchone()
        return Progress(sha256=row[0], name=row[1], events=row[2], finished=bool(row[3])) if row else None

    def append(self, pairs: Sequence[Pair], **extra: Unpack[Extra]) -> None:
        """Add events; when this returns they are on the disk, together with *extra*, or all of it is not.

        Raises:
            SpoolFullError: no room, and nothing may be dropped.
            SpoolError: the disk is full, or failed.
        """
        with self._lock:
            with self._transaction():
                self._add(pairs, extra)
            if extra.get("end"):
                self._reached = None  # what comes next is another capture, and may lie anywhere in time
            else:
                self._reach(extra.get("through_ns"))

    def reach(self, through_ns: int | None) -> None:
        """Say that no event that comes later began before *through_ns*."""
        with self._lock:
            self._reach(through_ns)

    def reached(self) -> int | None:
        """Return up to which time nothing is missing once everything in the spool has gone; None: something waits."""
        with self._lock:
            return None if self._rows else self._reached

    def oldest(self) -> list[Batch]:
        """Return the oldest rows, as many as may be under way at once. Again and again the same, until acknowledged."""
        batches: list[Batch] = []
        octets = events = 0
        with self._lock, in_words(self._path):
            for first, count, kind, through, body, size in self._db.execute(
                "SELECT first, count, kind, through_ns, body, octets FROM batch ORDER BY first"
            ):
                octets += size
                events += count if kind == Kind.EVENTS.value else 0
                if batches and (octets > self.flight_octets or events > FLIGHT_EVENTS):
                    break
                batches.append(Batch(first=first, kind=Kind(kind), through_ns=through, body=body, octets=size))
            if batches:
                self._handed = max(self._handed, batches[-1].first)
        return batches

    def expire(self) -> int:
        """Drop the events that have waited for longer than they may, leave a gap, and return how many they were.

        What was handed out goes as well: while it is that old no broker has taken anything for days.

        Raises:
            SpoolError: the disk failed.
        """
        if self._keep_s is None:
            return 0
        before = int(self._clock() - self._keep_s)
        with self._lock, self._transaction():
            rows = self._db.execute(
                "SELECT first, count, kind, octets, body FROM batch"
                " WHERE kind != 'end' AND taken_s <= ? ORDER BY first",
                (before,),
            ).fetchall()
            if not any(row[2] == Kind.EVENTS.value for row in rows):
                return 0
            dropped = self.dropped_events
            self._leave_gap([self._dropped(row) for row in rows])
            return self.dropped_events - dropped

    def acknowledge(self, batches: Sequence[Batch]) -> None:
        """Delete rows that the broker has.

        Raises:
            SpoolError: the disk failed.
        """
        with self._lock:
            with self._transaction():
                for batch in batches:
                    self._remove(batch.first)
            with in_words(self._path):
                free = self._db.execute("PRAGMA freelist_count").fetchone()[0]
                if free > 2 * SPARE_PAGES:
                    # As a script: it gives no rows and takes one step a page, and `execute` takes only the first.
                    self._db.executescript(f"PRAGMA incremental_vacuum({free - SPARE_PAGES})")

    def wipe(self) -> None:
        """Leave nothing of what has gone in the write-ahead log, which keeps up to 4 MiB of it until it comes round.

        Cheap where nothing has gone since; else the disk is waited for twice.

        Raises:
            SpoolError: the disk failed.
        """
        with self._lock, in_words(self._path):
            if self._has_gone:
                # The file itself keeps nothing: what is deleted there is written over.
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._has_gone = False

    def _recount(self) -> None:
        self._rows: int
        self._octets: int
        self._events: int
        self._next: int = self._db.execute("SELECT next FROM counter").fetchone()[0]
        self._rows, self._octets, self._events = self._db.execute(
            "SELECT count(*), coalesce(sum(octets), 0), coalesce(sum(count) FILTER (WHERE kind = 'events'), 0)"
            " FROM batch"
        ).fetchone()

    def _add(self, pairs: Sequence[Pair], extra: Extra) -> None:
        through = extra.get("through_ns")
        rows = list(_rows(pairs))
        for number, part in enumerate(rows, start=1):
            # Only what follows the last event of this call is known to begin later.
            self._insert(
                Kind.EVENTS,
                body=msgspec.msgpack.encode(part),
                count=len(part),
                through=through if number == len(rows) else None,
            )
        if extra.get("end"):
            self._insert(Kind.END, body=b"", count=1, through=through)
        self._db.execute("UPDATE counter SET next = ?", (self._next,))
        progress = extra.get("progress")
        if progress is not None:
            self._db.execute(
                "INSERT OR REPLACE INTO capture VALUES (?, ?, ?, ?)",
                (progress.sha256, progress.name, progress.events, progress.finished),
            )

    def _insert(self, kind: Kind, *, body: bytes, count: int, through: int | None) -> None:
        octets = len(body) + ROW_OVERHEAD
        if kind is Kind.EVENTS and self._octets + octets > self._max:
            self._make_room(self._octets + octets - self._max)
        self._db.execute(
            "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self._next, count, kind.value, octets, through, body, int(self._clock())),
        )
        self._next += count
        self._rows += 1
        self._octets += octets
        self._events += count if kind is Kind.EVENTS else 0

    def _make_room(self, octets: int) -> None:
        """Drop the oldest events of at least *octets* that nobody was handed, and leave one gap in their place."""
        if not self._drops:
            raise SpoolFullError(f"{self._path}: the spool is full ({self._max:,} octets)")
        # The gap itself takes room, too.
        octets += 4 * ROW_OVERHEAD
        gaps: list[Gap] = []
        freed = 0
        rows = self._db.execute(
            "SELECT first, count, kind, octets, body FROM batch WHERE first > ? AND kind != 'end' ORDER BY first",
            (self._handed,),
        )
        while freed < octets and (row := rows.fetchone()) is not None:
            gaps.append(self._dropped(row))
            freed += row[3]
        rows.close()
        if freed < octets:
            raise SpoolFullError(f"{self._path}: the spool of {self._max:,} octets is too small for what is under way")
        self._leave_gap(gaps)

    def _dropped(self, row: tuple[int, int, str, int, bytes]) -> Gap:
        """Return what is lost with a row."""
        first, count, kind, size, body = row
        if kind == Kind.GAP.value:
            return decode_gap(body)
        self.dropped_events += count
        return Gap(first=first, last=first + count - 1, events=count, octets=size)

    def _leave_gap(self, gaps: Sequence[Gap]) -> None:
        """Put one gap in the place of rows."""
        for gap in gaps:
            self._remove(gap.first)
        whole = Gap(
            first=gaps[0].first,
            last=gaps[-1].last,
            events=sum(gap.events for gap in gaps),
            octets=sum(gap.octets for gap in gaps),
        )
        body = msgspec.json.encode(whole)
        self._db.execute(
            "INSERT INTO batch VALUES (?, ?, ?, ?, NULL, ?, ?)",
            (
                whole.first,
                whole.last - whole.first + 1,
                Kind.GAP.value,
                len(body) + ROW_OVERHEAD,
                body,
                int(self._clock()),
            ),
        )
        self._rows += 1
        self._octets += len(body) + ROW_OVERHEAD

    def _remove(self, first: int) -> None:
        self._has_gone = True
        for count, kind, octets in self._db.execute(
            "DELETE FROM batch WHERE first = ? RETURNING count, kind, octets", (first,)
        ).fetchall():
            self._rows -= 1
            self._octets -= octets
            self._events -= count if kind == Kind.EVENTS.value else 0

    def _reach(self, through_ns: int | None) -> None:
        if through_ns is not None:
            self._reached = max(through_ns, self._reached or 0)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        dropped = self.dropped_events
        with in_words(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # SQLite rolls back by itself when the disk is full; then there is nothing left to undo.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self.dropped_events = dropped
                self._recount()
                raise


def _rows(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    start = octets = 0
    for at, (key, value) in enumerate(pairs):
        octets += len(key) + len(value)
        if at + 1 - start == ROW_EVENTS or octets >= ROW_OCTETS:
            yield pairs[start : at + 1]
            start, octets = at + 1, 0
    if start < len(pairs):
        yield pairs[start:]
