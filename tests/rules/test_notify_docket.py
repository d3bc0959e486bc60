"""How cases stand by their log: the same as the store says, with one alert for each severity."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.life_cycle import Act
from rules.notify.docket import Docket, worse
from rules.store import StepRefusedError, Store
from tests.rules.told_cases import Cases, Hands

ACTS = get_args(Act)
SEVERITIES = ("critical", "warning", "info")


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def cases(tmp_path: Path, hands: Hands) -> Cases:
    return Cases(Store(f"sqlite:///{tmp_path}/cases.db", clock=hands))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.sampled_from(SEVERITIES)),
        st.tuples(st.just("withdrawn"), st.sampled_from(SEVERITIES)),
        st.tuples(st.just("act"), st.sampled_from(ACTS)),
    ),
    max_size=12,
)
numbers = itertools.count()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_the_docket_says_of_every_case_what_the_store_says(
    cases: Cases, hands: Hands, steps: list[tuple[str, str]]
) -> None:
    case = f"case-{next(numbers)}"
    cases.keep(case)
    for number, (what, how) in enumerate(steps, start=1):
        hands.pass_(2000)
        if what == "act":
            reason = "wrong_owner" if how == "disputed" else None
            # What is no step from where the case stands is refused, and leaves no trace.
            with suppress(StepRefusedError):
                cases.store.act(case, act=how, by="officer", text="Because.", reason=reason)  # type: ignore[arg-type] # one of them
        else:
            # More and more devices, and now and then another group: some of it opens an ended case again.
            devices = 10 * number
            cases.keep(case, state=what, severity=how, devices=devices, groups=["6-8" if number > 9 else "k-5"])
    docket = Docket()
    changes = list(docket.read(cases.store.log(case)))
    row, standing = cases.store.case(case), docket.standing(case)
    assert row is not None
    assert standing is not None
    assert standing.status == row.status
    assert standing.supported == (row.state == "open")
    assert standing.open == (case in {json.loads(body)["id"] for body in cases.store.open_cases()})
    assert [change.seq for change in changes] == [entry.seq for entry in cases.store.log(case)]
    # One alert goes on exactly while the case is open, with its severity; the others ended, none before it began.
    going_on = [spell for spell in standing.spells if spell.until is None]
    assert [spell.severity for spell in going_on] == ([standing.view["severity"]] if standing.open else [])
    assert len({spell.severity for spell in standing.spells}) == len(standing.spells)
    assert all(spell.until is None or spell.since <= spell.until for spell in standing.spells)


def test_reading_in_portions_gives_the_same_as_reading_at_once(cases: Cases) -> None:
    cases.keep("a")
    cases.keep("b", severity="info")
    cases.store.act("a", act="acknowledged", by="officer", text="")
    cases.keep("a", severity="info")
    entries = cases.store.log()
    whole, portions = Docket(), Docket()
    at_once = list(whole.read(entries))
    one_by_one = [change for entry in entries for change in portions.read([entry])]
    assert at_once == one_by_one
    assert list(portions.read(entries)) == []  # read before: means nothing
    assert whole.standings() == portions.standings()


def test_a_case_that_was_taken_up_is_quiet_until_it_gets_worse_than_it_was(cases: Cases) -> None:
    cases.keep("a", severity="warning")
    cases.store.act("a", act="acknowledged", by="officer", text="")
    cases.keep("a", severity="warning", groups=["6-8"])
    cases.keep("a", severity="info", groups=["6-8"])
    cases.keep("a", severity="critical", groups=["6-8"])
    changes = list(Docket().read(cases.store.log()))
    assert [(change.kind, change.quiet) for change in changes] == [
        ("opened", False), ("acknowledged", False), ("changed", True), ("changed", True), ("changed", False),
    ]  # fmt: skip


def test_what_returns_or_is_reopened_is_quiet_no_more(cases: Cases) -> None:
    cases.keep("a")
    cases.store.act("a", act="asked", by="officer", text="")
    cases.store.act("a", act="reopened", by="officer", text="")
    assert cases.docket().standings()[0].quiet is None
    cases.store.act("a", act="breach", by="officer", text="Incident 7.")
    cases.keep("a", state="withdrawn")
    cases.keep("a")
    standing = cases.docket().standings()[0]
    assert (standing.status, standing.quiet, standing.open) == ("new", None, True)


def test_a_clock_that_was_set_back_ends_no_alert_before_it_began(cases: Cases, hands: Hands) -> None:
    cases.keep("a")
    hands.pass_(-7200)
    cases.keep("a", state="withdrawn")
    (spell,) = cases.docket().standings()[0].spells
    assert spell.until == spell.since


def test_times_of_what_a_person_did_are_rounded_too(cases: Cases, hands: Hands) -> None:
    cases.keep("a")
    hands.pass_(1234)
    cases.store.act("a", act="closed", by="officer", text="Declared.")
    (spell,) = cases.docket().standings()[0].spells
    assert (spell.since, spell.until) == ("2026-10-14T15:00Z", "2026-10-14T15:15Z")


def test_severities_have_an_order() -> None:
    assert worse("critical", "warning")
    assert not worse("warning", "warning")
    assert not worse("info", "warning")
