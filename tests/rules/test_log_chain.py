"""The chain of the case log, without any database: no row changes, goes, comes or moves unnoticed."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.store.chain import COLUMNS, FIRST, LINKS, Break, Head, check, digest, linked
from rules.store.rows import LogRow


def columns(row: LogRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in COLUMNS}


def a_chain() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for seq in range(1, 6):
        previous = str(rows[-1]["hash"]) if rows else FIRST
        row = linked(
            seq=seq, case_id=f"c{seq % 2}", version=seq, kind="opened", at="2026-10-16T20:00:00.000000Z",
            entry=json.dumps({"text": f"Zoë {seq}"}, ensure_ascii=False), previous=previous,
        )  # fmt: skip
        rows.append({**columns(row), "previous": row.previous, "hash": row.hash})
    return rows


CHAIN = a_chain()
HEAD = Head(entries=5, hash=str(CHAIN[-1]["hash"]))


def test_the_chain_of_the_property_tests_is_whole() -> None:
    assert check(CHAIN, head=HEAD) == HEAD


@settings(max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_octet_of_any_column_of_any_row_changes_unnoticed(data: st.DataObject) -> None:
    seq = data.draw(st.integers(1, 5))
    column = data.draw(st.sampled_from([*COLUMNS, *LINKS]))
    value = CHAIN[seq - 1][column]
    changed: object
    if isinstance(value, int):
        changed = data.draw(st.integers(-(2**63), 2**63 - 1).filter(lambda other: other != value))
    else:
        octets = bytearray(str(value).encode())
        at = data.draw(st.integers(0, len(octets) - 1))
        octets[at] ^= data.draw(st.integers(1, 255))
        try:
            changed = octets.decode()
        except UnicodeDecodeError:
            changed = None  # what reading the rows makes of it
    rows = [{**row, column: changed} if row["seq"] == seq else row for row in CHAIN]
    found = check(rows, head=HEAD)
    assert isinstance(found, Break)
    assert found.seq == seq


@settings(max_examples=500)
@given(st.lists(st.sampled_from(CHAIN), max_size=8))
def test_no_other_sequence_of_the_same_rows_is_the_log(rows: list[dict[str, object]]) -> None:
    found = check(rows, head=HEAD)
    assert (found == HEAD) == (rows == CHAIN)


@given(st.lists(st.text(max_size=4), min_size=6, max_size=6), st.lists(st.text(max_size=4), min_size=6, max_size=6))
def test_different_columns_are_different_octets_under_the_hash(one: list[str], other: list[str]) -> None:
    hashes = [digest(dict(zip(COLUMNS, values, strict=True))) for values in (one, other)]
    assert (hashes[0] == hashes[1]) == (one == other)


def test_what_moves_from_one_column_to_the_next_is_another_row() -> None:
    values = ["1", "ab", "c", "d", "e", "f"]
    hashes = {digest(dict(zip(COLUMNS, values, strict=True)))}
    for left, right in pairwise(range(6)):
        moved = list(values)
        moved[left], moved[right] = values[left] + values[right], ""
        hashes.add(digest(dict(zip(COLUMNS, moved, strict=True))))
    assert len(hashes) == 6
