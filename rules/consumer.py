"""A consumer of committed records that takes whole batches out of aiokafka instead of one object a record.

aiokafka has no public way to them: the octets of an answer are handed over inside `Fetcher._proc_fetch_request`. Here
its own code runs with two names bound to our walk over these octets, in this consumer alone; everything else (fetches,
positions, rebalances, pauses) stays aiokafka's. Where it looks otherwise inside than it does in the releases that were
looked at, nothing is bound and its records are taken one by one: the same records, dearer. docs/decisions/0014.
"""

from __future__ import annotations

from inspect import signature
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher

from rules.record_batches import FetchedRecords, is_walkable, moment
from rules.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAKEN: Final = (
    "tp", "records", "aborted_transactions", "fetch_offset", "key_deserializer", "value_deserializer", "check_crcs",
    "isolation_level",
)  # fmt: skip
"""What aiokafka makes the records of one partition from."""


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]  # the library has no hints here
    """Reads committed records only, checks sums, and takes no deserializers.

    Args:
        settings: as for AIOKafkaConsumer.
    """

    def __init__(self, *topics: str, **settings: Any) -> None:
        super().__init__(*topics, **settings, isolation_level="read_committed", check_crcs=True)

    async def start(self) -> None:
        """Connect; join the group if there is one."""
        await super().start()
        # What was asked for before this moment comes as aiokafka's own records.
        if _BatchFetcher is not None and type(self._fetcher) is fetcher.Fetcher:
            self._fetcher.__class__ = _BatchFetcher


def records_of(messages: Sequence[Any]) -> Sequence[Record]:
    """Return as records what a `Consumer` gave for one partition."""
    if messages and type(messages[0]) is Record:
        return messages
    return [_record(message) for message in messages]


def takes_batches() -> bool:
    """Return whether aiokafka looks inside as it must for whole batches to be taken out of it."""
    asking = getattr(getattr(fetcher, "Fetcher", None), "_proc_fetch_request", None)
    answered = getattr(fetcher, "FetchResult", None)
    made = getattr(fetcher, "PartitionRecords", None)
    if not isinstance(asking, FunctionType) or answered is None or made is None or asking.__closure__:
        return False
    used = {name for each in (answered.getall, answered.check_assignment) for name in each.__code__.co_names}
    return (
        {"MemoryRecords", "PartitionRecords", "FetchResult"} <= set(asking.__code__.co_names)
        and {"_partition_records", "next_fetch_offset"} <= used
        and tuple(signature(made).parameters) == _TAKEN
    )


class _Answer(fetcher.MemoryRecords):  # type: ignore[misc]
    """What aiokafka splits into batches, and the octets that it would not show."""

    def __init__(self, octets: bytes) -> None:
        super().__init__(octets)
        self.octets = octets


def _partition_records(
    tp: Any, records: _Answer, aborted_transactions: Any, fetch_offset: int, *settings: Any
) -> FetchedRecords | Any:
    """Stand in for `PartitionRecords`; batches of the time before Kafka 0.11 are left to it."""
    if not is_walkable(records.octets):
        return fetcher.PartitionRecords(tp, records, aborted_transactions, fetch_offset, *settings)
    return FetchedRecords(
        records.octets, partition=tp.partition, start=fetch_offset, aborted=aborted_transactions or ()
    )


def _batch_fetcher() -> type | None:
    if not takes_batches():
        return None
    asking = fetcher.Fetcher._proc_fetch_request  # noqa: SLF001 -- see above
    names = {**asking.__globals__, "MemoryRecords": _Answer, "PartitionRecords": _partition_records}
    ours = FunctionType(asking.__code__, names, asking.__name__, asking.__defaults__)
    return type("BatchFetcher", (fetcher.Fetcher,), {"_proc_fetch_request": ours})


_BatchFetcher: Final = _batch_fetcher()


def _record(message: Any) -> Record:
    return Record(
        key=message.key,
        value=message.value,
        headers={name: value or b"" for name, value in message.headers},
        partition=message.partition,
        offset=message.offset,
        at=moment(message.timestamp),
    )
