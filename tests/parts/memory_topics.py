"""Topics in memory that forget nothing but what is deleted: what a thief of a broker's disks may find of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from collector.topics import TOPICS
from rules.records import Record

_NONE: Mapping[str, bytes] = {}
_AT_ONCE = timedelta()


@dataclass(slots=True, kw_only=True)
class MemoryPartition:
    """The records of one partition, superseded ones too: nobody says when compaction takes them."""

    number: int
    """Which."""
    retention: timedelta | None
    """How long records are kept; None: for ever."""
    replaced: timedelta | None
    """How long a value that was replaced is kept; None: nothing is compacted."""
    records: list[Record] = field(default_factory=list)
    """All that were ever written, by offset."""
    beginning: int = 0
    """Offset of the first record that was not deleted."""

    def put(
        self, *, key: bytes | None, value: bytes | None, at: datetime, headers: Mapping[str, bytes] = _NONE
    ) -> None:
        """Write one record; *at*: by the broker's clock."""
        made = Record(key=key, value=value, headers=headers, partition=self.number, offset=len(self.records), at=at)
        self.records.append(made)

    def delete_before(self, offset: int) -> None:
        """Do what DeleteRecords does."""
        assert offset <= len(self.records), "nobody can delete what is not there"
        self.beginning = max(self.beginning, offset)

    def left(self, at: datetime) -> Iterator[Record]:
        """Yield what lies there at a time."""
        for record in self.records[self.beginning :]:
            if self.retention is None or record.at + self.retention > at:
                yield record

    def compacted(self, at: datetime) -> Iterator[Record]:
        """Yield what lies there when the broker has compacted what it had to by then."""
        newest = {record.key: record for record in self.left(at)}
        for record in self.left(at):
            is_replaced = self.replaced is not None and newest[record.key] is not record
            if not is_replaced or newest[record.key].at + (self.replaced or _AT_ONCE) > at:
                yield record

    def newest(self, at: datetime) -> dict[bytes, bytes]:
        """Return the newest value of each key, as a task restores its state."""
        state: dict[bytes, bytes] = {}
        for record in self.left(at):
            assert record.key is not None
            if record.value is None:
                state.pop(record.key, None)
            else:
                state[record.key] = record.value
        return state


def partitions_of(topic: str, *, count: int) -> list[MemoryPartition]:
    """Return so many empty partitions of a topic of the product, with its retention."""
    (facts,) = [each for each in TOPICS if each.name == topic]
    kept = None if facts.retention_ms is None else timedelta(milliseconds=facts.retention_ms)
    replaced = timedelta(milliseconds=facts.replaced_ms) if "compact" in facts.cleanup else None
    return [MemoryPartition(number=number, retention=kept, replaced=replaced) for number in range(count)]
