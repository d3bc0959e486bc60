"""Deletes from the input of a stage what it has judged, once a local day has ended with it (docs/decisions/0040).

It is done beside the judging and never in its way: a broker that is away, or does not let us, is told of once, counted,
and asked again each hour and whenever a partition is opened. What is to go is known from the state of each partition.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from rules.closing import ended
from rules.partition_task import brokers_known
from rules.patience import at_most

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ANSWER_TIMEOUT_S: Final = 20.0


class SpentRecords:
    """The records of one topic that have done their work.

    Args:
        topic: the input of a stage.
        client: how aiokafka's clients reach the broker.
        say: shows one line to a person.
        undeleted: called for each partition of which the broker did not delete what it should.
    """

    def __init__(
        self, topic: str, *, client: Mapping[str, Any], say: Callable[[str], None], undeleted: Callable[[], None]
    ) -> None:
        self._topic = topic
        self._client = dict(client)
        self._say = say
        self._undeleted = undeleted
        self._before: dict[int, int] = {}
        self._due: set[int] = set()
        self._said = ""
        self._work: asyncio.Task[None] | None = None

    def note(self, partition: int, *, before: int | None) -> None:
        """Learn that the records of *partition* below *before*, a committed offset, may go; None: nothing new."""
        if before is not None:
            self._before[partition] = before
            self._due.add(partition)

    @property
    def busy(self) -> bool:
        """Whether something is being deleted."""
        return self._work is not None and not self._work.done()

    def forget(self, partition: int) -> None:
        """Leave *partition* to whoever has it now."""
        self._before.pop(partition, None)
        self._due.discard(partition)

    def again(self) -> None:
        """Ask once more for what the broker has not done."""
        self._due |= self._before.keys()

    def go(self) -> None:
        """Begin to delete what is due, where nothing is under way. What fails in there unforeseen is our fault."""
        if self._work is not None:
            if not self._work.done():
                return
            self._work.result()
            self._work = None
        if self._due:
            due, self._due = sorted(self._due), set()
            self._work = asyncio.create_task(self._delete({number: self._before[number] for number in due}))

    async def leave(self) -> None:
        """Let the broker go, within seconds whatever state it is in; whoever opens the partitions next tries again."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait({self._work})

    async def _delete(self, wanted: Mapping[int, int]) -> None:
        admin = AIOKafkaAdminClient(**self._client)
        reason = ""
        try:
            for partition, before in wanted.items():
                try:
                    await self._ask(admin, partition=partition, before=before)
                except (KafkaError, TimeoutError, OSError) as error:
                    reason = self._why(error)
                    self._undeleted()
                else:
                    if self._before.get(partition) == before:
                        del self._before[partition]
        finally:
            await ended(admin.close())
        if reason and reason != self._said:
            self._say(reason)
        self._said = reason

    async def _ask(self, admin: AIOKafkaAdminClient, *, partition: int, before: int) -> None:
        place = TopicPartition(self._topic, partition)
        async with at_most(ANSWER_TIMEOUT_S, awaited="an answer of the broker"):
            with brokers_known():
                await admin.start()
                await admin.delete_records({place: RecordsToDelete(before)})

    def _why(self, error: Exception) -> str:
        if isinstance(error, TopicAuthorizationFailedError):
            return (
                f"{self._topic}: this judge may not delete what it has judged of days that are over, which stays until "
                "the broker's retention takes it; run `schoolgate kafka setup`"
            )
        told = str(error) or type(error).__name__
        return f"{self._topic}: what was judged of days that are over is not deleted ({told}); asked again each hour"
