"""Our walk over record batches against aiokafka's own reader, and against octets that are no batches."""

from __future__ import annotations

import contextlib
import struct
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.record_batches import MAX_BATCH_WEIGHT, FetchedRecords, moment
from rules.records import Record
from tests.parts.record_batch import (
    ABORT,
    APPEND_TIME,
    CODECS,
    COMMIT,
    CONTROL,
    TRANSACTIONAL,
    Batch,
    Told,
    batch,
    field,
    marker,
    number,
    plain,
    record,
)

PLACE = TopicPartition("flows", 3)


def ours(
    octets: bytes, *, start: int = 0, aborted: tuple[tuple[int, int], ...] = ()
) -> tuple[list[Record], int]:  # fmt: skip
    """Return what our walk makes of an answer, and where it would go on."""
    walk = FetchedRecords(octets, partition=PLACE.partition, start=start, aborted=aborted)
    return list(walk), walk.next_fetch_offset


def as_ours(told: Any) -> Record:
    """Return a record of aiokafka's as one of ours."""
    return Record(
        key=told.key,
        value=told.value,
        headers={name: octets or b"" for name, octets in told.headers},
        partition=told.partition,
        offset=told.offset,
        at=moment(told.timestamp),
    )


def theirs(octets: bytes, *, start: int = 0, aborted: tuple[tuple[int, int], ...] = ()) -> tuple[list[Record], int]:
    """Return what aiokafka makes of it."""
    walk = PartitionRecords(PLACE, MemoryRecords(octets), list(aborted), start, None, None, True, READ_COMMITTED)  # noqa: FBT003 -- its own order
    return list(map(as_ours, walk)), walk.next_fetch_offset


texts = st.none() | st.binary(max_size=40)
tellings = st.tuples(texts, texts, st.lists(st.tuples(st.text(max_size=6), texts), max_size=5))


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, int, tuple[tuple[int, int], ...]]:
    """Draw an answer: batches of all kinds, with gaps, the offset that was asked for, and aborted transactions."""
    octets, base, aborted, open_now = b"", draw(st.integers(0, 1 << 40)), [], set[int]()
    start = base
    for _ in range(draw(st.integers(0, 6))):
        base += draw(st.integers(0, 3))
        producer = draw(st.sampled_from([7, 8]))
        if draw(st.booleans()) and draw(st.booleans()):
            octets += marker(ABORT if producer in open_now else COMMIT, base=base, producer=producer)
            open_now.discard(producer)
            base += 1
            continue
        told = draw(st.lists(tellings, max_size=5))
        # A batch that compaction left empty is a head and nothing else.
        attributes = draw(st.sampled_from(sorted(CODECS))) if told else 0
        attributes |= draw(st.sampled_from([0, APPEND_TIME]))
        if draw(st.booleans()):
            attributes |= TRANSACTIONAL
            if producer not in open_now and draw(st.booleans()):
                aborted.append((producer, base))
                open_now.add(producer)
        last = max(len(told) - 1, 0) + draw(st.integers(0, 3))
        if not octets:
            # A broker begins with the batch in which the offset lies that was asked for.
            start = base + draw(st.integers(0, last))
        octets += batch(told, base=base, attributes=attributes, producer=producer, last=last)
        base += last + 1
    return octets, start, tuple(aborted)


@settings(deadline=None)
@given(answers())
def test_every_answer_gives_what_aiokafka_gives(answer: tuple[bytes, int, tuple[tuple[int, int], ...]]) -> None:
    octets, start, aborted = answer
    assert ours(octets, start=start, aborted=aborted) == theirs(octets, start=start, aborted=aborted)


@settings(deadline=None)
@given(answers(), st.data())
def test_an_answer_that_is_cut_short_gives_its_whole_batches(
    answer: tuple[bytes, int, tuple[tuple[int, int], ...]], data: st.DataObject
) -> None:
    octets, start, aborted = answer
    octets = octets[: data.draw(st.integers(0, len(octets)))]
    assert ours(octets, start=start, aborted=aborted) == theirs(octets, start=start, aborted=aborted)


