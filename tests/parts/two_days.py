"""Two school days whose devices are known, judged, closed, and what then lies in the store: a breach and its truth.

Every product is paused, so that a finding is made of each device, day and product: the most that there can be.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from rules.case_keys import CaseKey
from rules.counted import unpacked
from rules.day_keys import DayKeys
from rules.metrics import RulesMetrics
from rules.rulebook import RulebookFiles, load_rulebook
from rules.service import EmbeddedService
from rules.store import Position, Store
from rules.store.backup import back_up, read_keys
from tests.parts.school_days import ALL_TWISTS, school_days
from tests.parts.school_days.writing import pseudonym

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from collector.events import FlowEvent
    from rules.windows import Row
    from tests.parts.school_days import SchoolDays

AFTERWARDS = date(2030, 1, 1)
DAYS_LOOKED_THROUGH = 7
"""The generator leaves out week-ends: a day of events is one of so many."""

Device = tuple[int, int]
"""Seed and number: devices of two sets are never the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """What somebody holds who has everything that lies in the store, and, for the test alone, whose it is."""

    classes: tuple[tuple[Device, ...], ...]
    """Devices that sit together: who knows the timetable knows the class."""
    events: tuple[Mapping[Device, list[FlowEvent]], Mapping[Device, list[FlowEvent]]]
    """What each device did on either day: the topic of flows holds it for 72 hours, the store never."""
    known: tuple[Mapping[tuple[Device, str], list[dict[str, Any]]], ...]
    """By day: device and agreement -> the findings of it, as the store held them while the day was open."""
    findings: tuple[Mapping[tuple[Device, str], list[dict[str, Any]]], ...]
    """By day: device and agreement -> what the store holds in place of them, and of others."""
    held: list[dict[str, Any]]
    """All findings that the store holds."""
    rows: tuple[Mapping[tuple[Device, str], list[Row]], ...]
    """By day: device and third party -> counted contacts."""
    cases: list[dict[str, Any]]
    """Open cases, with `evidence`."""
    backup: Path
    """A backup of the evening, when both days were open."""
    evening: list[CaseKey]
    """All keys that there were in the evening."""
    keys: list[CaseKey]
    """Those of the file of keys of the evening, and those that are left in the store."""


def breach(folder: Path, *, seed: int, devices: int = 52, creatures_of_habit: bool = False) -> Breach:
    """Judge two days in *folder*, which is made, and return what is left of them when their keys are destroyed.

    Args:
        folder: made.
        seed: of days and keys.
        devices: how many; they sit in classes of some 25.
        creatures_of_habit: on the second day each device does what it did on the first, at nearly the same times.
    """
    # Where several devices look like one, nobody can be right about which of them it is.
    twists = ALL_TWISTS - {"shared-device", "staff"}
    days = school_days(seed=seed, devices=devices, days=2, vendors=12, sites=20, parties=16, twists=twists)
    chance = Random(seed)  # noqa: S311 -- keys of a test: the same every time
    keys = DayKeys(lambda: chance.randbytes(32))
    store = Store(f"sqlite:///{laid_out(days, folder=folder)}/cases.db")
    try:
        service = _service(store, folder=folder, keys=keys)
        events = again(days, chance=chance) if creatures_of_habit else list(days.events())
        service.judge(events)
        service.commit(None)
        held, known = keys.snapshot(), [json.loads(body) for body in store.findings()]
        back_up(store, folder / "backup", keys=folder / "keys")
        evening = store.live_keys()
        service.close_before(AFTERWARDS)
        keys.destroy_before(AFTERWARDS)
        service.commit(Position(sha256="", name="", events=len(events), finished=True))
        filed = [CaseKey(case_id=r["case_id"], number=r["number"], octets=r["key"]) for r in read_keys(folder / "keys")]
        told = _Truth(days, keys=held, seed=seed).told(store, events=events, known=known)
        return Breach(**told, backup=folder / "backup", evening=evening, keys=[*filed, *store.live_keys()])
    finally:
        store.close()


def again(days: SchoolDays, *, chance: Random) -> list[FlowEvent]:
    """Return the first of *days* and once more the same day, as a person with firm habits would have it."""
    made: list[FlowEvent] = []
    for event in days.events():
        second = event.started_at[:10]
        if made and second != made[0].started_at[:10]:
            break
        made.append(event)
    late_s: dict[str | None, float] = {}
    for event in tuple(made):
        late = late_s.setdefault(event.device, chance.gauss(0, 60)) + chance.gauss(0, 5)
        more = 1 + chance.gauss(0, 0.05)
        made.append(
            replace(
                event,
                id=f"{chance.getrandbits(64):016x}",
                device=(event.device or "")[::-1],
                started_at=_later(event.started_at, by_s=late, day=second),
                ended_at=_later(event.ended_at, by_s=late, day=second),
                bytes_up=int(event.bytes_up * more),
                bytes_down=int(event.bytes_down * more),
            )
        )
    return sorted(made, key=lambda event: event.ended_at)


