"""A consumer of committed records that takes whole batches out of aiokafka instead of one object a record.

aiokafka has no public way to them: the octets of an answer are handed over inside `Fetcher._proc_fetch_request`. Here
its own code runs with two names bound to our walk over these octets, in this consumer alone; everything else (fetches,
positions, rebalances, pauses) stays aiokafka's. Where it looks otherwise inside than it does in the releases that were
looked at, nothing is read: aiokafka decompresses without a bound. docs/decisions/0014 and 0026.
"""

from __future__ import annotations

import importlib.metadata
from functools import cache
from inspect import signature
from types import FunctionType
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import consumer, fetcher

from rules.closing import ended
from rules.record_batches import FetchedRecords

_TAKEN: Final = (
    "tp", "records", "aborted_transactions", "fetch_offset", "key_deserializer", "value_deserializer", "check_crcs",
    "isolation_level",
)  # fmt: skip
"""What aiokafka makes the records of one partition from."""

_LOOKED_AT: Final = "0.14.0"


class StrangeClientError(Exception):
    """The aiokafka that is installed is none of those whose inside is known here."""

    def __init__(self) -> None:
        version = importlib.metadata.version("aiokafka")
        super().__init__(f"aiokafka {version} is otherwise inside than Schoolgate knows it; install {_LOOKED_AT}")


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]  # the library has no hints here
    """Reads committed records only, as `Record`, checks sums, and takes no deserializers.

    Args:
        settings: as for AIOKafkaConsumer.

    Raises:
        StrangeClientError: nothing could be read in bounds.
    """

    def __init__(self, *topics: str, **settings: Any) -> None:
        if not takes_batches():
            raise StrangeClientError
        super().__init__(*topics, **settings, isolation_level="read_committed", check_crcs=True)

    # aiokafka makes it in `start()`, and it may ask for records before that returns.
    @property
    def _fetcher(self) -> Any:
        return self._batch_fetcher

    @_fetcher.setter
    def _fetcher(self, made: Any) -> None:
        if made is not None:
            made.__class__ = _batch_fetcher()
        self._batch_fetcher = made

    async def leave(self) -> None:
        """Let go of group and broker, within seconds whatever state they are in."""
        if await ended(self.stop()):
            return
        # It waits for an answer of the group before it closes anything.
        if self._fetcher is not None:
            await ended(self._fetcher.close())
        await ended(self._client.close())


def takes_batches() -> bool:
    """Return whether aiokafka looks inside as it must for whole batches to be taken out of it."""
    asking = getattr(getattr(fetcher, "Fetcher", None), "_proc_fetch_request", None)
    answered = getattr(fetcher, "FetchResult", None)
    made = getattr(fetcher, "PartitionRecords", None)
    if not isinstance(asking, FunctionType) or answered is None or made is None or asking.__closure__:
        return False
    used = {name for each in (answered.getall, answered.check_assignment) for name in each.__code__.co_names}
    starting = {"_fetcher", "Fetcher"} <= set(consumer.AIOKafkaConsumer.start.__code__.co_names)
    return (
        starting
        and getattr(consumer, "Fetcher", None) is fetcher.Fetcher
        and {"MemoryRecords", "PartitionRecords", "FetchResult"} <= set(asking.__code__.co_names)
        and {"_partition_records", "next_fetch_offset"} <= used
        and tuple(signature(made).parameters) == _TAKEN
    )


class _Answer(fetcher.MemoryRecords):  # type: ignore[misc]
    """What aiokafka splits into batches, and the octets that it would not show."""

    def __init__(self, octets: bytes) -> None:
        super().__init__(octets)
        self.octets = octets


def _partition_records(
    tp: Any, records: _Answer, aborted_transactions: Any, fetch_offset: int, *_settings: Any
) -> FetchedRecords:  # fmt: skip
    """Stand in for `PartitionRecords`."""
    return FetchedRecords(
        records.octets, partition=tp.partition, start=fetch_offset, aborted=aborted_transactions or ()
    )


@cache
def _batch_fetcher() -> type:
    asking = fetcher.Fetcher._proc_fetch_request  # noqa: SLF001 -- see above
    names = {**asking.__globals__, "MemoryRecords": _Answer, "PartitionRecords": _partition_records}
    ours = FunctionType(asking.__code__, names, asking.__name__, asking.__defaults__)
    return type("BatchFetcher", (fetcher.Fetcher,), {"_proc_fetch_request": ours})