@settings(deadline=None)
@given(st.lists(tellings, min_size=1, max_size=4), st.sampled_from(sorted(CODECS)), st.data())
def test_octets_that_were_changed_are_told_as_unreadable_or_give_what_aiokafka_gives(
    told: list[Told], number_of_codec: int, data: st.DataObject
) -> None:
    octets = bytearray(batch(told, base=5, attributes=number_of_codec))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(12, len(octets) - 1))] = data.draw(st.integers(0, 127) | st.integers(0, 255))
    octets[16] = 2
    # The sum is made right again, so that it is the walk that has to see what is wrong.
    octets[17:21] = struct.pack(">I", calc_crc32c(bytes(octets[21:])))
    try:
        found = ours(bytes(octets))
    except CorruptRecordException:
        return  # a batch without a place, or one that does not begin where it says
    offsets = [each.offset for each in found[0]]
    assert offsets == sorted(set(offsets))
    assert found[1] > max(offsets, default=0)
    if any(each.unreadable for each in found[0]):
        return
    # aiokafka takes the attributes of a record, one octet, for a number of several where the highest bit is set.
    if number_of_codec or max(octets[61:]) > 0x7F:
        return
    try:
        expected = theirs(bytes(octets))
    except Exception:  # noqa: BLE001 -- where aiokafka fails, in whatever way, ours may be lenient
        return
    assert offsets == [each.offset for each in expected[0]]


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_octets_make_it_fail_in_any_other_way(octets: bytes) -> None:
    for tried in (octets, octets[:16] + b"\x02" + octets[17:]):
        with contextlib.suppress(CorruptRecordException):
            ours(tried)


@settings(deadline=None)
@given(st.binary(max_size=120), st.integers(-1, 9), st.integers(0, 9), st.sampled_from(sorted(CODECS)))
def test_no_records_in_a_batch_with_a_place_make_it_fail_at_all(
    octets: bytes, count: int, last: int, number_of_codec: int
) -> None:
    made = Batch(base=0, records=octets, count=count, last=last, attributes=number_of_codec).octets()
    walk = FetchedRecords(made + batch(plain(b"next"), base=last + 1), partition=3, start=0, aborted=())
    # Whoever has found out that a batch cannot be read makes a pause.
    found = [*walk, *walk]
    assert found[-1].value == b"next"
    assert walk.next_fetch_offset == last + 2


def test_a_wrong_sum_is_an_error_and_what_was_whole_before_it_is_fetched_again() -> None:
    broken = bytearray(batch(plain(b"c"), base=2))
    broken[-1] ^= 1
    walk = FetchedRecords(batch(plain(b"a", b"b"), base=0) + bytes(broken), partition=3, start=0, aborted=())
    assert [next(walk).value, next(walk).value] == [b"a", b"b"]
    with pytest.raises(CorruptRecordException, match="sum"):
        next(walk)
    # As aiokafka's own: the end, and a place from which the broken batch is asked for anew.
    assert next(walk, None) is None
    assert walk.next_fetch_offset == 2


def test_what_an_aborted_transaction_wrote_is_seen_by_nobody_and_the_next_of_its_producer_is() -> None:
    octets = (
        batch(plain(b"aborted"), base=0, attributes=TRANSACTIONAL, producer=7)
        + batch(plain(b"other"), base=1, attributes=TRANSACTIONAL, producer=8)
        + batch(plain(b"without"), base=2)
        + marker(ABORT, base=3, producer=7)
        + batch(plain(b"again"), base=4, attributes=TRANSACTIONAL, producer=7)
        + marker(COMMIT, base=5, producer=7)
    )
    found, following = ours(octets, aborted=((7, 0),))
    assert [each.value for each in found] == [b"other", b"without", b"again"]
    assert following == 6


def test_a_marker_of_an_aborted_transaction_that_says_nothing_is_an_error() -> None:
    wrong = batch(plain(b""), base=1, attributes=TRANSACTIONAL | CONTROL, producer=7)
    with pytest.raises(CorruptRecordException, match="marker"):
        ours(batch(plain(b"x"), base=0, attributes=TRANSACTIONAL, producer=7) + wrong, aborted=((7, 0),))


def test_a_batch_whose_records_were_compacted_away_is_gone_past() -> None:
    assert ours(batch([], base=10, last=4), start=10) == ([], 15)


def test_a_batch_before_what_was_asked_for_leads_nowhere_back() -> None:
    found, following = ours(batch(plain(b"a", b"b", b"c"), base=0), start=2)
    assert [each.offset for each in found] == [2]
    assert following == 3
    assert ours(batch(plain(b"a"), base=0), start=9)[1] == 9


def test_a_name_of_a_header_that_is_no_text_stops_nobody() -> None:
    body = b"\x00" + number(0) * 2 + field(b"k") + field(b"v") + number(1) + field(b"\xff") + field(b"1")
    found, _ = ours(Batch(base=0, records=number(len(body)) + body, count=1, last=0).octets())
    assert found[0].headers == {"�": b"1"}


@pytest.mark.parametrize("milliseconds", [-1, -(1 << 63), (1 << 63) - 1, 1 << 50])
def test_a_time_that_no_calendar_has_stops_nobody(milliseconds: int) -> None:
    made = Batch(base=0, records=record((None, b"v", []), delta=0), count=1, last=0, first=milliseconds)
    found, _ = ours(made.octets())
    assert datetime(1970, 1, 1, tzinfo=UTC) <= found[0].at <= datetime(3000, 1, 1, tzinfo=UTC)
    assert moment(0) == datetime(1970, 1, 1, tzinfo=UTC)


