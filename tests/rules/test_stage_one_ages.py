"""Stage one over days: what is forgotten after the retention, what is written down again, and what the report says."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

import rules.days
import rules.renewal
import rules.stage_one
from collector.encoding import encode
from collector.events import FlowEvent
from collector.topics import ENGINE_STATE, TOPICS
from rules.checks.example import event
from rules.days import DAY_KEYS, KEPT
from rules.judged_portion import JudgedPortion
from rules.kept_sums import FINDING_KEYS
from rules.records import Record
from rules.rehearsal import world
from rules.rulebook import Rulebook
from rules.shares import read_share
from rules.stage_one import StageOne
from rules.stage_two import StageTwo
from rules.watermarks import SILENT
from tests.parts.case_keys import a_ring

WORLD = world({"use_gate": {"status": "paused"}, "data.access": ["somebody"]})
RULEBOOK = Rulebook(
    agreements=WORLD.agreements, register=WORLD.register, parties=WORLD.parties, network=WORLD.network, locations=None
)
WEDNESDAY = date(2026, 10, 14)
NOON = datetime(2026, 10, 14, 18, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RETENTION = next(timedelta(milliseconds=t.retention_ms) for t in TOPICS if t.name == ENGINE_STATE and t.retention_ms)


def flow(number: int, *, days: int = 0, device: str = "d1") -> FlowEvent:
    """One flow of the morning of Wednesday, or so many days later."""
    made = event({"tls_version": "1.1", "device": device}, number=number)

    def later(stamp: str) -> str:
        return (datetime.fromisoformat(stamp) + days * DAY).isoformat(timespec="microseconds").replace("+00:00", "Z")

    return replace(made, started_at=later(made.started_at), ended_at=later(made.ended_at))


def record(told: FlowEvent, *, offset: int, at: datetime = NOON, collector: str = "east", seq: int = -1) -> Record:
    headers = {"collector": collector.encode(), "seq": b"%d" % (offset if seq < 0 else seq)}
    key = (told.device or "").encode()
    return Record(key=key, value=encode(told), headers=headers, partition=3, offset=offset, at=at)


def changed(one: Record, **changes: Any) -> Record:
    """Return a record like *one*, but for the changes."""
    names = ("key", "value", "headers", "partition", "offset", "at")
    return Record(**({name: getattr(one, name) for name in names} | changes))


def watermark(through: datetime, *, offset: int, at: datetime = NOON, collector: str = "east", end: bool) -> Record:
    body = {"collector": collector, "through": through.isoformat(), "end": end}
    headers = {"kind": b"watermark"}
    return Record(key=None, value=json.dumps(body).encode(), headers=headers, partition=3, offset=offset, at=at)


def keys() -> Callable[[], bytes]:
    numbers: Iterator[int] = itertools.count()
    return lambda: next(numbers).to_bytes(32, "big")


@dataclass(slots=True)
class World:
    """One partition of stage one with its state topic, and stage two behind it."""

    rows: dict[bytes, tuple[datetime, bytes]] = field(default_factory=dict)
    two: StageTwo = field(
        default_factory=lambda: StageTwo(
            partition=0, topic="findings", rulebook=RULEBOOK, today=WEDNESDAY, state={}, keys=a_ring()
        )
    )
    make_key: Callable[[], bytes] = field(default_factory=keys)
    one: StageOne = field(init=False)
    taken: int = 0

    def __post_init__(self) -> None:
        self.restart(NOON)

    def restart(self, at: datetime) -> None:
        """Make the task anew from what the state topic still holds at a time."""
        self.rows = {key: (written, body) for key, (written, body) in self.rows.items() if written + RETENTION > at}
        state = {key: body for key, (_written, body) in self.rows.items()}
        self.one = StageOne(
            partition=3, topic="flows", rulebook=RULEBOOK, state=state, make_key=self.make_key, keys=a_ring()
        )

    def take(self, records: Iterable[Record], *, at: datetime | None = None) -> JudgedPortion:
        """Judge and commit; the broker takes what is written at the time of the last record."""
        records = list(records)
        portion = self.one.take(records)
        written = at or records[-1].at
        for key, body in portion.state.items():
            if body is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = (written, body)
        self.one.committed(portion)
        told = [out for out in portion.outputs if out.topic == "findings"]
        later = [
            Record(key=out.key, value=out.value, headers=dict(out.headers), partition=0, offset=n, at=written)
            for n, out in enumerate(told, start=self.taken)
        ]
        self.taken += len(later)
        self.two.committed(self.two.take(later))
        return portion

    def report(self) -> dict[str, Any]:
        """What surrounds the cases, and the cases."""
        parts = {part.name: json.loads(part.body) for part in self.two.everything().parts}
        cases = {row.id: json.loads(row.body) for row in self.two.everything().rows}
        return {**parts["frame"], "cases": cases}


def flows_of(report: dict[str, Any]) -> int:
    (case,) = [case for case in report["cases"].values() if case["rule"] == "use-paused"]
    flows: int = case["flows"]
    return flows


def use(days: int, *, first: int, at: datetime) -> list[Record]:
    """Three devices use the product, so that there is a case."""
    told = [flow(100 * first + n, days=days, device=f"d{n}") for n in range(3)]
    return [record(one, offset=first + n, at=at) for n, one in enumerate(told)]


def test_each_local_day_has_a_key_of_its_own() -> None:
    here = World()
    here.take([*use(0, first=0, at=NOON), *use(1, first=3, at=NOON + HOUR)])
    told = {key: rules.days.KeptDay(**json.loads(body)) for key, (_, body) in here.rows.items() if DAY_KEYS in key}
    assert set(told) == {b"day/2026-10-14", b"day/2026-10-15"}
    assert len({each.key for each in told.values()}) == 2


def test_the_key_of_a_day_is_written_before_whatever_is_made_with_it_and_only_once() -> None:
    here = World()
    portion = here.take(use(0, first=0, at=NOON))
    written = [key for key in portion.state if key.startswith((DAY_KEYS, FINDING_KEYS, rules.days.SEEN_KEYS))]
    assert written[0] == b"day/2026-10-14"
    again = here.take([record(flow(9), offset=3)])
    assert not [key for key in again.state if key.startswith(DAY_KEYS)]


def test_a_key_is_destroyed_with_its_sums_when_the_flows_of_its_day_are_gone() -> None:
    here = World()
    here.take(use(0, first=0, at=NOON))
    early = here.take([record(flow(7, days=3), offset=3, at=NOON + KEPT - HOUR)])
    assert b"day/2026-10-14" not in early.state
    over = here.take([record(flow(8, days=3), offset=4, at=NOON + KEPT)])
    assert over.state[b"day/2026-10-14"] is None
    here.restart(NOON + KEPT)
    late = here.take([record(flow(50), offset=5, at=NOON + KEPT + HOUR)])
    assert b"day/2026-10-14" in late.state


@pytest.mark.parametrize("restarts", [True, False])
def test_an_event_of_a_day_whose_key_is_gone_loses_no_flow(restarts: bool) -> None:
    here = World()
    here.take(use(0, first=0, at=NOON))
    here.take([record(flow(7, days=3), offset=3, at=NOON + KEPT)])
    if restarts:
        here.restart(NOON + KEPT + HOUR)
    before = flows_of(here.report())
    here.take(use(0, first=4, at=NOON + KEPT + HOUR))
    assert flows_of(here.report()) == before + 3


# Two hours after midnight of Wednesday in the world's zone.
NIGHT = datetime(2026, 10, 15, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize("restarts", [True, False])
def test_a_day_that_was_lived_ends_in_the_night_and_costs_no_flow(restarts: bool) -> None:
    here = World()
    sent = use(0, first=0, at=NOON)
    here.take(sent)
    before = here.report()
    assert not here.take([watermark(NIGHT, offset=3, at=NIGHT - HOUR, end=False)]).ends_day
    assert b"day/2026-10-14" in here.rows
    if restarts:
        here.restart(NIGHT)
    portion = here.take([watermark(NIGHT, offset=4, at=NIGHT, end=False)])
    assert portion.ends_day
    assert not [key for key in here.rows if key.startswith((DAY_KEYS, rules.days.SEEN_KEYS))]
    assert [out for out in portion.outputs if dict(out.headers).get("kind") == b"over"]
    assert flows_of(here.report()) == flows_of(before) == 3
    # What the collector sends again is known, whatever became of its day; what comes late counts.
    again = [changed(one, offset=5 + n, at=NIGHT + HOUR) for n, one in enumerate(sent)]
    assert here.take(again).repeats == 3
    assert not [key for key in here.rows if key.startswith(DAY_KEYS)]
    here.take([record(flow(9, device="d0"), offset=8, at=NIGHT + HOUR)])
    assert flows_of(here.report()) == 4
    assert here.report()["coverage"]["flows"] == 4


def test_a_day_that_came_late_is_opened_anew_and_stays_for_72_hours() -> None:
    here = World()
    here.take(use(0, first=0, at=NOON))
    here.take([watermark(NIGHT, offset=3, at=NIGHT, end=False)])
    first = here.take([record(flow(9), offset=4, at=NIGHT + HOUR)])
    assert b"day/2026-10-14" in first.state
    for hours in range(2, 72):
        now = NIGHT + hours * HOUR
        assert not here.take([watermark(now, offset=3 + hours, at=now, end=False)]).ends_day
    now = NIGHT + HOUR + KEPT
    assert here.take([watermark(now, offset=80, at=now, end=False)]).ends_day


def test_a_collector_that_drains_a_backlog_holds_the_day_open_for_all() -> None:
    here = World()
    here.take([*use(0, first=0, at=NOON), watermark(NOON, offset=3, collector="west", end=False)])
    now = NIGHT + 6 * HOUR
    assert not here.take([watermark(now, offset=4, at=now, end=False)]).ends_day
    late = [record(flow(20 + n, device="d7"), offset=5 + n, at=now, collector="west", seq=n) for n in range(3)]
    assert not here.take(late).ends_day
    assert here.take([watermark(now, offset=9, at=now, collector="west", end=False)]).ends_day
    assert flows_of(here.report()) == 6


def test_sums_whose_key_retention_took_away_are_not_gone_on_with() -> None:
    here = World()
    here.take(use(0, first=0, at=NOON), at=NOON)
    # The sums were written once more, two days after the key.
    here.take(use(0, first=3, at=NOON + 2 * DAY))
    before = flows_of(here.report())
    here.restart(NOON + RETENTION + HOUR)
    assert b"day/2026-10-14" not in here.rows
    assert [key for key in here.rows if key.startswith(FINDING_KEYS)]
    here.take(use(0, first=6, at=NOON + RETENTION + HOUR))
    assert flows_of(here.report()) == before + 3


def test_a_partition_that_is_never_quiet_says_the_same_after_a_restart_however_old_its_sums_are() -> None:
    here = World()
    here.take([*use(0, first=0, at=NOON), record(flow(0, device="d0"), offset=3, collector="west")])
    now, offset = NOON, 4
    for _hour in range(24 * 6):
        now, offset = now + HOUR, offset + 1
        here.take([watermark(now - HOUR, offset=offset, at=now, collector="west", end=False)])
    before = here.report()
    here.restart(now)
    here.take([watermark(now, offset=offset + 1, at=now, collector="west", end=False)])
    assert here.report() == before
    assert before["coverage"]["flows"] == 3
    assert before["duplicates"] == 1
    # Six days later the collector comes back, and sends again what it did not know to have arrived.
    (sent_again,) = [changed(one, offset=offset + 2, at=now) for one in use(0, first=0, at=NOON)[-1:]]
    assert here.take([sent_again]).repeats == 1
    assert here.report() == before


def test_a_partition_in_which_nothing_came_for_days_begins_anew_and_stage_two_adds() -> None:
    here = World()
    here.take(use(0, first=0, at=NOON))
    monday = NOON + 5 * DAY
    here.restart(monday)
    assert here.rows == {}
    here.take(use(5, first=3, at=monday))
    assert here.report()["coverage"]["flows"] == 6
    assert here.report()["cases"]


def test_the_machine_s_time_renews_what_no_record_renews() -> None:
    here = World()
    here.take(use(0, first=0, at=NOON))
    for days in range(1, 6):
        here.one.passed(NOON + days * DAY)
        here.take([], at=NOON + days * DAY)
    here.restart(NOON + 5 * DAY)
    sent_again = [changed(one, offset=one.offset + 3, at=NOON + 5 * DAY) for one in use(0, first=0, at=NOON)]
    assert here.take(sent_again).repeats == 3


def test_nothing_that_is_renewed_tells_of_a_device() -> None:
    here = World()
    here.take(use(0, first=0, at=NOON))
    portion = here.take([watermark(NOON, offset=9, at=NOON + DAY, end=False)])
    assert portion.state
    assert {key.partition(b"/")[0] for key in portion.state} == {b"coverage", b"repeats", b"renewed", b"watermark"}


def test_a_renewal_goes_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules.renewal, "KEYS_A_PORTION", 2)
    here = World()
    names = [f"tap-{number}" for number in range(5)]
    here.take([watermark(NOON, offset=n, collector=name, end=False) for n, name in enumerate(names)])
    renewed: set[bytes] = set()
    for offset in range(10, 16):
        portion = here.take([watermark(NOON, offset=offset, at=NOON + DAY, end=False)])
        assert len(portion.state) <= 2 + 3
        renewed |= set(portion.state)
    assert {b"watermark/" + name.encode() for name in names} | {b"coverage", b"renewed"} <= renewed


def test_an_event_that_comes_in_two_records_is_judged_once_and_told_as_in_check() -> None:
    here = World()
    told = [flow(n, device=f"d{n}") for n in range(3)]
    here.take([record(one, offset=n) for n, one in enumerate(told)])
    # Another collector saw the same capture: other numbers, the same ids.
    again = [record(one, offset=3 + n, collector="west", seq=n) for n, one in enumerate(told)]
    portion = here.take([again[0], changed(again[0], offset=3)])
    assert (portion.duplicates, portion.repeats) == (1, 1)
    here.restart(NOON + HOUR)
    assert here.take(again[1:]).duplicates == 2
    assert here.report()["duplicates"] == 3
    assert here.report()["coverage"]["flows"] == 3


def test_what_finds_no_room_is_counted_and_told_in_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules.stage_one, "MAX_FINDINGS", 2)
    here = World()
    portion = here.take(use(0, first=0, at=NOON))
    assert portion.lost > 0
    assert here.report()["errors"] == [f"{portion.lost} findings found no room; the cases are incomplete"]
    here.restart(NOON + HOUR)
    assert len(here.report()["errors"]) == 1
    # There is room again when the day is over.
    assert here.take([record(flow(90, days=4), offset=9, at=NOON + KEPT)]).lost > 0
    assert here.take([record(flow(91, days=4, device="d8"), offset=10, at=NOON + KEPT)]).lost < portion.lost


def test_ids_that_find_no_room_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules.days, "MAX_IDS", 2)
    assert World().take(use(0, first=0, at=NOON)).unremembered == 1


def test_stage_two_learns_how_far_event_time_has_come_and_when_all_is_at_its_end() -> None:
    here = World()
    here.take([watermark(NOON, offset=0, end=False), watermark(NOON - HOUR, offset=1, collector="west", end=False)])
    assert here.two.watermark == NOON - HOUR
    portion = here.take([watermark(NOON, offset=2, collector="west", end=True)])
    assert here.two.watermark == NOON
    (told,) = portion.outputs
    share = read_share(told.value)
    assert (share.at_work, share.ended) == (1, 1)
    here.take([watermark(NOON, offset=3, end=True)])
    assert here.two.watermark is None


def test_a_watermark_that_moves_within_its_minute_is_not_worth_a_record() -> None:
    here = World()
    here.take([watermark(NOON, offset=0, end=False)])
    assert here.take([watermark(NOON + timedelta(seconds=10), offset=1, end=False)]).outputs == ()
    assert here.take([watermark(NOON + timedelta(seconds=60), offset=2, end=False)]).outputs != ()


def test_a_collector_that_drains_a_backlog_makes_nobody_late_and_is_not_late_itself() -> None:
    here = World()
    here.take([watermark(NOON + DAY, offset=0, end=False), record(flow(1, days=1), offset=1)])
    late = 0
    for number in range(10):
        behind = datetime.fromisoformat(flow(number).started_at) - HOUR
        late += here.take(
            [
                watermark(behind, offset=2 + 3 * number, collector="west", end=False),
                record(flow(100 + number), offset=3 + 3 * number, collector="west"),
                record(flow(200 + number, days=2), offset=4 + 3 * number, at=NOON + 2 * DAY),
            ]
        ).late
    assert late == 0
    assert here.report()["coverage"]["flows"] == 21


def test_a_collector_that_is_silent_for_days_holds_nobody_up() -> None:
    here = World()
    here.take([watermark(NOON - DAY, offset=0, collector="west", end=False)])
    here.take([watermark(NOON + SILENT, offset=1, at=NOON + SILENT - HOUR, end=False)])
    assert here.two.watermark == NOON - DAY
    here.take([watermark(NOON + SILENT, offset=2, at=NOON + SILENT, end=False)])
    assert here.two.watermark == NOON + SILENT
