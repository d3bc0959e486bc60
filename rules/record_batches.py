"""Walks the record batches of one answer to a fetch, and gives the records that a reader of committed ones may see.

One object of aiokafka's for each record, and ours made of it, is what half of a reader's time went into; here one
compiled walk makes ours at once. See record_batches.pxd for the C types, and docs/decisions/0014 for the why.
A batch comes from whoever may write to the topic. One that cannot be read, or would become larger than any honest one,
is given as one record that says so, and the next batch follows: docs/decisions/0026.

Source: the guide to Kafka's protocol, "Record Batch" (magic 2), and KIP-98 for markers and aborted transactions.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from aiokafka.errors import CorruptRecordException
from aiokafka.record.util import calc_crc32c

from rules.compression import unpacked
from rules.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

COMPILED = not __file__.endswith(".py")
"""Whether this module runs as compiled code."""

# First offset, length, epoch of the leader, magic, sum, attributes, last offset (counted from the first), first and
# latest time, producer and its epoch, first sequence number, number of records.
_HEAD = struct.Struct(">qiibIhiqqqhii")
_HEAD_OCTETS = 61
_LENGTH_END = 12  # the length counts what comes after itself
_SUMMED = 21  # the sum is over everything from the attributes on
_MAGIC = 2

# What one batch may weigh: its octets when they are decompressed, and something for each record and header, for these
# become objects. Our own programs make batches of 256 KiB at most; as large as a topic takes them, 1 MiB, events would
# be some 9 MiB.
MAX_BATCH_WEIGHT = 16 << 20
_PIECE_WEIGHT = 128

# One go gives as much as the heaviest batch, or as many times the octets of the answer, and the batch with which it is
# exceeded.
_GO_GROWTH = 16

_CODEC = 0x07
_APPEND_TIME = 0x08
_TRANSACTIONAL = 0x10
_CONTROL = 0x20
_ABORT = b"\x00\x00"  # type of a marker, after two octets of version

_MAX_OFFSET = 1 << 62

_NAMES = 4  # headers of one record whose names are known again: ours have two

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 32_503_680_000_000  # the year 3000; a calendar ends in 9999, and whoever adds to a time needs room


# The broker stamps all records of one batch alike.
@lru_cache(maxsize=64)
def moment(milliseconds: int) -> datetime:
    """Return the time of a record, UTC; one before 1970 or after 2999 becomes the first or the last of these years."""
    return _EPOCH + timedelta(milliseconds=min(max(milliseconds, 0), _LAST_MS))


class FetchedRecords:
    """The records of one partition in one answer, in their order; an iterator.

    Args:
        octets: whole batches; the last one may be cut short, for that is how a broker keeps to a limit.
        partition: where they lie.
        start: offset that was asked for; the first batch may begin before it.
        aborted: producer and first offset of each aborted transaction that reaches into the answer.
    """

    def __init__(self, octets: bytes, *, partition: int, start: int, aborted: Iterable[tuple[int, int]]) -> None:
        self.next_fetch_offset = start
        """Where to go on after the record that was given last."""
        self._answer = octets
        self._batch_at = 0
        self._partition = partition
        self._after = start
        self._aborted = sorted((first, producer) for producer, first in aborted)
        self._aborting: set[int] = set()
        self._found: list[Record] = []
        self._given = 0
        # Of the batch that is walked through: its octets, where its records end, and where the next number lies.
        self._octets = octets
        self._view = memoryview(octets)
        self._stop = 0
        self._at = 0
        self._names: list[tuple[str, bytes]] = []
        # How many records and headers the batch may still have, and what may still be given at this go.
        self._pieces = 0
        self._room = 0
        self.__iter__()

    def __iter__(self) -> FetchedRecords:
        """Begin another go. It ends before the answer does when it has become too heavy; the rest is fetched again."""
        self._room = max(MAX_BATCH_WEIGHT, _GO_GROWTH * len(self._answer))
        return self

    def __next__(self) -> Record:
        """Return the next record.

        Raises:
            CorruptRecordException: what comes next is no record batch.
        """
        while self._given >= len(self._found):
            self._settle()
            if self._room <= 0 or not self._next_batch():
                raise StopIteration
        record = self._found[self._given]
        self._given += 1
        self.next_fetch_offset = record.offset + 1
        return record

    def _settle(self) -> None:
        """Go past the batch that was given to its end: its last records may have been compacted away."""
        self._found, self._given = [], 0
        if self._after > self.next_fetch_offset:  # noqa: PLR1730 -- in C this is a comparison, `max` is not
            self.next_fetch_offset = self._after

    def _next_batch(self) -> bool:
        """Read the next batch, if a whole one is left."""
        at, rest = self._batch_at, len(self._answer) - self._batch_at
        if rest < _LENGTH_END:
            return False
        length = int.from_bytes(self._answer[at + 8 : at + 12], "big", signed=True)
        if length + _LENGTH_END < _HEAD_OCTETS:
            raise CorruptRecordException(f"a batch of {length} octets")
        if length + _LENGTH_END > rest:
            return False
        # Whoever asks again after an error is told of the end, and aiokafka fetches anew.
        self._batch_at = len(self._answer)
        head = _HEAD.unpack_from(self._answer, at)
        base, magic, checksum, attributes, delta, producer = head[0], head[3], head[4], head[5], head[6], head[9]
        whole = memoryview(self._answer)[at : at + _LENGTH_END + length]
        if magic != _MAGIC:
            raise CorruptRecordException(f"a batch of format {magic}")
        if calc_crc32c(whole[_SUMMED:]) != checksum:
            raise CorruptRecordException("the sum over a batch is wrong")
        if not 0 <= base < _MAX_OFFSET or delta < 0:
            raise CorruptRecordException("a batch has impossible offsets")
        if not self._is_skipped(base, producer, attributes, head, whole):
            self._found = self._readable(head, whole)
        self._batch_at = at + _LENGTH_END + length
        self._after = base + delta + 1
        return True

    def _is_skipped(self, base: int, producer: int, attributes: int, head: tuple[int, ...], whole: memoryview) -> bool:
        """Return whether nobody may see the batch: it is a marker, or its transaction was aborted."""
        while self._aborted and self._aborted[0][0] <= base:
            self._aborting.add(self._aborted.pop(0)[1])
        if attributes & _CONTROL:
            if producer in self._aborting and self._is_abort(head, whole):
                self._aborting.discard(producer)
            return True
        return bool(attributes & _TRANSACTIONAL) and producer in self._aborting

    def _is_abort(self, head: tuple[int, ...], whole: memoryview) -> bool:
        asked, self.next_fetch_offset = self.next_fetch_offset, 0
        try:
            markers = self._records(head, whole)
        finally:
            self.next_fetch_offset = asked
        if not markers or markers[0].key is None or len(markers[0].key) < 4:
            raise CorruptRecordException("a marker of a transaction does not say which")
        return markers[0].key[2:4] == _ABORT

    def _readable(self, head: tuple[int, ...], whole: memoryview) -> list[Record]:
        """Return the records of a batch whose sum is right: what is wrong in it was so when it was written."""
        try:
            return self._records(head, whole)
        except CorruptRecordException:
            # Finding out may have taken as long as reading the heaviest batch there may be.
            self._room -= MAX_BATCH_WEIGHT
            last = head[0] + head[6]
            if last < self.next_fetch_offset:
                return []
            octets, at = bytes(whole), moment(head[8])
            return [
                Record(key=None, value=octets, partition=self._partition, offset=last, at=at, unreadable=True)
            ]  # fmt: skip

    def _records(self, head: tuple[int, ...], whole: memoryview) -> list[Record]:
        if head[12] == 0:
            return []
        self._octets = unpacked(whole[_HEAD_OCTETS:], codec=head[5] & _CODEC, limit=MAX_BATCH_WEIGHT)
        self._view = memoryview(self._octets)
        self._at, self._stop = 0, len(self._octets)
        self._pieces = (MAX_BATCH_WEIGHT - self._stop) // _PIECE_WEIGHT
        self._take_pieces(head[12])
        first, latest = head[7], head[8]
        found = self._walk(head[0], head[6], head[12], first, moment(latest) if head[5] & _APPEND_TIME else None)
        if self._at != self._stop:
            raise CorruptRecordException("octets are left after the last record of a batch")
        self._room -= MAX_BATCH_WEIGHT - self._pieces * _PIECE_WEIGHT
        # The records hold their own; these would stay as long as the answer does.
        self._octets = b""
        self._view = memoryview(self._octets)
        return found

    def _take_pieces(self, number: int) -> None:
        if not 0 <= number <= self._pieces:
            raise CorruptRecordException("a batch has more records and headers than there is room for")
        self._pieces -= number

    def _walk(self, base: int, last: int, count: int, first: int, appended: datetime | None) -> list[Record]:
        """Read *count* records; *appended* is the time of all of them, None: each has its own, counted from *first*."""
        found = []
        end, wanted = self._stop, self.next_fetch_offset
        at = appended or _EPOCH
        for _ in range(count):
            self._stop = end
            length = self._number()
            if length < 1 or length > end - self._at:
                raise CorruptRecordException("a record is longer than its batch")
            self._stop = self._at + length
            self._at += 1  # the attributes of a record mean nothing yet
            since = self._number()
            if appended is None:
                at = moment(first + since)
            delta = self._number()
            if delta < 0 or delta > last:
                raise CorruptRecordException("a record lies outside its batch")
            key = self._text()
            value = self._text()
            headers = self._headers()
            if self._at != self._stop:
                raise CorruptRecordException("a record is longer than what is in it")
            offset = base + delta
            if offset >= wanted:
                wanted = offset + 1
                found.append(
                    Record(key=key, value=value, headers=headers, partition=self._partition, offset=offset, at=at)
                )
        self._stop = end
        return found

    def _headers(self) -> dict[str, bytes]:
        headers: dict[str, bytes] = {}
        number = self._number()
        self._take_pieces(number)
        for place in range(number):
            at = self._field()
            if at < 0:
                raise CorruptRecordException("a header has no name")
            name = self._name(at, place)
            headers[name] = self._text() or b""
        return headers

    def _name(self, at: int, place: int) -> str:
        """Return the name of a header: nearly always that which the record before had in the same place."""
        octets = self._octets
        length = self._at - at
        if place < len(self._names):
            name, known = self._names[place]
            pattern = known
            if len(known) == length:
                same = 0
                while same < length and octets[at + same] == pattern[same]:
                    same += 1
                if same == length:
                    return name
        found = octets[at : self._at]
        # Whoever may write could stop every reader with a name that is no text.
        name = found.decode("utf-8", "replace")
        if place < len(self._names):
            self._names[place] = (name, found)
        elif place < _NAMES and place == len(self._names):
            self._names.append((name, found))
        return name

    def _text(self) -> bytes | None:
        """Return the octets whose number comes next, None: there are none, which is not the same as an empty text."""
        octets = self._octets
        at = self._field()
        return octets[at : self._at] if at >= 0 else None

    def _field(self) -> int:
        """Go past a field whose length comes first, and return where its octets began; -1: it has none."""
        length = self._number()
        if length < 0:
            if length != -1:
                raise CorruptRecordException("a field has an impossible length")
            return -1
        at = self._at
        if length > self._stop - at:
            raise CorruptRecordException("a field is longer than its record")
        self._at = at + length
        return at

    def _number(self) -> int:
        """Return the next number: seven bits an octet, the lowest first, and the sign in the lowest of all."""
        raw = 0
        for shift in range(0, 70, 7):
            if self._at >= self._stop:
                raise CorruptRecordException("a record is cut short")
            octet = self._view[self._at]
            self._at += 1
            if shift == 63 and octet > 1:
                break
            raw |= (octet & 0x7F) << shift
            if octet < 0x80:
                return (raw >> 1) ^ -(raw & 1)
        raise CorruptRecordException("a number has more than 64 bits")
