"""Two school days as they pass: judged part by part by a clock that moves, and all that is told of them on the way.

`tests.parts.two_days` is a thief of the store at the end; here is who reads along. The devices are known to the test.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry

from rules.coverage import Coverage
from rules.day_keys import DayKeys
from rules.engine import Engine
from rules.metrics import RulesMetrics
from rules.notify.docket import Docket
from rules.notify.outbox import Outbox
from rules.notify.planning import plan
from rules.rulebook import RulebookFiles, load_rulebook
from rules.service import EmbeddedService
from rules.store import Position, Store
from tests.parts.school_days import ALL_TWISTS, school_days
from tests.parts.school_days.writing import pseudonym
from tests.parts.told_everywhere import told_everywhere
from tests.system.desk_visitor import pages_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from collector.events import FlowEvent
    from rules.rulebook import Rulebook
    from tests.parts.school_days import SchoolDays
    from tests.parts.two_days import Device

PART_S = 4 * 3600
PAST_S = 7 * 60 + 13
"""So far past a part of the day its events are judged: a time of the store that was written to the minute shows."""
AFTERWARDS = date(2030, 1, 1)
DAYS_LOOKED_THROUGH = 7
"""The generator leaves out week-ends."""

Steps = Counter[tuple[int, str]]
"""(step of time, label) -> by how much a counter of Prometheus moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LivedDays:
    """What was told, and, for the test alone, whose it is."""

    classes: tuple[tuple[Device, ...], ...]
    """Devices that sit together."""
    events: tuple[Mapping[Device, list[FlowEvent]], Mapping[Device, list[FlowEvent]]]
    """What each device did on either day."""
    told: tuple[Mapping[str, str], Mapping[str, str]]
    """What a reader of everything holds at the end of either day, by the name of the place."""
    counted: Mapping[str, float]
    """The counters of Prometheus that are split by what devices do, at the end: label -> value."""
    store: Path
    """The case store, SQLite, when the keys of both days are destroyed."""
    book: Rulebook
    """What was judged by."""

    def steps(self, place: int, *, every_s: int) -> dict[Device, Steps]:
        """Return by how much each device moves the counters on one day, by the time between two scrapes.

        Args:
            place: 0: the first day.
            every_s: seconds between scrapes.
        """
        own = Engine(
            register=self.book.register, parties=self.book.parties, network=self.book.network, checks=(),
            token_key=lambda _day: b"",
        )  # fmt: skip
        moved: dict[Device, Steps] = {}
        for device, events in self.events[place].items():
            steps: Steps = Counter()
            between: defaultdict[int, list[FlowEvent]] = defaultdict(list)
            for event in events:
                between[int(datetime.fromisoformat(event.ended_at).timestamp()) % 86_400 // every_s].append(event)
            for at, some in between.items():
                own.coverage = Coverage()
                for event in some:
                    own.judge(event)
                for label, flows in _split(own.coverage).items():
                    steps[at, label] += flows
            moved[device] = steps
        return moved


def lived_days(folder: Path, *, seed: int, devices: int = 52) -> LivedDays:
    """Let two days pass in *folder*, which is made.

    Args:
        folder: made.
        seed: of days and keys.
        devices: how many; they sit in classes of some 25.
    """
    # Where several devices look like one, nobody can be right about which of them it is.
    twists = ALL_TWISTS - {"shared-device", "staff"}
    days = school_days(seed=seed, devices=devices, days=2, vendors=12, sites=20, parties=16, twists=twists)
    book = load_rulebook(_laid_out(days, folder=folder))
    passing = _Passing(folder, book=book, seed=seed)
    named = {
        pseudonym(number, seed=seed, day=day): (seed, number)
        for group in days.world.classes
        for number in group.devices
        for day in range(DAYS_LOOKED_THROUGH)
    }
    events = sorted(days.events(), key=lambda event: event.ended_at)
    dates = sorted({event.started_at[:10] for event in events})
    done: list[Mapping[Device, list[FlowEvent]]] = []
    told = []
    for each in dates:
        of_day = [event for event in events if event.started_at[:10] == each]
        told.append(passing.day(of_day))
        of_each: defaultdict[Device, list[FlowEvent]] = defaultdict(list)
        for event in of_day:
            of_each[named[str(event.device)]].append(event)
        done.append(of_each)
    return LivedDays(
        classes=tuple(tuple((seed, number) for number in group.devices) for group in days.world.classes),
        events=(done[0], done[1]),
        told=(told[0], told[1]),
        counted=passing.end(),
        store=folder / "lived.db",
        book=book,
    )


class _Passing:
    """A district whose time passes."""

    def __init__(self, folder: Path, *, book: Rulebook, seed: int) -> None:
        chance = Random(seed)  # noqa: S311 -- keys of a test: the same every time
        self._folder = folder
        self._now = datetime(2020, 1, 1, tzinfo=UTC)
        self._registry = CollectorRegistry()
        self._docket, self._told = Docket(), 0
        self._keys = DayKeys(lambda: chance.randbytes(32))
        self._store = Store(f"sqlite:///{folder / 'lived.db'}", clock=lambda: self._now)
        self._service = EmbeddedService(
            store=self._store, rulebook=book, token_key=self._keys.of, today=AFTERWARDS,
            metrics=RulesMetrics(self._registry, rules=book.rule_ids, version="1", compiled=True),
            clock=self._seconds,
        )  # fmt: skip

    def _seconds(self) -> float:
        return self._now.timestamp()

    def day(self, events: Sequence[FlowEvent]) -> Mapping[str, str]:
        """Judge a day part by part, and return what is told when it is over."""
        parts: defaultdict[int, list[FlowEvent]] = defaultdict(list)
        for event in events:
            parts[int(datetime.fromisoformat(event.ended_at).timestamp()) // PART_S].append(event)
        for part in sorted(parts):
            self._now = datetime.fromtimestamp((part + 1) * PART_S + PAST_S, tz=UTC)
            self._service.judge(parts[part])
            self._service.commit(None)
            self._notify()
        return {**told_everywhere(self._store), **pages_of(self._store, folder=self._folder)}

    def _notify(self) -> None:
        """Tell a channel of what is new, as the notifier does, and go on failing on another."""
        outbox, now = Outbox(self._store.database), int(self._now.timestamp())
        changes = list(self._docket.read(self._store.log(after=self._told)))
        self._told = self._store.log_end()
        for name in ("mail:p@d.example", "webhook:away"):
            items = plan(changes, audience="person", now=self._now, quiet=None, zone=ZoneInfo("UTC"))
            outbox.plan(name, items, planned=self._told, now=now)
        outbox.sent("mail:p@d.example", [item.name for item in items], now=now)
        if items:
            outbox.failed("webhook:away", attempts=1, reason="away", retry_at=now + 60, now=now)

    def end(self) -> Mapping[str, float]:
        """Destroy the keys, write down what is left, and return the counters."""
        self._service.close_before(AFTERWARDS)
        self._keys.destroy_before(AFTERWARDS)
        self._service.commit(Position(sha256="", name="", events=0, finished=True))
        self._store.close()
        return {
            " ".join(*sample.labels.items()): sample.value
            for family in self._registry.collect()
            for sample in family.samples
            if sample.name in {"schoolgate_flows_total", "schoolgate_named_flows_total"}
        }


def _split(coverage: Coverage) -> dict[str, int]:
    """Return what `RulesMetrics.flows` is handed."""
    named = {source: tally.flows for source, tally in coverage.by_name_source.items()}
    return {f"verdict {label}": flows for label, flows in coverage.by_verdict.items() if flows} | {
        f"source {label}": flows for label, flows in named.items() if flows
    }


def _laid_out(days: SchoolDays, *, folder: Path) -> RulebookFiles:
    (folder / "agreements").mkdir(parents=True)
    for name, text in days.papers.agreements.items():
        (folder / "agreements" / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "network.yaml").write_text(days.papers.network, encoding="utf-8")
    (folder / "parties.yaml").write_text(days.papers.parties, encoding="utf-8")
    return RulebookFiles(
        agreements=folder / "agreements", network=folder / "network.yaml", parties=(folder / "parties.yaml",)
    )
