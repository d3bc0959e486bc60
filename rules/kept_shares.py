"""What the input partitions told of their part of the coverage, as one task keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.coverage import Coverage
from rules.shares import read_share

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from rules.records import Record
    from rules.shares import Share

COVERAGE_KEYS = b"coverage/"


class KeptShares:
    """The newest share of each input partition, and those that were begun before an older one was forgotten.

    Args:
        state: the state topic's newest value of each key of this partition.
    """

    def __init__(self, state: Mapping[bytes, bytes]) -> None:
        # By input partition and offset: a share that begins anew, where an older one was forgotten, adds to it.
        self._shares: dict[tuple[str, int], Share] = {
            _partition_and_offset(key): read_share(body) for key, body in state.items() if key.startswith(COVERAGE_KEYS)
        }

    def __bool__(self) -> bool:
        return bool(self._shares)

    def __iter__(self) -> Iterator[Share]:
        return iter(self._shares.values())

    @property
    def watermark(self) -> datetime | None:
        """Time, to the minute, that every collector at work has passed in every partition; None: none is at work."""
        newest = {name: share for (name, _since), share in sorted(self._shares.items())}
        return min((share.watermark for share in newest.values() if share.watermark), default=None)

    def coverage(self) -> Coverage:
        """Return what all of them counted."""
        coverage = Coverage()
        for share in self._shares.values():
            coverage.add(share.counted())
        return coverage

    def note(self, record: Record) -> dict[bytes, bytes | None]:
        """Take one record in, and return what changes in the state.

        Raises:
            msgspec.DecodeError: it is no share.
            ValueError: its key is no name.
        """
        share, name = read_share(record.value or b""), (record.key or b"").decode()
        self._shares[name, share.since] = share
        return {b"%s%s/%d" % (COVERAGE_KEYS, name.encode(), share.since): record.value}


def _partition_and_offset(key: bytes) -> tuple[str, int]:
    name, _, since = key.removeprefix(COVERAGE_KEYS).decode().rpartition("/")
    return name, int(since)
