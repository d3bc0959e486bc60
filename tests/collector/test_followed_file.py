"""How a log is followed while its writer does what writers do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collector.places import PlaceBook
from collector.sources import followed_file
from collector.sources.followed_file import FollowedFile, Line, Place


class Follower:
    """One followed file, and what was said about it."""

    def __init__(self, path: Path, place: Place | None = None) -> None:
        self.said: list[str] = []
        self.file = FollowedFile(path, place=place, say=self.said.append)

    def lines(self) -> list[Line]:
        found: list[Line] = []
        while lines := self.file.lines():
            found += lines
        return found

    def octets(self) -> list[bytes]:
        return [line.octets for line in self.lines()]

    def go_on(self) -> Follower:
        """Return another follower that begins where this one stopped, as after a restart."""
        place = self.file.place
        self.file.close()
        return Follower(self.file.path, place)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "eve.json"


def append(path: Path, octets: bytes) -> None:
    with path.open("ab") as file:
        file.write(octets)


def test_a_file_that_is_not_there_yet_is_read_as_soon_as_it_is(log: Path) -> None:
    follower = Follower(log)
    assert follower.octets() == []
    assert follower.file.place is None
    append(log, b"one\n")
    assert follower.octets() == [b"one"]


def test_half_a_line_waits_for_its_end(log: Path) -> None:
    append(log, b"one\ntw")
    follower = Follower(log)
    assert follower.octets() == [b"one"]
    assert follower.octets() == []
    append(log, b"o\nthree\n")
    assert follower.octets() == [b"two", b"three"]


def test_lines_know_where_they_stand(log: Path) -> None:
    append(log, b"one\n\nthree\n")
    lines = Follower(log).lines()
    assert [(line.at, line.number) for line in lines] == [(0, 1), (4, 2), (5, 3)]


def test_a_file_of_many_portions_is_read_whole(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_file, "READ_OCTETS", 7)
    expected = [f"line {number}".encode() for number in range(50)]
    append(log, b"\n".join(expected) + b"\n")
    lines = Follower(log).lines()
    assert [line.octets for line in lines] == expected
    assert [line.at for line in lines] == [sum(len(each) + 1 for each in expected[:at]) for at in range(50)]


def test_a_renamed_file_is_read_to_its_end_before_the_next_one(log: Path) -> None:
    append(log, b"one\n")
    follower = Follower(log)
    assert follower.octets() == [b"one"]
    append(log, b"two\n")
    log.rename(log.with_suffix(".1"))
    append(log.with_suffix(".1"), b"three\n")
    assert follower.octets() == [b"two", b"three"]
    append(log, b"four\n")
    assert follower.octets() == [b"four"]
    assert (follower.said, follower.file.gaps) == ([], 0)


def test_the_old_file_is_not_let_go_of_before_the_writer_has_begun_the_new_one(log: Path) -> None:
    append(log, b"one\n")
    follower = Follower(log)
    assert follower.octets() == [b"one"]
    log.rename(log.with_suffix(".1"))
    log.touch()  # logrotate's `create`, before the writer is told
    assert follower.octets() == []
    append(log.with_suffix(".1"), b"two\n")
    assert follower.octets() == [b"two"]
    append(log, b"three\n")
    assert follower.octets() == [b"three"]


def test_a_file_that_is_cut_is_read_from_its_start_and_counted(log: Path) -> None:
    append(log, b"one\ntwo\n")
    follower = Follower(log)
    assert follower.octets() == [b"one", b"two"]
    os.truncate(log, 0)
    assert follower.octets() == []
    append(log, b"3\n")
    assert follower.octets() == [b"3"]
    assert follower.file.gaps == 1
    assert "was cut" in follower.said[0]


def test_a_file_that_was_cut_and_has_grown_past_the_place_is_known_by_how_it_begins(log: Path) -> None:
    append(log, b"2026-10-14 one\n")
    follower = Follower(log)
    assert follower.octets() == [b"2026-10-14 one"]
    log.write_bytes(b"2026-10-15 a longer line\nand another one\n")
    assert follower.octets() == [b"2026-10-15 a longer line", b"and another one"]
    assert follower.file.gaps == 1


def test_a_last_line_without_an_end_is_counted_when_its_file_is_left(log: Path) -> None:
    append(log, b"one\nhal")
    follower = Follower(log)
    assert follower.octets() == [b"one"]
    log.rename(log.with_suffix(".1"))
    append(log, b"two\n")
    assert follower.octets() == [b"two"]
    assert follower.file.gaps == 1


def test_an_endless_line_takes_no_more_memory_than_the_bound(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_file, "READ_OCTETS", 64)
    monkeypatch.setattr(followed_file, "MAX_LINE_OCTETS", 256)
    append(log, b"x" * 10_000 + b"\nnext\n")
    follower = Follower(log)
    lines = follower.octets()
    assert max(map(len, lines)) <= 256 + 64
    assert lines[-1] == b"next"


def test_after_a_restart_known_lines_come_as_known_and_new_ones_as_new(log: Path) -> None:
    append(log, b"one\ntwo\n")
    first = Follower(log)
    first.lines()
    second = first.go_on()
    append(log, b"three\n")
    assert [(line.octets, line.known) for line in second.lines()] == [(b"one", True), (b"two", True), (b"three", False)]


def test_half_a_line_before_a_restart_is_new_after_it(log: Path) -> None:
    append(log, b"one\ntw")
    first = Follower(log)
    first.lines()
    second = first.go_on()
    append(log, b"o\n")
    assert [(line.octets, line.known) for line in second.lines()] == [(b"one", True), (b"two", False)]


def test_of_a_large_file_the_header_and_the_last_stretch_are_read_again(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_file, "WARM_OCTETS", 100)
    append(log, b"#separator \\x09\n#fields\tts\n" + b"".join(b"line %04d\n" % number for number in range(1_000)))
    first = Follower(log)
    first.lines()
    second = first.go_on()
    append(log, b"new\n")
    lines = second.lines()
    assert [line.octets for line in lines[:2]] == [b"#separator \\x09", b"#fields\tts"]
    assert lines[2].octets == b"line 0991"
    assert lines[2].at == 26 + 9_910 or lines[2].at == log.read_bytes().index(b"line 0991")
    assert [line.octets for line in lines if not line.known] == [b"new"]


def test_a_file_that_was_rotated_while_nobody_read_is_found_beside_the_new_one(log: Path) -> None:
    append(log, b"one\n")
    first = Follower(log)
    first.lines()
    append(log, b"two\n")
    log.rename(log.with_name("eve.json.1"))
    append(log, b"three\n")
    second = first.go_on()
    assert [line.octets for line in second.lines() if not line.known] == [b"two", b"three"]
    assert second.file.gaps == 0
    assert "rotated while nobody read" in second.said[0]


def test_a_file_that_is_gone_is_told_and_counted(log: Path) -> None:
    append(log, b"one\n")
    first = Follower(log)
    first.lines()
    log.unlink()
    append(log.with_name("other"), b"x")  # so that the number of the file is not given again at once
    append(log, b"three\n")
    second = first.go_on()
    assert [line.octets for line in second.lines() if not line.known] == [b"three"]
    assert second.file.gaps == 1


def test_a_file_that_may_not_be_read_is_told_once_and_tried_again(log: Path) -> None:
    log.mkdir()
    follower = Follower(log)
    assert follower.octets() == []
    assert follower.octets() == []
    assert len(follower.said) == 1
    log.rmdir()
    append(log, b"one\n")
    assert follower.octets() == [b"one"]


def test_places_are_kept_in_a_file_that_names_no_line(tmp_path: Path) -> None:
    said: list[str] = []
    book = PlaceBook(tmp_path / "places.json", say=said.append)
    assert book.load() == {}
    places = {"eve.json": Place(device=1, inode=2, octets=3)}
    book.save(places)
    assert PlaceBook(tmp_path / "places.json", say=said.append).load() == places
    assert (sorted(path.name for path in tmp_path.iterdir()), said) == (["places.json"], [])


@pytest.mark.parametrize(
    "octets", [b"", b"{", b"[]", b'{"schema":"other"}', b'{"schema":"schoolgate/places/1","files":{"a":{"device":-1}}}']
)
def test_a_damaged_file_of_places_is_told_and_stands_for_none(tmp_path: Path, octets: bytes) -> None:
    said: list[str] = []
    (tmp_path / "places.json").write_bytes(octets)
    assert PlaceBook(tmp_path / "places.json", say=said.append).load() == {}
    assert len(said) == 1


def test_places_that_cannot_be_written_are_told_once(tmp_path: Path) -> None:
    said: list[str] = []
    book = PlaceBook(tmp_path / "no folder" / "places.json", say=said.append)
    for octets in (1, 2):
        book.save({"eve.json": Place(device=1, inode=2, octets=octets)})
    assert len(said) == 1