def _later(stamp: str, *, by_s: float, day: str) -> str:
    at = datetime.fromisoformat(f"{day}{stamp[10:]}") + timedelta(seconds=by_s)
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def laid_out(days: SchoolDays, *, folder: Path) -> Path:
    """Write the papers of *days* into *folder*, every product paused, and return it."""
    (folder / "agreements").mkdir(parents=True)
    for name, text in days.papers.agreements.items():
        paused = {**json.loads(text), "use_gate": {"status": "paused"}}
        (folder / "agreements" / f"{name}.yaml").write_text(json.dumps(paused), encoding="utf-8")
    (folder / "network.yaml").write_text(days.papers.network, encoding="utf-8")
    (folder / "parties.yaml").write_text(days.papers.parties, encoding="utf-8")
    return folder


def _service(store: Store, *, folder: Path, keys: DayKeys) -> EmbeddedService:
    files = RulebookFiles(
        agreements=folder / "agreements", network=folder / "network.yaml", parties=(folder / "parties.yaml",)
    )
    book = load_rulebook(files)
    metrics = RulesMetrics(CollectorRegistry(), rules=book.rule_ids, version="1", compiled=True)
    return EmbeddedService(store=store, rulebook=book, token_key=keys.of, today=AFTERWARDS, metrics=metrics)


def _in_place_of(
    known: Mapping[tuple[Device, str], list[dict[str, Any]]], found: list[dict[str, Any]]
) -> Mapping[tuple[Device, str], list[dict[str, Any]]]:
    """Return of each device the findings that stand for it now: those of its promises, school and day."""
    held: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for each in found:
        held[_matter(each)].append(each)
    return {
        key: [each for matter in {_matter(own) for own in mine} for each in held[matter]] for key, mine in known.items()
    }


def _matter(finding: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("agreement", "rule", "clause", "subject", "day", "school", "verdict", "detail")
    return (*(str(finding[name]) for name in names), str(finding["waived"]))


class _Truth:
    """Knows the keys that the product has destroyed, and so whose token is whose."""

    def __init__(self, days: SchoolDays, *, keys: Mapping[date, bytes], seed: int) -> None:
        self._seed = seed
        self._keys = keys
        self._days = sorted(keys)
        self._classes = [tuple((seed, number) for number in group.devices) for group in days.world.classes]
        everybody = [device for group in self._classes for device in group]
        made = {
            pseudonym(device[1], seed=seed, day=day): device
            for device in everybody
            for day in range(DAYS_LOOKED_THROUGH)
        }
        # A day that is lived again has other pseudonyms: those of the first, read backwards.
        self._named = {**made, **{name[::-1]: device for name, device in made.items()}}

    def told(self, store: Store, *, events: list[FlowEvent], known: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what *store* holds, by whom, as fields of `Breach`; *known*: findings of days while they were open."""
        first = self._days[0].isoformat()
        by_day: tuple[defaultdict[Device, list[FlowEvent]], ...] = (defaultdict(list), defaultdict(list))
        names: tuple[set[str], set[str]] = (set(), set())
        for event in events:
            place = int(event.started_at[:10] != first)
            by_day[place][self._named[str(event.device)]].append(event)
            names[place].add(str(event.device))
        found = [json.loads(body) for body in store.findings()]
        rows = [row for octets in store.states("counted/").values() for row in unpacked(octets).rows]
        cases = [{**json.loads(row.body), "evidence": json.loads(row.evidence)} for row in store.cases().values()]
        return {
            "classes": tuple(self._classes),
            "events": (by_day[0], by_day[1]),
            "known": tuple(self._findings(known, place=place, names=names[place]) for place in (0, 1)),
            "findings": tuple(
                _in_place_of(self._findings(known, place=place, names=names[place]), found) for place in (0, 1)
            ),
            "held": found,
            "rows": tuple(self._rows(rows, place=place, names=names[place]) for place in (0, 1)),
            "cases": cases,
        }

    def _findings(
        self, found: list[dict[str, Any]], *, place: int, names: set[str]
    ) -> Mapping[tuple[Device, str], list[dict[str, Any]]]:
        day = self._days[place]
        agreements = sorted({each["agreement"] for each in found})
        owners = {
            blake2b(f"{day}\x1f{name}\x1f{agreement}".encode(), key=self._keys[day], digest_size=16).hexdigest(): name
            for name in names
            for agreement in agreements
        }
        held: defaultdict[tuple[Device, str], list[dict[str, Any]]] = defaultdict(list)
        for each in found:
            if each["day"] == day.isoformat():
                held[self._named[owners[each["device"]]], each["agreement"]].append(each)
        return held

    def _rows(self, rows: list[Row], *, place: int, names: set[str]) -> Mapping[tuple[Device, str], list[Row]]:
        day = self._days[place]
        owners = dict(self._tokens(day, names=names, parties={row.party for row in rows}))
        held: defaultdict[tuple[Device, str], list[Row]] = defaultdict(list)
        for row in rows:
            if row.day == day:
                held[self._named[owners[row.device]], row.party].append(row)
        return held

    def _tokens(self, day: date, *, names: set[str], parties: set[str]) -> Iterator[tuple[int, str]]:
        for name in names:
            for party in parties:
                digest = blake2b(f"{name}\x1f{party}".encode(), key=self._keys[day], digest_size=6).digest()
                yield int.from_bytes(digest, "big"), name
