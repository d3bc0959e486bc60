"""Records that a collector sends twice are known again, by a bounded memory that survives in pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.repeats import PIECE, PIECES, LastRecords, mark


def test_a_record_is_known_by_sequence_and_id_together() -> None:
    records = LastRecords()
    records.add([mark(sequence=b"7", event_id="a")])
    assert mark(sequence=b"7", event_id="a") in records
    assert mark(sequence=b"8", event_id="a") not in records
    assert mark(sequence=b"7", event_id="b") not in records


def test_the_oldest_piece_is_forgotten_and_the_rest_is_kept() -> None:
    records = LastRecords()
    records.add(range(PIECE * PIECES))
    assert 0 in records
    records.add([PIECE * PIECES])
    assert 0 not in records
    assert PIECE in records


@given(st.lists(st.integers(0, 3 * PIECE), min_size=1, max_size=30))
def test_what_the_pieces_hold_restores_the_same_memory(portions: list[int]) -> None:
    records, number = LastRecords(), 0
    written: dict[int, bytes] = {}
    for size in portions:
        fresh = range(number, number + size)
        number += size
        written |= records.pieces_with(tuple(fresh))
        records.add(fresh)
    restored = LastRecords.from_pieces(written.values())
    assert {n for n in range(number) if n in restored} == {n for n in range(number) if n in records}
    assert restored.pieces_with((number,)) == records.pieces_with((number,))
