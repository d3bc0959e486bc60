"""Two school days that are lived through Kafka, but for Kafka: real tasks of both stages, a real store, nothing lost.

The broker's time of a record is that of its event; a collector says every few minutes how far it has come, until hours
after the second day. Every record that was ever written is kept, with what a judge has deleted marked as deleted. The
devices are known to the test.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from collector import topics
from collector.encoding import encode
from rules.key_ring import KeyRing
from rules.partition_task import SPENT_KEY
from rules.rulebook import Rulebook, RulebookFiles, load_rulebook
from rules.sealed_days import SealedDays
from rules.small_numbers import quarter_start
from rules.stage_one import StageOne
from rules.stage_two import StageTwo
from rules.state_days import case_day, engine_day
from rules.store import Store
from rules.store.backup import back_up
from tests.parts.memory_topics import MemoryPartition, partitions_of
from tests.parts.two_days import laid_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from collector.events import FlowEvent
    from rules.records import Output, Record
    from tests.parts.school_days import SchoolDays

INPUTS, AGREEMENTS = 3, 2
JUDGED_EVERY: Final = timedelta(minutes=15)
AT_NIGHT: Final = timedelta(hours=1)
COUNTED_EVERY_H: Final = 4
"""Contacts are counted and weighed after so many hours: by the clock of the tasks, and so that tests stay short."""
MARKED_EVERY: Final = timedelta(minutes=5)
AFTER: Final = timedelta(hours=7)
"""So long past the end of the second day it goes on: two hours of grace, what the stages tell one another then, and two
hours until the values that were replaced last are compacted."""
PAST: Final = timedelta(minutes=7, seconds=13)
"""So far past a quarter of an hour the store is written: a time there that was not rounded shows."""
STAGES: Final = ((topics.FLOWS, topics.ENGINE_STATE), (topics.FINDINGS, topics.CASE_STATE))
FULL_NAMES: Final = {
    "findings": topics.FINDINGS, "cases": topics.CASES, "dead-letters": topics.DEAD_LETTERS,
}  # fmt: skip


@dataclass(slots=True)
class _Task:
    """One partition of one stage."""

    core: Any
    days: SealedDays
    input: MemoryPartition
    state: MemoryPartition
    position: int = 0

    def waiting(self) -> Sequence[Record]:
        return self.input.records[max(self.position, self.input.beginning) :]


class DaysThroughKafka:
    """A district whose time passes.

    Args:
        folder: made; holds papers, store and backups.
        days: what there is.
        seed: of the keys of days.
    """

    def __init__(self, folder: Path, *, days: SchoolDays, seed: int) -> None:
        laid_out(days, folder=folder)
        self.folder = folder
        self.now = datetime(2020, 1, 1, tzinfo=UTC)
        self.book: Rulebook = load_rulebook(
            RulebookFiles(
                agreements=folder / "agreements", network=folder / "network.yaml", parties=(folder / "parties.yaml",)
            )
        )
        self.store = Store(f"sqlite:///{folder / 'cases.db'}", clock=lambda: self.now + PAST)
        self.ring = KeyRing(self.store)
        self.drawn: dict[bytes, int] = {}
        """Keys of tokens that were drawn, and by which partition: what the test alone knows of them."""
        self.names: tuple[set[str], ...] = tuple(set() for _ in range(INPUTS))
        """Pseudonyms by partition."""
        self.sums: dict[str, bytes] = {}
        """Findings of devices as they were told last, by id."""
        self.topics = {
            topic: partitions_of(topic, count=count)
            for topic, count in (
                (topics.FLOWS, INPUTS), (topics.ENGINE_STATE, INPUTS), (topics.FINDINGS, AGREEMENTS),
                (topics.CASE_STATE, AGREEMENTS), (topics.CASES, AGREEMENTS), (topics.DEAD_LETTERS, 1),
            )
        }  # fmt: skip
        self._chance = Random(seed)  # noqa: S311 -- keys of a test: the same every time
        self._tasks = [self._opened(stage, number) for stage in (0, 1) for number in range((INPUTS, AGREEMENTS)[stage])]
        self._hour = -1
        self.dates: list[date] = []
        """The local days, ascending."""

    def live(self, events: Iterable[FlowEvent]) -> None:
        """Let the days of *events* pass, and what comes after them."""
        ordered = sorted(events, key=lambda event: event.ended_at)
        ends = [datetime.fromisoformat(event.ended_at) for event in ordered]
        zone = self.book.network.time_zone
        self.dates = sorted({end.astimezone(zone).date() for end in ends})
        begin, last = quarter_start(ends[0]), self.dates[-1]
        end = datetime.combine(last + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC) + AFTER
        taken, at = 0, begin
        while at < end:
            since, at = at, at + (JUDGED_EVERY if bisect_right(ends, at + JUDGED_EVERY) > taken else AT_NIGHT)
            until = bisect_right(ends, at)
            self._send(ordered[taken:until], at=ends[taken:until], since=since, until=at)
            taken, self.now = until, at
            self._judge()
            if at.astimezone(zone).date() != since.astimezone(zone).date():
                self._restart()
        self.backup("at the end")

    def backup(self, name: str) -> None:
        """Do what `store backup` does; the keys of that moment lie beside it."""
        back_up(self.store, self.folder / f"{name}.backup", keys=self.folder / "keys")

    def _opened(self, stage: int, number: int) -> _Task:
        input_, state = (self.topics[topic][number] for topic in STAGES[stage])
        days = SealedDays(f"{STAGES[stage][1]}/{number}", keys=self.store, day_of=(engine_day, case_day)[stage])
        kept = state.newest(self.now)
        kept.pop(SPENT_KEY, None)
        core = (self._one, self._two)[stage](number, state=days.opened(kept))
        return _Task(core=core, days=days, input=input_, state=state)

    def _one(self, number: int, *, state: Mapping[bytes, bytes]) -> StageOne:
        def draw() -> bytes:
            key = self._chance.randbytes(32)
            self.drawn[key] = number
            return key

        return StageOne(
            partition=number, topic=topics.FLOWS, rulebook=self.book, state=state, make_key=draw, keys=self.ring
        )

    def _two(self, number: int, *, state: Mapping[bytes, bytes]) -> StageTwo:
        return StageTwo(
            partition=number, topic=topics.FINDINGS, rulebook=self.book, today=self.now.date(), state=state,
            keys=self.ring,
        )  # fmt: skip

    def _restart(self) -> None:
        """Make every task anew from its state, as midnight passes; a backup is made before."""
        self.backup(f"{self.now:%Y-%m-%d}")
        for place, task in enumerate(self._tasks):
            stage, number = divmod(place, INPUTS)
            self._tasks[place] = self._opened(stage, number)
            self._tasks[place].position = task.position

    def _send(self, events: Sequence[FlowEvent], *, at: Sequence[datetime], since: datetime, until: datetime) -> None:
        """Write events, each to the partition of its device, and how far the collector has come."""
        marks, mark = [], since + MARKED_EVERY
        while mark <= until:
            marks.append(mark)
            mark += MARKED_EVERY
        flows = self.topics[topics.FLOWS]
        for moment, event in sorted([*zip(at, events, strict=True), *((mark, None) for mark in marks)], key=_time):
            if event is None:
                body = json.dumps({"collector": "east", "through": moment.isoformat(), "end": False}).encode()
                for partition in flows:
                    partition.put(key=None, value=body, headers={"kind": b"watermark"}, at=moment)
            else:
                key = (event.device or "").encode()
                number = crc32(key) % INPUTS
                self.names[number].add(str(event.device))
                flows[number].put(key=key, value=encode(event), at=moment)

    def _judge(self) -> None:
        """Judge what has come; contacts are counted when an hour has passed."""
        hour = int(self.now.timestamp()) // 3600 // COUNTED_EVERY_H
        is_hour, self._hour = hour != self._hour, hour
        for task in self._tasks:
            task.core.ran(self.now.timestamp())
            if is_hour:
                task.core.passed(self.now)
            self._step(task)
            work = task.core.work(self.now.timestamp()) if is_hour else None
            if work is not None:
                task.core.worked(work())
                self._step(task)

    def _step(self, task: _Task) -> None:
        """Take what has come in one transaction, as `rules.partition_task` does."""
        records = task.waiting()
        portion = task.core.take(records)
        due = task.days.due(portion.state, open_days=task.core.open_days)
        days = task.days.days_in(due)
        task.days.need(days.values())
        for out in portion.outputs:
            self._tell(out)
        for key, value in task.days.sealed(due, days=days).items():
            task.state.put(key=key, value=value, at=self.now)
        if records:
            task.position = records[-1].offset + 1
        if portion.ends_day:
            task.state.put(key=SPENT_KEY, value=b"%d" % task.position, at=self.now)
        task.core.committed(portion)
        if not isinstance(task.core, StageTwo):
            self.sums |= portion.held.findings
        elif portion.rows or portion.parts:
            self.store.keep(portion.rows, parts=portion.parts)
        if spent := task.days.spent(task.core.open_days):
            task.days.destroy(spent)
        if portion.ends_day:
            task.input.delete_before(task.position)

    def _tell(self, out: Output) -> None:
        partitions = self.topics[FULL_NAMES[out.topic]]
        place = crc32(out.key or b"") % len(partitions) if out.partition is None else out.partition
        partitions[place].put(key=out.key, value=out.value, headers=dict(out.headers), at=self.now)


def _time(told: tuple[datetime, FlowEvent | None]) -> tuple[datetime, bool]:
    return told[0], told[1] is None
