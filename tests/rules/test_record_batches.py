"""Our walk over record batches against aiokafka's own reader, and against octets that are no batches."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from aiokafka import TopicPartition, codec
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.consumer import records_of
from rules.record_batches import FetchedRecords, is_walkable, moment
from rules.records import Record

HEAD = struct.Struct(">qiibIhiqqqhii")
APPEND_TIME, TRANSACTIONAL, CONTROL = 0x08, 0x10, 0x20
COMMIT, ABORT = b"\x00\x00\x00\x01", b"\x00\x00\x00\x00"
CODECS = {0: bytes, 1: codec.gzip_encode, 2: codec.snappy_encode, 3: codec.lz4_encode, 4: codec.zstd_encode}
PLACE = TopicPartition("flows", 3)

Told = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]


def number(value: int) -> bytes:
    """Return a number as the format has it: zigzag, seven bits an octet."""
    raw, out = (value << 1) ^ (value >> 63), b""
    raw &= (1 << 64) - 1
    while raw > 0x7F:
        out += bytes([raw & 0x7F | 0x80])
        raw >>= 7
    return out + bytes([raw])


def field(octets: bytes | None) -> bytes:
    """Return octets behind their length."""
    return number(-1) if octets is None else number(len(octets)) + octets


def record(told: Told, *, delta: int, since: int = 0) -> bytes:
    """Return one record."""
    key, value, headers = told
    body = b"\x00" + number(since) + number(delta) + field(key) + field(value) + number(len(headers))
    body += b"".join(field(name.encode()) + field(octets) for name, octets in headers)
    return number(len(body)) + body


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One batch, with whatever in its head that a test wants."""

    base: int
    records: bytes
    count: int
    last: int
    attributes: int = 0
    producer: int = -1
    first: int = 1_760_000_000_000
    latest: int = 1_760_000_000_500
    magic: int = 2

    def octets(self) -> bytes:
        """Return it as a broker sends it."""
        body: bytes = CODECS.get(self.attributes & 7, bytes)(self.records)
        rest = struct.pack(
            ">hiqqqhii",
            *(self.attributes, self.last, self.first, self.latest, self.producer, 0, 0, self.count),
        )
        summed = rest + body
        sum_over: int = calc_crc32c(summed)
        return struct.pack(">qiibI", self.base, 9 + len(summed), 0, self.magic, sum_over) + summed


def batch(told: list[Told], *, base: int, attributes: int = 0, producer: int = -1, last: int | None = None) -> bytes:
    """Return a batch of records, one offset after the other."""
    made = b"".join(record(each, delta=delta, since=delta) for delta, each in enumerate(told))
    end = len(told) - 1 if last is None else last
    return Batch(
        base=base, records=made, count=len(told), last=end, attributes=attributes, producer=producer
    ).octets()  # fmt: skip


def marker(kind: bytes, *, base: int, producer: int) -> bytes:
    """Return the marker that ends a transaction."""
    return batch([(kind, b"\x00" * 6, [])], base=base, attributes=TRANSACTIONAL | CONTROL, producer=producer)


def plain(*values: bytes) -> list[Told]:
    """Return records without key or headers."""
    return [(None, value, []) for value in values]


def ours(
    octets: bytes, *, start: int = 0, aborted: tuple[tuple[int, int], ...] = ()
) -> tuple[list[Record], int]:  # fmt: skip
    """Return what our walk makes of an answer, and where it would go on."""
    walk = FetchedRecords(octets, partition=PLACE.partition, start=start, aborted=aborted)
    return list(walk), walk.next_fetch_offset


def theirs(octets: bytes, *, start: int = 0, aborted: tuple[tuple[int, int], ...] = ()) -> tuple[list[Record], int]:
    """Return what aiokafka makes of it."""
    walk = PartitionRecords(PLACE, MemoryRecords(octets), list(aborted), start, None, None, True, READ_COMMITTED)  # noqa: FBT003 -- its own order
    return list(records_of(list(walk))), walk.next_fetch_offset


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
def test_octets_that_were_changed_give_an_error_of_kafkas_or_what_aiokafka_gives(
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
    except (CorruptRecordException, UnsupportedCodecError):
        return
    offsets = [each.offset for each in found[0]]
    assert offsets == sorted(set(offsets))
    assert found[1] > max(offsets, default=0)
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
        is_walkable(tried)
        with contextlib.suppress(CorruptRecordException):
            ours(tried)


@settings(deadline=None)
@given(st.binary(max_size=120), st.integers(-1, 9), st.integers(-2, 9), st.sampled_from(sorted(CODECS)))
def test_no_records_make_it_fail_in_any_other_way(octets: bytes, count: int, last: int, number_of_codec: int) -> None:
    made = Batch(base=0, records=octets, count=count, last=last, attributes=number_of_codec).octets()
    with contextlib.suppress(CorruptRecordException):
        ours(made)


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


def test_a_codec_that_nobody_knows_is_named() -> None:
    with pytest.raises(UnsupportedCodecError, match="codec 6"):
        ours(batch(plain(b"x"), base=0, attributes=6))


def test_batches_of_old_formats_are_left_to_others() -> None:
    old = Batch(base=0, records=b"", count=0, last=0, magic=1).octets()
    assert is_walkable(batch(plain(b"x"), base=0))
    assert not is_walkable(old)
    assert not is_walkable(batch(plain(b"x"), base=0) + old)
    assert is_walkable(b"")
    assert is_walkable(batch(plain(b"x"), base=0)[:20])
