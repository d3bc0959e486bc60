"""Keys in a shared file whose time is over, whoever made them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from collector.keyfile import KeyFile, load_keys, save_keys
from collector.overdue_keys import OverdueKeys
from collector.periods import NS, Periods
from collector.pseudonyms import KeyRing, Pseudonyms
from collector.watch import KEY_GRACE_NS, KEY_OVERDUE_NS

if TYPE_CHECKING:
    from pathlib import Path

DEVICE = b"m\x02\0\0\0\0\x09"
HOUR_NS = 3_600 * NS
DAY_NS = 24 * HOUR_NS
MIDNIGHT_NS = int(datetime(2026, 10, 7, tzinfo=UTC).timestamp()) * NS
OLD, NEW = "2026-10-06T00", "2026-10-07T00"


class Collector:
    """One of those that share a file: what `collect` and `run` wire, and nothing else of them."""

    fresh = count(1)

    def __init__(self, path: Path, *, hours: int = 24) -> None:
        periods = Periods(ZoneInfo("UTC"), hours=hours)
        self.said: list[str] = []
        self._file = KeyFile(path)
        self._ring = KeyRing(
            lambda: next(self.fresh).to_bytes(32, "big"), keys=self._file.load(), agree=self._file.agree
        )
        self.pseudonyms = Pseudonyms(self._ring, periods=periods, site="lincoln")
        self.overdue = OverdueKeys(
            self._file, periods=periods, held_ns=lambda: self.pseudonyms.oldest_key_ns, say=self.said.append
        )

    def sees(self, at_ns: int) -> str:
        """Return what the device is called; what changed is written down."""
        pseudonym = self.pseudonyms.of(DEVICE, at_ns)
        self._write()
        return pseudonym

    def tends(self, *, reached_ns: int, now_ns: int) -> None:
        """Do what is done twice a second."""
        self.pseudonyms.forget_before(reached_ns - KEY_GRACE_NS)
        self._write()
        self.overdue.destroy(now_ns)

    def _write(self) -> None:
        if self._ring.changed:
            self._file.save(self._ring.snapshot())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_a_key_that_one_destroyed_stays_away_when_another_that_holds_it_still_begins_the_new_day(path: Path) -> None:
    quick, slow = Collector(path), Collector(path)
    assert quick.sees(MIDNIGHT_NS - HOUR_NS) == slow.sees(MIDNIGHT_NS - HOUR_NS)
    quick.sees(MIDNIGHT_NS)
    later = MIDNIGHT_NS + KEY_GRACE_NS
    quick.tends(reached_ns=later, now_ns=later)
    assert set(load_keys(path)) == {NEW}
    assert slow.sees(MIDNIGHT_NS + 1) == quick.sees(MIDNIGHT_NS + 1)
    # Were it ended here, nobody would take the key of yesterday away.
    assert set(load_keys(path)) == {NEW}


def test_a_key_of_one_that_died_is_destroyed_by_another_that_never_held_it(path: Path) -> None:
    lasting = Collector(path)
    Collector(path).sees(MIDNIGHT_NS - HOUR_NS)
    lasting.sees(MIDNIGHT_NS)
    for now in (MIDNIGHT_NS + KEY_GRACE_NS, MIDNIGHT_NS + KEY_OVERDUE_NS - NS):
        lasting.tends(reached_ns=now, now_ns=now)
        assert set(load_keys(path)) == {OLD, NEW}
    lasting.tends(reached_ns=MIDNIGHT_NS + KEY_OVERDUE_NS, now_ns=MIDNIGHT_NS + KEY_OVERDUE_NS)
    assert set(load_keys(path)) == {NEW}


def test_the_age_that_is_told_is_that_of_the_oldest_key_in_the_file_or_in_memory(path: Path) -> None:
    lasting = Collector(path)
    told = [lasting.overdue.oldest_ns]
    Collector(path).sees(MIDNIGHT_NS - HOUR_NS)
    told.append(lasting.overdue.oldest_ns)
    lasting.sees(MIDNIGHT_NS)
    assert lasting.pseudonyms.oldest_key_ns == MIDNIGHT_NS
    told.append(lasting.overdue.oldest_ns)
    path.unlink()
    told.append(lasting.overdue.oldest_ns)
    assert told == [None, MIDNIGHT_NS - DAY_NS, MIDNIGHT_NS - DAY_NS, MIDNIGHT_NS]


def test_a_collector_that_reads_a_past_day_keeps_its_key_for_itself_and_goes_on(path: Path) -> None:
    follower, live = Collector(path), Collector(path)
    now = MIDNIGHT_NS + 5 * DAY_NS
    at = MIDNIGHT_NS - 2 * HOUR_NS
    known = follower.sees(at)
    for collector in (live, follower):
        live.sees(now)
        collector.tends(reached_ns=at if collector is follower else now, now_ns=now)
        assert set(load_keys(path)) == {"2026-10-12T00"}
        assert follower.sees(at + HOUR_NS) == known
        assert follower.overdue.oldest_ns == MIDNIGHT_NS - DAY_NS
    # Past midnight in its log it makes another, which does not bring the first one back.
    assert follower.sees(MIDNIGHT_NS) != known
    assert OLD not in load_keys(path)
    follower.tends(reached_ns=now, now_ns=now)
    assert set(load_keys(path)) == {"2026-10-12T00"}
    assert follower.overdue.oldest_ns == now


def test_short_periods_and_keys_of_tokens_go_by_their_own_ends(path: Path) -> None:
    names = ["2026-10-06T16", NEW, "2026-10-07T08", "token/2026-10-06", "token/2026-10-07"]
    save_keys(path, dict.fromkeys(names, b"\1" * 32))
    collector = Collector(path, hours=8)
    eight = MIDNIGHT_NS + 8 * HOUR_NS
    collector.overdue.destroy(MIDNIGHT_NS + KEY_OVERDUE_NS)
    assert set(load_keys(path)) == {NEW, "2026-10-07T08", "token/2026-10-07"}
    collector.overdue.destroy(eight + KEY_OVERDUE_NS)
    assert set(load_keys(path)) == {"2026-10-07T08", "token/2026-10-07"}


def test_a_file_that_cannot_be_used_for_a_while_is_told_once_and_tried_again(path: Path) -> None:
    collector = Collector(path)
    save_keys(path, {OLD: b"\1" * 32})
    path.chmod(0o644)
    for _ in range(3):
        collector.overdue.destroy(MIDNIGHT_NS + DAY_NS)
    assert len(collector.said) == 1
    assert "chmod 600" in collector.said[0]
    assert collector.overdue.oldest_ns is None
    path.chmod(0o600)
    collector.overdue.destroy(MIDNIGHT_NS + DAY_NS)
    assert load_keys(path) == {}
