"""The spool keeps what it was given, whatever happens to the process or the disk."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.spool import FLIGHT_EVENTS, Spool, SpoolFullError
from collector.spool_file import SpoolError
from collector.spooled import Kind, Pair, Progress

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
ORIGIN = 1_000


def events(count: int, *, start: int = 0, octets: int = 300) -> list[Pair]:
    return [(f"device-{n % 7}".encode(), f"{n:09}".encode().ljust(octets, b".")) for n in range(start, start + count)]


def spool_at(folder: Path, **options: Any) -> Spool:
    return Spool(folder / "spool.db", **{"max_bytes": MIB, "origin": ORIGIN, **options})


def filled(spool: Spool, *, words: str) -> int:
    """Append until it is refused in these words, and return how many events were taken."""
    taken = 0

    def fill() -> None:
        nonlocal taken
        while taken < 100_000:
            spool.append(events(100, start=taken))
            taken += 100

    with pytest.raises(SpoolError, match=words):
        fill()
    return taken


def numbered(spool: Spool) -> dict[int, Pair]:
    """Take everything out, and return it by sequence number."""
    found: dict[int, Pair] = {}
    while batches := spool.oldest():
        for batch in batches:
            found.update(enumerate(batch.pairs, start=batch.first))
        spool.acknowledge(batches)
    return found


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with spool_at(tmp_path) as own:
        yield own


def test_events_come_out_in_order_each_with_a_number_of_its_own(spool: Spool) -> None:
    given = events(1_000)
    spool.append(given[:450])
    spool.append(given[450:])
    assert spool.events == 1_000
    assert numbered(spool) == dict(enumerate(given, start=ORIGIN))
    assert (spool.events, spool.octets) == (0, 0)


def test_the_same_rows_come_again_until_they_are_acknowledged(spool: Spool) -> None:
    spool.append(events(10))
    assert spool.oldest() == spool.oldest()
    spool.acknowledge(spool.oldest())
    assert spool.oldest() == []


def test_a_number_is_never_used_again_even_when_the_spool_was_empty_and_closed(tmp_path: Path) -> None:
    with spool_at(tmp_path) as spool:
        spool.append(events(10))
        numbered(spool)
    with spool_at(tmp_path, origin=5) as spool:
        spool.append(events(1))
        assert list(numbered(spool)) == [ORIGIN + 10]


def test_what_was_spooled_outlives_the_process(tmp_path: Path) -> None:
    with spool_at(tmp_path) as spool:
        spool.append(events(500), through_ns=77)
    with spool_at(tmp_path) as spool:
        assert spool.events == 500
        assert spool.oldest()[-1].through_ns == 77
        assert list(numbered(spool).values()) == events(500)


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    with spool_at(tmp_path) as spool:
        spool.append(events(10))
        for path in tmp_path.iterdir():
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_full_spool_drops_the_oldest_events_and_says_which(spool: Spool) -> None:
    given = events(5_000)
    for at in range(0, len(given), 100):
        spool.append(given[at : at + 100])
        assert spool.octets <= MIB
    batches = spool.oldest()
    assert [batch.kind for batch in batches[:2]] == [Kind.GAP, Kind.EVENTS]
    gap = batches[0].gap
    assert gap is not None
    assert gap.first == ORIGIN
    assert gap.last == batches[1].first - 1
    assert gap.events == gap.last - gap.first + 1 == spool.dropped_events
    assert gap.octets > 300 * gap.events
    rest = numbered(spool)
    assert rest == {n: pair for n, pair in enumerate(given, start=ORIGIN) if n > gap.last}
    assert len(rest) > 2_000


def test_what_is_under_way_to_the_broker_is_not_dropped(spool: Spool) -> None:
    given = events(5_000)
    spool.append(given[:2_000])
    under_way = spool.oldest()
    for at in range(2_000, 5_000, 100):
        spool.append(given[at : at + 100])
    assert spool.oldest()[: len(under_way)] == under_way
    spool.acknowledge(under_way)
    gap = spool.oldest()[0].gap
    assert gap is not None
    assert gap.first == under_way[-1].first + len(under_way[-1].pairs)


def test_a_full_spool_that_may_drop_nothing_refuses_and_takes_again_when_there_is_room(tmp_path: Path) -> None:
    with spool_at(tmp_path, when_full="stop") as spool:
        accepted = filled(spool, words="the spool is full")
        assert spool.events == accepted
        spool.acknowledge(spool.oldest())
        spool.append(events(100, start=accepted))
        assert spool.dropped_events == 0
        assert list(numbered(spool).values())[-1] == events(1, start=accepted + 99)[0]


def test_the_end_is_never_dropped(spool: Spool) -> None:
    spool.append(events(10), end=True)
    for at in range(0, 5_000, 100):
        spool.append(events(100, start=at))
    kinds = []
    while batches := spool.oldest():
        kinds += [batch.kind for batch in batches]
        spool.acknowledge(batches)
    assert kinds.count(Kind.END) == 1
    assert kinds.count(Kind.GAP) == 1


def test_a_capture_is_remembered_together_with_its_events_or_not_at_all(tmp_path: Path) -> None:
    half = Progress(sha256="ab" * 32, name="day.pcap", events=300, finished=False)
    whole = Progress(sha256="ab" * 32, name="day.pcap", events=500, finished=True)
    with spool_at(tmp_path) as spool:
        assert spool.progress(half.sha256) is None
        spool.append(events(300), progress=half)
    with spool_at(tmp_path, when_full="stop") as spool:
        assert spool.progress(half.sha256) == half
        with pytest.raises(SpoolFullError):
            spool.append(events(10_000), progress=whole)
        assert (spool.progress(half.sha256), spool.events) == (half, 300)
        spool.append(events(200), progress=whole, end=True)
        assert spool.progress(half.sha256) == whole


def test_nothing_is_promised_about_time_while_something_waits(spool: Spool) -> None:
    spool.reach(5)
    assert spool.reached() == 5
    spool.append(events(500), through_ns=9)
    assert spool.reached() is None
    assert [batch.through_ns for batch in spool.oldest()] == [None, None, 9]
    numbered(spool)
    assert spool.reached() == 9
    spool.reach(7)
    assert spool.reached() == 9


def test_a_second_process_is_refused_and_the_first_goes_on(spool: Spool, tmp_path: Path) -> None:
    code = f"""
        from pathlib import Path
        from collector.spool import Spool
        Spool(Path({str(tmp_path / "spool.db")!r}), max_bytes=1 << 20, origin=1)
    """
    other = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "another process holds this spool" in other.stderr
    spool.append(events(3))
    assert len(numbered(spool)) == 3


def test_a_file_that_is_no_spool_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    path.write_text("schema: schoolgate/config/1\n" * 100, encoding="ascii")
    before = path.read_bytes()
    with pytest.raises(SpoolError, match="no spool"):
        spool_at(tmp_path)
    assert path.read_bytes() == before
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE cases (id TEXT)")
    other.close()
    with pytest.raises(SpoolError, match="no spool of this version"):
        spool_at(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="nowhere"):
        spool_at(tmp_path / "nowhere")


def test_dropped_and_delivered_events_leave_no_trace_and_room_is_given_back(tmp_path: Path) -> None:
    with spool_at(tmp_path, max_bytes=32 * MIB) as spool:
        for at in range(0, 60_000, 2_000):
            spool.append(events(2_000, start=at))
        numbered(spool)
        spool.append(events(1))
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert sum(map(len, files)) < 12 * MIB
    assert not any(b"000059999....." in octets for octets in files)


def test_once_wiped_no_file_of_an_open_spool_holds_what_has_gone(tmp_path: Path) -> None:
    """The write-ahead log would keep a school's last hour over a week-end."""
    with spool_at(tmp_path) as spool:
        spool.append(events(600))
        delivered = spool.oldest()[:1]
        spool.acknowledge(delivered)
        spool.append(events(600, start=600))
        gone, waits = (each[1].ljust(300, b".") for each in (delivered[0].pairs[-1], events(1, start=1199)[0]))
        assert any(gone in path.read_bytes() for path in tmp_path.iterdir())
        spool.wipe()
        files = [path.read_bytes() for path in tmp_path.iterdir()]
        assert not any(gone in octets for octets in files)
        assert any(waits in octets for octets in files)
        numbered(spool)
        spool.wipe()
        assert not any(b"....." in path.read_bytes() for path in tmp_path.iterdir())
        spool.append(events(1))
        assert len(numbered(spool)) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1536k", "none", str(place)], capture_output=True, text=True, check=False
    )
    if mount.returncode:
        pytest.skip(f"no small disk can be mounted here: {mount.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_named_and_harms_nothing(small_disk: Path) -> None:
    with spool_at(small_disk, max_bytes=64 * MIB) as spool:
        accepted = filled(spool, words="disk of the spool is full")
        assert accepted > 1_000
        assert spool.events == accepted
    with spool_at(small_disk, max_bytes=64 * MIB) as spool:
        assert spool.events == accepted <= FLIGHT_EVENTS
        assert [pair for batch in spool.oldest() for pair in batch.pairs] == events(accepted)


# Appends, drops, hands out, acknowledges, for ever; says what it was told to be safe before it goes on.
WRITER = """
    import os, sys, random
    from pathlib import Path
    from collector.spool import Spool
    from collector.spooled import Progress
    random.seed(int(sys.argv[2]))
    spool = Spool(Path(sys.argv[1]), max_bytes=1 << 20, origin=1000)
    known = spool.progress("day")
    at = known.events if known else 0
    def tell(words):
        os.write(1, words.encode() + b"\\n")
    tell(f"opened {at}")
    while True:
        count = random.choice((1, 50, 200, 450))
        pairs = [(b"d", f"{n:09}".encode().ljust(700, b".")) for n in range(at, at + count)]
        spool.append(pairs, progress=Progress(sha256="day", name="day", events=at + count, finished=False))
        at += count
        tell(f"appended {at}")
        if random.random() < 0.4:
            for batch in (batches := spool.oldest()):
                tell(f"sent {batch.first} {len(batch.pairs)}" if batch.gap is None
                     else f"gap {batch.gap.first} {batch.gap.events}")
            spool.acknowledge(batches)
"""


def test_kill_nine_at_any_moment_loses_nothing_that_was_safe_and_repeats_no_number(tmp_path: Path) -> None:
    appended = 0
    gone: set[int] = set()
    for seed in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path / "spool.db"), str(seed)],
            cwd=ROOT, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert writer.stdout is not None
        # A different moment each time: in the middle of the line that follows, whatever that is.
        lines = [writer.stdout.readline().decode().split() for _ in range(20 + 13 * seed)]
        os.kill(writer.pid, 9)
        lines += [line.decode().split() for line in writer.stdout.read().splitlines(keepends=True) if b"\n" in line]
        writer.wait()
        writer.stdout.close()
        assert int(lines[0][1]) >= appended
        for word, *rest in lines:
            if word == "appended":
                appended = int(rest[0])
            elif word in {"sent", "gap"}:
                gone |= set(range(int(rest[0]), int(rest[0]) + int(rest[1])))
        with spool_at(tmp_path, max_bytes=64 * MIB) as spool:  # all of it may be looked at
            known = spool.progress("day")
            assert known is not None
            # The commit may have happened just before the line that tells of it.
            assert appended <= known.events <= appended + 450
            appended = known.events
            waiting: dict[int, bytes] = {}
            dropped: set[int] = set()
            for batch in spool.oldest():
                waiting.update((n, value) for n, (_, value) in enumerate(batch.pairs, start=batch.first))
                if batch.gap:
                    assert batch.gap.events == batch.gap.last - batch.gap.first + 1
                    dropped |= set(range(batch.gap.first, batch.gap.last + 1))
            for number, value in waiting.items():
                assert value.startswith(f"{number - 1000:09}".encode())
            assert gone | dropped | set(waiting) == set(range(1000, 1000 + appended))
