"""What is told to whom and when, without any store or server."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.life_cycle import Act
from rules.notify.backoff import FIRST_S, LONGEST_S, pause_s, waits
from rules.notify.docket import Change, Docket
from rules.notify.hours import Quiet, Weekly, due
from rules.notify.planning import Audience, Item, begin, digest, event, messages, plan, tells
from rules.store import Store
from tests.rules.told_cases import START, Cases

CHICAGO = ZoneInfo("America/Chicago")
NIGHT = Quiet(start=time(18), end=time(7), but_critical=True)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 -- bounds of it
clocks = st.times().map(lambda at: at.replace(second=0, microsecond=0))


def change(kind: str, *, quiet: bool = False, severity: str = "warning") -> Change:
    by_person = kind in get_args(Act)
    return Change(seq=7, case_id="c", kind=kind, severity=severity, by_person=by_person, quiet=quiet)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "person", "program"),
    [
        ("opened", True, True), ("changed", True, True), ("returned", True, True), ("withdrawn", True, True),
        ("acknowledged", False, True), ("asked", False, True), ("disputed", False, True), ("closed", False, True),
        ("declared", False, True), ("fixed", False, True), ("breach", False, True), ("reopened", False, True),
        ("noted", False, False), ("carried_over", False, False), ("not_reopened", False, False),
    ],
)  # fmt: skip
def test_people_hear_what_was_seen_and_programs_also_what_people_do(kind: str, *, person: bool, program: bool) -> None:
    assert tells(change(kind), "person") == person
    assert tells(change(kind), "program") == program


@pytest.mark.parametrize("audience", ["person", "program"])
def test_a_case_taken_up_is_told_again_only_when_it_ends(audience: Audience) -> None:
    assert not tells(change("changed", quiet=True), audience)
    assert tells(change("withdrawn", quiet=True), audience)


def test_a_new_channel_hears_of_every_open_case_that_nobody_has_taken_up(tmp_path: Path) -> None:
    cases = Cases(Store(f"sqlite:///{tmp_path}/cases.db"))
    for name in ("open", "changed", "taken", "closed", "withdrawn"):
        cases.keep(name)
    cases.keep("changed", groups=["6-8"])
    cases.keep("withdrawn", state="withdrawn")
    cases.store.act("taken", act="acknowledged", by="officer", text="")
    cases.store.act("closed", act="closed", by="officer", text="Declared.")
    told = {item.case_id: item.seq for item in begin(cases.docket(), now=START)}
    assert told == {"open": 1, "changed": 6}
    assert begin(Docket(), now=START) == []


@given(moments, clocks, clocks)
def test_quiet_hours_end_after_they_are_asked_about_at_their_local_time(now: datetime, start: time, end: time) -> None:
    if start == end:
        return
    quiet = Quiet(start=start, end=end, but_critical=False)
    told = quiet.ends(now, zone=CHICAGO)
    if told is None:
        assert due(now, quiet=quiet, severity="critical", zone=CHICAGO) == now
        return
    assert now < told <= now + timedelta(hours=25)
    # In spring an hour is left out, and what would end within it ends an hour later by the clock on the wall.
    local = told.astimezone(CHICAGO)
    assert local.time() == end or local.date() in {datetime(2026, 3, 8).date(), datetime(2027, 3, 14).date()}  # noqa: DTZ001
    assert due(now, quiet=quiet, severity="warning", zone=CHICAGO) == told


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-10-14T17:59:59-05:00", None),
        ("2026-10-14T18:00:00-05:00", "2026-10-15T07:00:00-05:00"),
        ("2026-10-15T00:30:00-05:00", "2026-10-15T07:00:00-05:00"),
        ("2026-10-15T07:00:00-05:00", None),
        ("2026-10-31T23:00:00-05:00", "2026-11-01T07:00:00-06:00"),  # clocks go back in that night
    ],
)
def test_what_arises_at_night_is_told_in_the_morning_and_a_critical_case_at_once(at: str, until: str | None) -> None:
    now = datetime.fromisoformat(at)
    told = datetime.fromisoformat(until) if until else now
    assert due(now, quiet=NIGHT, severity="warning", zone=CHICAGO) == told
    assert due(now, quiet=NIGHT, severity="critical", zone=CHICAGO) == now


def test_quiet_hours_within_a_day_are_quiet_within_it() -> None:
    lunch = Quiet(start=time(12), end=time(13), but_critical=False)
    assert due(
        datetime(2026, 10, 14, 12, 30, tzinfo=CHICAGO), quiet=lunch, severity="critical", zone=CHICAGO
    ) == datetime(2026, 10, 14, 13, tzinfo=CHICAGO)
    assert lunch.ends(datetime(2026, 10, 14, 11, 59, tzinfo=CHICAGO), zone=CHICAGO) is None


def test_a_plan_says_of_each_item_when_it_is_due() -> None:
    evening = datetime(2026, 10, 14, 20, tzinfo=CHICAGO)
    items = plan(
        [change("opened"), change("opened", severity="critical"), change("noted")],
        audience="person", now=evening, quiet=NIGHT, zone=CHICAGO,
    )  # fmt: skip
    morning = datetime(2026, 10, 15, 7, tzinfo=CHICAGO)
    assert [item.due_at for item in items] == [int(morning.timestamp()), int(evening.timestamp())]


@given(moments, st.integers(0, 6), clocks)
def test_the_day_of_the_digest_is_the_last_such_day_and_comes_every_week(now: datetime, weekday: int, at: time) -> None:
    weekly = Weekly(weekday=weekday, at=at)
    last = weekly.last(now, zone=CHICAGO)
    assert last <= now < last + timedelta(days=7, hours=2)
    assert last.astimezone(CHICAGO).weekday() == weekday
    assert weekly.last(last, zone=CHICAGO) == last


def test_a_digest_is_planned_once_a_week_and_never_for_a_week_before_the_channel_began() -> None:
    monday = Weekly(weekday=0, at=time(7))
    began = datetime(2026, 10, 14, 12, tzinfo=CHICAGO)
    assert digest(monday, since=began, now=began + timedelta(days=1), zone=CHICAGO) == []
    assert digest(None, since=began, now=began + timedelta(days=9), zone=CHICAGO) == []
    (item,) = digest(monday, since=began, now=began + timedelta(days=5), zone=CHICAGO)
    assert (item.name, item.case_id) == ("digest/2026-10-19", "")
    (later,) = digest(monday, since=began, now=began + timedelta(days=11), zone=CHICAGO)
    assert later == item


def item(seq: int, case_id: str) -> Item:
    return Item(name=f"entry/{seq}", seq=seq, case_id=case_id, due_at=0)


def test_what_waits_about_one_case_is_one_message_and_the_oldest_goes_first() -> None:
    waiting = [item(4, "b"), item(1, "a"), item(5, "a"), Item(name="digest/x", seq=0, case_id="", due_at=0)]
    told = messages(waiting, ready=lambda _item: True)
    assert [(one.case_id, one.seqs, one.seq) for one in told] == [("", (0,), 0), ("a", (1, 5), 5), ("b", (4,), 4)]


def test_when_a_part_of_a_story_may_be_told_all_of_it_is() -> None:
    waiting = [item(1, "a"), item(2, "b"), item(3, "a")]
    told = messages(waiting, ready=lambda one: one.seq == 3)
    assert [one.items for one in told] == [("entry/1", "entry/3")]


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (["opened"], "opened"), (["opened", "changed", "changed"], "opened"), (["changed"], "changed"),
        (["opened", "withdrawn"], "withdrawn"), (["withdrawn", "returned", "changed"], "returned"),
        (["carried_over", "changed"], "opened"), (["carried_over"], "opened"),
        (["opened", "acknowledged"], "acknowledged"), (["acknowledged", "changed"], "changed"), ([], "opened"),
    ],
)  # fmt: skip
def test_a_message_about_several_entries_says_what_matters_to_who_hears_it(kinds: list[str], told: str) -> None:
    assert event(kinds) == told


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_pauses_grow_and_are_bounded(attempts: int, chance: float) -> None:
    pause = pause_s(attempts, chance=chance)
    assert FIRST_S / 2 <= pause <= LONGEST_S
    assert pause <= pause_s(attempts + 1, chance=chance)


def test_those_who_failed_together_do_not_come_back_together() -> None:
    assert pause_s(8, chance=0.0) == 64
    assert pause_s(8, chance=1.0) == 128


def test_a_retry_that_lies_beyond_every_pause_was_written_under_another_clock() -> None:
    assert waits(105, now=100)
    assert not waits(100, now=100)
    assert not waits(100 + int(LONGEST_S) + 1, now=100)
