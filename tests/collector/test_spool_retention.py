"""Events wait in the spool no longer than they may be kept, however long the broker is away."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from collector.spool import Spool
from collector.spooled import Kind, Pair

HOUR = 3600.0
KEEP_S = 72 * HOUR
SECRET = b"what-a-device-did"


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1_791_990_000.0

    def __call__(self) -> float:
        return self.at


def spool(folder: Path, clock: Hands) -> Spool:
    return Spool(folder / "spool.db", max_bytes=1 << 20, origin=1, keep_s=KEEP_S, clock=clock)


def pairs(count: int) -> list[Pair]:
    return [(b"device", SECRET) for _ in range(count)]


def test_events_go_after_72_hours_and_leave_a_gap_that_counts_them(tmp_path: Path) -> None:
    clock = Hands()
    with spool(tmp_path, clock) as held:
        held.append(pairs(300))
        clock.at += 40 * HOUR
        held.append(pairs(7), end=True)
        clock.at += 32 * HOUR - 1
        assert held.expire() == 0
        clock.at += 1
        # Under way or not: a broker that has taken nothing for three days has not got them.
        assert held.oldest()
        assert held.expire() == 300
        assert (held.events, held.dropped_events) == (7, 300)
        batches = held.oldest()
        assert [batch.kind for batch in batches] == [Kind.GAP, Kind.EVENTS, Kind.END]
        gap = batches[0].gap
        assert gap is not None
        assert (gap.first, gap.last, gap.events) == (1, 300, 300)
        assert held.expire() == 0
        # What comes later makes one gap of two, and the end of a capture stays.
        clock.at += 72 * HOUR
        assert held.expire() == 7
        assert [batch.kind for batch in held.oldest()] == [Kind.GAP, Kind.END]
        held.acknowledge(held.oldest())
        assert held.rows == 0
    assert all(SECRET not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_restart_forgets_no_age(tmp_path: Path) -> None:
    clock = Hands()
    with spool(tmp_path, clock) as held:
        held.append(pairs(3))
    clock.at += KEEP_S
    with spool(tmp_path, clock) as held:
        assert held.expire() == 3


def test_a_spool_of_the_version_before_is_gone_on_with_and_counts_from_then(tmp_path: Path) -> None:
    clock = Hands()
    with spool(tmp_path, clock) as held:
        held.append(pairs(3))
    with sqlite3.connect(tmp_path / "spool.db") as old:
        old.execute("ALTER TABLE batch DROP COLUMN taken_s")
        old.execute("PRAGMA user_version = 1")
    old.close()
    clock.at += KEEP_S
    with spool(tmp_path, clock) as held:
        assert (held.events, held.expire()) == (3, 0)
        clock.at += KEEP_S
        assert held.expire() == 3