def unreadable(octets: bytes, *, offset: int) -> Record:
    """Return what stands for a batch that nobody can read."""
    at = datetime(2025, 10, 9, 8, 53, 20, 500_000, tzinfo=UTC)
    return Record(key=None, value=octets, partition=3, offset=offset, at=at, unreadable=True)


@pytest.mark.parametrize("number_of_codec", [1, 2, 3, 4])
def test_a_batch_that_would_become_too_large_is_one_record_that_says_so_and_the_others_are_read(
    number_of_codec: int,
) -> None:
    bomb = batch(plain(b"x", bytes(MAX_BATCH_WEIGHT)), base=1, attributes=number_of_codec)
    good = batch(plain(b"a"), base=0, attributes=number_of_codec), batch(plain(b"b"), base=3)
    walk = FetchedRecords(good[0] + bomb + good[1], partition=3, start=0, aborted=())
    found = list(walk)
    assert [each.unreadable for each in found] == [False, True]
    assert found[1] == unreadable(bomb, offset=2)
    assert walk.next_fetch_offset == 3
    # What follows is another go: finding out took as long as the heaviest batch.
    assert [each.value for each in walk] == [b"b"]


def test_what_cannot_be_read_is_one_record_at_the_end_of_its_batch() -> None:
    unknown = batch(plain(b"x", b"y"), base=0, attributes=6)
    garbage = Batch(base=2, records=b"\xff" * 20, count=3, last=2).octets()
    trailing = Batch(base=5, records=record((None, b"x", []), delta=0) + b"\0", count=1, last=0).octets()
    for octets, offset in ((unknown, 1), (garbage, 4), (trailing, 5)):
        assert ours(octets, start=0) == ([unreadable(octets, offset=offset)], offset + 1)
    assert ours(unknown, start=2) == ([], 2)


def test_objects_weigh_as_well_as_octets() -> None:
    many = MAX_BATCH_WEIGHT // 128
    small = b"".join(record((None, None, []), delta=delta) for delta in range(many))
    crowded = Batch(base=0, records=small, count=many, last=many - 1, attributes=4).octets()
    assert ours(crowded) == ([unreadable(crowded, offset=many - 1)], many)
    headers = number(many) + (field(b"") + number(-1)) * many
    body = b"\x00" + number(0) * 2 + number(-1) * 2 + headers
    headed = Batch(base=0, records=number(len(body)) + body, count=1, last=0, attributes=4).octets()
    assert ours(headed) == ([unreadable(headed, offset=0)], 1)


def test_a_negative_number_of_records_makes_no_room() -> None:
    empty = Batch(base=0, records=b"", count=-(1 << 31), last=0, attributes=4).octets()
    assert ours(empty)[0] == [unreadable(empty, offset=0)]


def test_one_go_gives_only_as_much_as_there_is_room_for_and_the_next_goes_on_where_it_ended() -> None:
    large = b"x" * (MAX_BATCH_WEIGHT // 4)
    octets = b"".join(batch(plain(large), base=base, attributes=4) for base in range(6))
    walk = FetchedRecords(octets, partition=3, start=0, aborted=())
    goes = [[each.offset for each in walk] for _ in range(3)]
    assert goes == [[0, 1, 2, 3], [4, 5], []]
    # One at a time it is the same: the end, and aiokafka fetches anew from there.
    walk = FetchedRecords(octets, partition=3, start=0, aborted=())
    assert [next(walk).offset for _ in range(4)] == [0, 1, 2, 3]
    assert next(walk, None) is None
    assert walk.next_fetch_offset == 4


def test_a_large_answer_of_ordinary_records_is_given_at_one_go() -> None:
    # A state as it is restored: 4 MiB, and many times as much when it is decompressed.
    octets, weight, base = b"", 0, 0
    while len(octets) < 4 << 20:
        values = [sha256(b"%d" % offset).hexdigest().encode() * 8 for offset in range(base, base + 500)]
        octets += batch(plain(*values), base=base, attributes=4)
        weight += sum(map(len, values))
        base += len(values)
    assert weight > 10 * len(octets)
    assert len(ours(octets)[0]) == base


@pytest.mark.parametrize("magic", [0, 1])
def test_a_batch_of_an_old_format_is_an_error(magic: int) -> None:
    with pytest.raises(CorruptRecordException, match=f"format {magic}"):
        ours(Batch(base=0, records=b"", count=0, last=0, magic=magic).octets())
