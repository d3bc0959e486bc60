"""Counts on the wire: the same counts give the same octets, and bad octets give a ValueError and nothing else."""

from __future__ import annotations

import zlib
from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import counted
from rules.counted import packed, unpacked
from rules.habits import Habit
from rules.pooled_rows import pooled
from rules.windows import Counts, Row


def counts() -> Counts:
    made = Counts()
    made.visits.update({"@mathlab": 3, "news.example": 1})
    made.quiet.update({"@mathlab": 2})
    made.used.update({("@mathlab", "north", "k-5"): 2, ("@mathlab", "north", "staff"): 1})
    made.bag["adco.example"].update({"@mathlab": 2})
    made.answered["adco.example"].update({"@mathlab": 2})
    made.habits["adco.example", "@mathlab"] = Habit(contacts=2, others=5, answered=1, beside=1)
    made.met.update({"adco.example": 4})
    made.alone.update({"adco.example": 1})
    made.unprompted.update({"adco.example": 1})
    made.others["adco.example"].update({(("news.example", True),): 1})
    made.rows = [
        Row(
            party="adco.example", active=(("@mathlab", True), ("news.example", False)), day=date(2026, 10, 14),
            device=device, school="north", group="k-5", at_ms=1_791_990_000_000, until_ms=1_791_990_000_900,
            flows=1, bytes_up=10, bytes_down=20,
        )
        for device in (7, 5)
    ]  # fmt: skip
    return made


def test_counts_come_back_as_they_were() -> None:
    again = unpacked(packed(counts()))
    want = counts()
    want.rows = pooled(want.rows)
    assert again == want


def test_the_order_of_summing_does_not_show() -> None:
    other = counts()
    other.rows.reverse()
    other.visits = type(other.visits)(dict(reversed(list(other.visits.items()))))
    assert packed(other) == packed(counts())


def test_counts_that_unpack_to_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted, "MAX_OCTETS", 64)
    with pytest.raises(ValueError, match="too large"):
        unpacked(packed(counts()))


def test_counts_of_releases_before_are_read_without_what_each_row_said_of_its_device() -> None:
    whole = msgspec.msgpack.decode(zlib.decompress(packed(counts())))
    assert whole.pop() != []
    whole[7] = [[*row, 17, 3] for row in whole[7]]
    again = unpacked(zlib.compress(msgspec.msgpack.encode(whole)))
    assert again.habits == {}
    assert again.rows == pooled(counts().rows)


def test_a_place_beyond_the_names_is_refused() -> None:
    bomb = counted._Counted([], [], [(3, 1, 1, 0)], [], [], [], [], [], [], [], [])
    with pytest.raises(ValueError, match="index"):
        unpacked(zlib.compress(msgspec.msgpack.encode(bomb)))


@given(st.binary(max_size=200))
def test_any_octets_give_counts_or_a_value_error(octets: bytes) -> None:
    try:
        unpacked(octets)
    except ValueError:
        return
