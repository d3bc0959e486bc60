"""The outbox on SQLite and PostgreSQL: what is planned is told, whatever dies in between."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import time

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.notify.channel import CaseNotice, ChannelDownError, DigestNotice, Notice, NoticeRefusedError
from rules.notify.channels import Channels
from rules.notify.docket import Docket
from rules.notify.hours import Quiet, Weekly
from rules.notify.outbox import Outbox
from rules.notify.planning import Audience, Item, tells
from rules.notify.service import Planner
from rules.notify.worker import Courier, Surroundings
from rules.small_numbers import STEP_S
from rules.store import StepRefusedError, Store, schema
from tests.rules.told_cases import PLACE, Cases, Hands

FATES = ("told", "dies before", "dies after", "down", "refused")


class Died(BaseException):
    """The process is no more."""


@dataclass
class Letterbox:
    """A channel whose fate a test decides; what reached the recipient is in `got`."""

    name: str = "box"
    audience: Audience = "program"
    fates: Iterator[str] = field(default_factory=lambda: itertools.repeat("told"))
    got: list[Notice] = field(default_factory=list)
    tried: int = 0

    @contextlib.contextmanager
    def connect(self) -> Iterator[Letterbox]:
        yield self

    def send(self, notice: Notice) -> None:
        self.tried += 1
        fate = next(self.fates, "told")
        if fate == "dies before":
            raise Died
        if fate == "down":
            raise ChannelDownError("nobody is there")
        if fate == "refused":
            raise NoticeRefusedError("not this one")
        self.got.append(notice)
        if fate == "dies after":
            raise Died

    def trial(self) -> str:
        return "works"


class Process:
    """Plans and tells over a store, as long as it lives."""

    def __init__(self, store: Store, box: Letterbox, *, hands: Hands, **more: Quiet | Weekly) -> None:
        parts: dict[str, Quiet | Weekly | None] = {"quiet": None, "weekly": None, **more}
        channels = Channels(messages=(box,), alertmanagers=(), place=PLACE, **parts)  # type: ignore[arg-type] # one each
        self.outbox = Outbox(store.database)
        self.said: list[str] = []
        self._planner = Planner(store, outbox=self.outbox, channels=channels, clock=hands)
        around = Surroundings(
            store=store, outbox=self.outbox, snapshot=self._planner.snapshot, standing=self._planner.standing,
            may_send=lambda: True, clock=hands, chance=lambda: 0.5, say=self.said.append,
        )  # fmt: skip
        self._courier = Courier(box, around=around)

    def begin(self) -> None:
        self._planner.begin()

    def step(self) -> None:
        self._planner.step()
        self._courier.step()


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def cases(store_address: str, hands: Hands) -> Iterator[Cases]:
    store = Store(store_address, clock=hands)
    yield Cases(store)
    store.close()


numbers = itertools.count()
acts = st.sampled_from(["open", "worse", "more", "withdrawn", "acknowledged", "closed", "reopened"])
stories = st.lists(st.one_of(st.tuples(st.integers(0, 2), acts), st.just("step")), min_size=1, max_size=14)


def live(cases: Cases, name: str, act: str, *, turn: int) -> None:
    if act in {"acknowledged", "closed", "reopened"}:
        if cases.store.case(name) is not None:
            with contextlib.suppress(StepRefusedError):
                cases.store.act(name, act=act, by="officer", text="Because.")  # type: ignore[arg-type] # one of them
    elif act == "withdrawn":
        cases.keep(name, state="withdrawn")
    else:
        cases.keep(
            name, severity="critical" if act == "worse" else "warning", groups=[str(turn)] if act == "more" else []
        )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories, fates=st.lists(st.sampled_from(FATES), max_size=8))
def test_whatever_dies_and_fails_every_entry_is_told_and_without_a_fault_exactly_once(
    cases: Cases, hands: Hands, story: list[tuple[int, str] | str], fates: list[str]
) -> None:
    number = next(numbers)
    box = Letterbox(name=f"box-{number}", fates=iter(fates))
    begin = cases.store.log_end()
    Outbox(cases.store.database).plan(box.name, (), planned=begin, now=int(hands.at.timestamp()))
    process = Process(cases.store, box, hands=hands)
    for turn, each in enumerate([*story, *["step"] * 2 * (len(fates) + 1)]):
        if isinstance(each, tuple):
            live(cases, f"{number}-{each[0]}", each[1], turn=turn)
            continue
        hands.pass_(1000)
        try:
            process.step()
        except Died:
            process = Process(cases.store, box, hands=hands)
    _told_exactly(cases, box, begin=begin, faultless=not set(fates) - {"told"})
    assert process.outbox.waiting(box.name) == []
    assert process.outbox.reason(box.name) == ""


def _told_exactly(cases: Cases, box: Letterbox, *, begin: int, faultless: bool) -> None:
    docket, wanted = Docket(), dict[str, list[int]]()
    for change in docket.read(cases.store.log()):
        if change.seq > begin and tells(change, "program"):
            wanted.setdefault(change.case_id, []).append(change.seq)
    told: dict[str, list[int]] = {}
    for notice in box.got:
        assert isinstance(notice, CaseNotice)
        told.setdefault(notice.standing.case_id, []).append(notice.seq)
    assert {name: seqs[-1] for name, seqs in wanted.items()} == {name: max(seqs) for name, seqs in told.items()}
    for name, seqs in told.items():
        assert set(seqs) <= set(wanted[name])
        # A repeat carries the id of what it repeats, and nothing is told after something newer of the same case.
        assert seqs == sorted(seqs)
        assert not faultless or len(set(seqs)) == len(seqs)


def test_each_entry_is_a_message_of_its_own_where_there_is_time_between(cases: Cases, hands: Hands) -> None:
    box = Letterbox()
    process = Process(cases.store, box, hands=hands)
    process.step()
    for act in ("open", "more", "acknowledged", "worse", "closed"):
        live(cases, "c", act, turn=1)
        process.step()
        process.step()
    assert [notice.id for notice in box.got] == ["c.1", "c.2", "c.3", "c.4", "c.5"]
    assert [getattr(notice, "event", "") for notice in box.got] == [
        "opened", "changed", "acknowledged", "changed", "closed",
    ]  # fmt: skip
    assert process.outbox.told("c") == {"box": int(hands.at.timestamp())}


def test_a_channel_that_is_away_is_asked_less_and_less_and_says_why(cases: Cases, hands: Hands) -> None:
    box = Letterbox(fates=itertools.repeat("down"))
    process = Process(cases.store, box, hands=hands)
    cases.keep("c")
    for _again in range(100):
        process.step()
        hands.pass_(6)
    assert 7 <= box.tried <= 12
    state = process.outbox.channel("box")
    assert state is not None
    assert (state.reason, state.failing_since, state.attempts) == ("nobody is there", 1791990000, box.tried)
    assert process.outbox.overdue("box", now=int(hands.at.timestamp()))[0] == 1
    assert len(process.said) == 1  # not one line for each try
    box.fates = iter(())
    hands.pass_(1000)
    process.step()
    state = process.outbox.channel("box")
    assert state is not None
    assert (state.reason, state.failing_since, state.attempts) == ("", None, 0)
    assert process.said[1:] == ["box: works again"]
    assert len(box.got) == 1


def test_what_waits_about_one_case_is_one_message_that_is_overdue(cases: Cases, hands: Hands) -> None:
    process = Process(cases.store, Letterbox(fates=itertools.repeat("down")), hands=hands)
    for act in ("open", "more", "worse"):
        live(cases, "c", act, turn=1)
        process.step()
    cases.keep("other")
    process.step()
    assert len(process.outbox.waiting("box")) == 4
    assert process.outbox.overdue("box", now=int(hands.at.timestamp()))[0] == 2


def test_a_message_that_is_refused_for_ever_stays_visible_and_keeps_nothing_else_back(
    cases: Cases, hands: Hands
) -> None:
    box = Letterbox(fates=itertools.chain(["refused"], itertools.repeat("told")))
    process = Process(cases.store, box, hands=hands)
    cases.keep("bad")
    process.step()
    cases.keep("good")
    process.step()
    assert [notice.id for notice in box.got] == ["good.2"]
    assert process.outbox.reason("box") == "not this one"
    assert process.outbox.overdue("box", now=int(hands.at.timestamp()))[0] == 1
    hands.pass_(60)
    process.step()
    assert [notice.id for notice in box.got] == ["good.2", "bad.1"]


def test_a_clock_that_is_set_back_holds_nothing_back(cases: Cases, hands: Hands) -> None:
    box = Letterbox(fates=iter(["refused", "down"]))
    process = Process(cases.store, box, hands=hands)
    cases.keep("c")
    process.step()
    hands.pass_(-90 * 86_400)
    process.step()
    hands.pass_(-90 * 86_400)
    process.step()
    assert len(box.got) == 1


def test_who_begins_to_send_tries_everything_at_once(cases: Cases, hands: Hands) -> None:
    box = Letterbox(fates=iter([*["refused"] * 8, *["down"] * 8]))
    process = Process(cases.store, box, hands=hands)
    cases.keep("c")
    for _hour in range(20):
        process.step()
        hands.pass_(901)
        if box.tried == 16:
            break
    # Somebody mended it, and a new process begins.
    box.fates = iter(())
    process = Process(cases.store, box, hands=hands)
    process.begin()
    process.step()
    assert [notice.id for notice in box.got] == ["c.1"]


def test_what_arises_in_quiet_hours_waits_for_their_end_and_is_not_overdue(cases: Cases, hands: Hands) -> None:
    # 20:00 in Chicago.
    hands.pass_(10 * 3600)
    quiet = Quiet(start=time(18), end=time(7), but_critical=True)
    box = Letterbox()
    process = Process(cases.store, box, hands=hands, quiet=quiet)
    process.step()
    cases.keep("later", severity="warning")
    cases.keep("now", severity="critical")
    process.step()
    assert [notice.id for notice in box.got] == ["now.2"]
    assert process.outbox.overdue("box", now=int(hands.at.timestamp())) == (0, 0)
    hands.pass_(11 * 3600)
    process.step()
    assert [notice.id for notice in box.got] == ["now.2", "later.1"]


def test_a_digest_of_all_open_cases_goes_out_once_a_week_to_people(cases: Cases, hands: Hands) -> None:
    box = Letterbox(audience="person")
    weekly = Weekly(weekday=3, at=time(7))
    cases.keep("open")
    cases.keep("closed")
    cases.store.act("closed", act="closed", by="officer", text="Declared.")
    process = Process(cases.store, box, hands=hands, weekly=weekly)
    process.step()
    box.got.clear()
    for _day in range(9):
        for _again in range(2):
            process.step()
        process = Process(cases.store, box, hands=hands, weekly=weekly)
        hands.pass_(86_400)
    (first, second) = box.got
    assert isinstance(first, DigestNotice)
    assert [notice.id for notice in (first, second)] == ["digest.2026-10-15", "digest.2026-10-22"]
    assert [standing.case_id for standing in first.standings] == ["open"]


def test_what_was_told_long_ago_is_forgotten_and_what_waits_never(cases: Cases, hands: Hands) -> None:
    outbox = Outbox(cases.store.database)
    now = int(hands.at.timestamp())
    items = [Item(name=f"entry/{seq}", seq=seq, case_id="c", due_at=now) for seq in (1, 2)]
    outbox.plan("box", items, planned=2, now=now)
    outbox.sent("box", ["entry/1"], now=now)
    outbox.plan("box", (), planned=1, now=now + 401 * 86_400)
    assert outbox.told("c") == {}
    assert [one.item.name for one in outbox.waiting("box")] == ["entry/2"]
    state = outbox.channel("box")
    assert state is not None
    assert state.planned == 2  # a channel never goes back


def test_what_is_over_is_kept_to_the_quarter_of_an_hour_and_what_is_to_be_tried_to_the_second(
    cases: Cases, hands: Hands
) -> None:
    """A case opens when a device shows something: its message told when that was."""
    outbox = Outbox(cases.store.database)
    quarter = int(hands.at.timestamp())
    now, quiet_ends = quarter + 437, quarter + 3_600 + 611
    due = {"entry/1": now, "entry/2": now, "entry/3": quiet_ends}
    items = [Item(name=name, seq=seq, case_id="c", due_at=at) for seq, (name, at) in enumerate(due.items(), start=1)]
    outbox.plan("box", items, planned=3, now=now)
    outbox.refused("box", ["entry/1", "entry/2"], attempts=1, reason="busy", retry_at=now + 7)
    waiting = {one.item.name: (one.item.due_at, one.retry_at) for one in outbox.waiting("box")}
    assert waiting == {"entry/1": (quarter, now + 7), "entry/2": (quarter, now + 7), "entry/3": (quiet_ends, 0)}
    outbox.failed("box", attempts=1, reason="away", retry_at=now + 9, now=now)
    state = outbox.channel("box")
    assert state is not None
    assert (state.failing_since, state.retry_at) == (quarter, now + 9)
    outbox.sent("box", due, now=quiet_ends + 1)
    kept = schema.outbox.c
    with cases.store.database.reading() as connection:
        rows = connection.execute(sa.select(kept.due_at, kept.retry_at, kept.sent_at)).all()
    assert [number % STEP_S for row in rows for number in row] == [0] * 9
    assert outbox.told("c") == {"box": quarter + 3_600}
