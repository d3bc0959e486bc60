"""Both stages with their topics in memory: what Kafka does between them, but for Kafka."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zlib import crc32

from collector.encoding import encode
from collector.events import FlowEvent
from rules.checks.example import event
from rules.edge_records import KeptEdges
from rules.edges import Edge
from rules.records import Output, Portion, Record
from rules.rehearsal import World
from rules.rulebook import Rulebook
from rules.sealed_days import SealedDays
from rules.stage_one import StageOne
from rules.stage_two import StageTwo
from rules.state_days import case_day, engine_day
from tests.parts.case_keys import MemoryKeys, a_ring

INPUTS, AGREEMENTS = 3, 4
BROKER_TIME = datetime(2026, 10, 17, 12, 0, tzinfo=UTC)
Story = Iterable[Mapping[str, object]]


def events(story: Story) -> list[FlowEvent]:
    """Return the events of a story of the example world."""
    return [event(changes, number=number) for number, changes in enumerate(story)]


@dataclass(slots=True)
class Task:
    """One partition of one stage: its records, its state, and how far it is."""

    core: Any
    days: SealedDays
    records: list[Record] = field(default_factory=list)
    state: dict[bytes, bytes] = field(default_factory=dict)
    position: int = 0
    spent: int = 0
    """Records before this one are deleted: a day has ended."""
    lying: dict[bytes, bytes] = field(default_factory=dict)
    """The state as it lies in its topic."""
    written: list[bytes] = field(default_factory=list)
    """Every value that was ever written there, as it was."""

    def put(self, *, key: bytes | None, value: bytes, headers: Mapping[str, bytes], at: datetime) -> None:
        """Add one record to the partition."""
        made = Record(key=key, value=value, headers=headers, partition=0, offset=len(self.records), at=at)
        self.records.append(made)

    def portion(self, size: int) -> Any:
        """Take up to so many records, without a commit."""
        return self.core.take(self.records[self.position : self.position + size])

    def commit(self, portion: Portion) -> None:
        """Write down what changed, and destroy the keys of days that are over."""
        self.write(portion)
        self.close_days()

    def write(self, portion: Portion) -> None:
        """Write down what changed, as a judge that is killed before it has destroyed a key."""
        due = self.days.due(portion.state, open_days=self.core.open_days)
        days = self.days.days_in(due)
        self.days.need(days.values())
        _put(due, into=self.state)
        sealed = self.days.sealed(due, days=days)
        _put(sealed, into=self.lying)
        self.written += [body for body in sealed.values() if body is not None]
        self.core.committed(portion)
        self.position = max(self.position, portion.next_offset or 0)
        self.spent = self.position if portion.ends_day else self.spent

    def lose(self, prefix: bytes) -> None:
        """Forget what lies under keys that begin so."""
        for kept in (self.state, self.lying):
            for key in [each for each in kept if each.startswith(prefix)]:
                del kept[key]

    def close_days(self) -> None:
        """Destroy the keys of days that are over."""
        self.days.destroy(self.days.spent(self.core.open_days))


def _put(changes: Mapping[bytes, bytes | None], *, into: dict[bytes, bytes]) -> None:
    for key, body in changes.items():
        if body is None:
            into.pop(key, None)
        else:
            into[key] = body


class Stages:
    """Stage one over some partitions, stage two over others, under one clock.

    Args:
        where: the example district.
        seed: of the sizes of portions.
        day_key: number of an input partition -> key of the tokens of all of its days.
    """

    def __init__(
        self, where: World, *, seed: int = 1, day_key: Callable[[int], bytes] = lambda number: bytes([number + 1]) * 32
    ) -> None:
        self._day_key = day_key
        self.rulebook: Rulebook = where.rulebook
        self.keys = MemoryKeys()
        self.clock = 1_000.0
        self.dead: list[Output] = []
        self.told: list[Output] = []
        self.by_device = [Task(self._one(each, state={}), self._days("engine", each)) for each in range(INPUTS)]
        self.by_agreement = [Task(self._two(each, state={}), self._days("case", each)) for each in range(AGREEMENTS)]
        self._chance = random.Random(seed)  # noqa: S311 -- a seed makes the portions the same every time

    def _one(self, number: int, *, state: dict[bytes, bytes]) -> StageOne:
        return StageOne(
            partition=number, topic="flows", rulebook=self.rulebook, state=state,
            make_key=lambda: self._day_key(number), keys=a_ring(self.keys),
        )  # fmt: skip

    def _two(self, number: int, *, state: dict[bytes, bytes]) -> StageTwo:
        today = date(2026, 10, 14)
        return StageTwo(
            partition=number, topic="findings", rulebook=self.rulebook, today=today, state=state, keys=a_ring(self.keys)
        )

    def _days(self, topic: str, number: int) -> SealedDays:
        day_of = engine_day if topic == "engine" else case_day
        return SealedDays(f"{topic}/{number}", keys=self.keys, day_of=day_of)

    @property
    def tasks(self) -> list[Task]:
        """All of them."""
        return [*self.by_device, *self.by_agreement]

    def send(self, flows: Iterable[FlowEvent], *, at: datetime = BROKER_TIME) -> None:
        """Write events, each to the partition of its device."""
        for flow in flows:
            key = (flow.device or "").encode()
            self.by_device[crc32(key) % INPUTS].put(key=key, value=encode(flow), headers={}, at=at)

    def mark(self, through: str, *, end: bool = False, at: datetime = BROKER_TIME) -> None:
        """Write a control record to every partition, as a collector does."""
        body = json.dumps({"collector": "east", "through": through, "end": end}).encode()
        for task in self.by_device:
            task.put(key=None, value=body, headers={"kind": b"watermark"}, at=at)

    def restart(self) -> None:
        """Make every task anew from its state."""
        for number, task in enumerate(self.by_device):
            task.days = self._days("engine", number)
            task.core = self._one(number, state=task.days.opened(task.lying))
            task.close_days()
        for number, task in enumerate(self.by_agreement):
            task.days = self._days("case", number)
            task.core = self._two(number, state=task.days.opened(task.lying))
            task.close_days()

    def use(self, rulebook: Rulebook) -> None:
        """Go on under another rulebook."""
        self.rulebook = rulebook
        for task in self.tasks:
            task.core.use(rulebook)
            self.step(task, size=0)

    def settle(self, *, restarts: bool = False, tick: float = 60.0) -> None:
        """Judge until nothing is left to take, to do or to tell; the clock goes on by *tick* seconds a step."""
        for step in itertools.count():
            moved = False
            for task in self.tasks:
                moved |= self.work(task)
                if task.position < len(task.records) or task.core.waits(self.clock):
                    self.step(task, size=self._chance.randint(1, 40))
                    moved = True
            if restarts and step % 3 == 1:
                self.restart()
            if not moved and not any(self.work(task) for task in self.tasks):
                return
            self.clock += tick

    def judge(self) -> None:
        """Take what there is into stage one, and do and tell nothing beside it."""
        for task in self.by_device:
            while task.position < len(task.records):
                self.step(task, size=self._chance.randint(1, 40))

    def work(self, task: Task) -> bool:
        """Do what is due beside the judging, and return whether anything was."""
        work = task.core.work(self.clock)
        if work is not None:
            task.core.worked(work())
        return work is not None

    def edges(self) -> tuple[Edge, ...]:
        """Return the edges that the partitions of stage two were told, each once."""
        found = [edge for task in self.by_agreement for edge in KeptEdges(task.state, keys=a_ring(self.keys)).all()]
        return tuple(sorted(found, key=lambda edge: (edge.agreement, edge.party)))

    def cases(self) -> list[dict[str, Any]]:
        """Return the open cases, by id."""
        rows = [row for task in self.by_agreement for row in task.core.everything().rows if row.state == "open"]
        return sorted((json.loads(row.body) for row in rows), key=lambda case: str(case["id"]))

    def errors(self) -> list[str]:
        """Return what the report says went wrong."""
        (frame,) = [part for part in self.by_agreement[0].core.everything().parts if part.name == "frame"]
        found: list[str] = json.loads(frame.body)["errors"]
        return found

    def step(self, task: Task, *, size: int) -> None:
        """Take up to so many records, commit, and carry what is told to stage two."""
        task.core.ran(self.clock)
        portion = task.portion(size)
        task.commit(portion)
        for out in portion.outputs:
            if out.topic == "dead-letters":
                self.dead.append(out)
            if out.topic == "findings":
                self.told.append(out)
                place = crc32(out.key or b"") % AGREEMENTS if out.partition is None else out.partition
                to = self.by_agreement[place]
                to.put(key=out.key, value=out.value, headers=dict(out.headers), at=BROKER_TIME)
