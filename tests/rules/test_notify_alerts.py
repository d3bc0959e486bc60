"""What an Alertmanager would be told, as plain data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rules.notify.alerts import RENEW_BELOW, alerts, recent, silences
from rules.notify.docket import Spell
from rules.store import Store
from tests.rules.told_cases import PLACE, Cases, Hands


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def cases(tmp_path: Path, hands: Hands) -> Iterator[Cases]:
    store = Store(f"sqlite:///{tmp_path}/cases.db", clock=hands)
    yield Cases(store)
    store.close()


def told(cases: Cases, hands: Hands, *, everything: bool = True) -> list[dict[str, Any]]:
    standings = cases.docket().standings()
    return alerts(standings, now=hands.at, place=PLACE, ended_is_news=lambda _spell: everything)


def todo(cases: Cases, hands: Hands, existing: list[dict[str, Any]], *, keep: str = "") -> Any:
    standings = cases.docket().standings()
    return silences(standings, existing=existing, now=hands.at, keep=lambda case_id: case_id == keep)


def test_an_open_case_is_an_alert_whose_beginning_and_labels_never_change(cases: Cases, hands: Hands) -> None:
    hands.pass_(439)
    cases.keep("4f1c")
    (first,) = told(cases, hands)
    assert first["labels"] == {
        "alertname": "SchoolgateCase", "audience": "privacy", "agreement": "mathtrek", "severity": "critical",
        "case": "4f1c", "rule": "undeclared-third-party",
    }  # fmt: skip
    assert first["startsAt"] == "2026-10-14T15:00:00.000Z"
    assert first["endsAt"] == "2026-11-13T15:07:19.000Z"
    hands.pass_(86_400)
    cases.keep("4f1c", devices=400, groups=["6-8"])
    (later,) = told(cases, hands)
    assert {**later, "endsAt": "", "annotations": ""} == {**first, "endsAt": "", "annotations": ""}
    assert later["annotations"] != first["annotations"]


def test_texts_hold_bands_and_quarters_and_links_and_nothing_that_steers(cases: Cases, hands: Hands) -> None:
    cases.keep("4f1c", devices=4, summary="A\nB \x1b[31m\u202e on 4 devices (counted per day) in 1 school.")
    (alert,) = told(cases, hands)
    texts = alert["annotations"]
    assert texts["devices"] == "fewer than 10"
    assert texts["summary"] == "A\\u000aB \\u001b[31m\\u202e on fewer than 10 devices (counted per day) in 1 school."
    assert texts["runbook_url"] == "https://runbooks.example/SchoolgateCase"
    assert texts["desk_url"] == "https://desk.example/cases/4f1c"
    for part in (texts["agreement_says"], texts["cannot_see"], texts["sure"], texts["devices"]):
        assert part in texts["description"]
    assert "312" not in json.dumps(alert)  # flows are nobody's business here
    assert "13:07" not in json.dumps(alert)


def test_a_case_without_an_agreement_has_no_such_label(cases: Cases, hands: Hands) -> None:
    cases.keep("4f1c", agreement=None)
    assert "agreement" not in told(cases, hands)[0]["labels"]


@pytest.mark.parametrize("how", ["withdrawn", "closed"])
def test_a_case_that_ended_is_an_alert_that_ended_and_comes_back_as_a_new_one(
    cases: Cases, hands: Hands, how: str
) -> None:
    cases.keep("4f1c")
    hands.pass_(7200)
    if how == "closed":
        cases.store.act("4f1c", act="closed", by="officer", text="Declared.")
    else:
        cases.keep("4f1c", state="withdrawn")
    hands.pass_(60)
    (ended,) = told(cases, hands)
    assert (ended["startsAt"], ended["endsAt"]) == ("2026-10-14T15:00:00.000Z", "2026-10-14T17:00:00.000Z")
    assert told(cases, hands, everything=False) == []
    hands.pass_(7200)
    cases.keep("4f1c", groups=["6-8"])
    (back,) = told(cases, hands)
    assert back["startsAt"] == "2026-10-14T19:00:00.000Z"
    assert back["labels"] == ended["labels"]


def test_a_case_whose_severity_changes_ends_as_one_alert_and_begins_as_another(cases: Cases, hands: Hands) -> None:
    cases.keep("4f1c", severity="critical")
    hands.pass_(3600)
    cases.keep("4f1c", severity="info")
    by_severity = {alert["labels"]["severity"]: alert for alert in told(cases, hands)}
    assert by_severity["critical"]["endsAt"] == by_severity["info"]["startsAt"] == "2026-10-14T16:00:00.000Z"
    assert by_severity["info"]["endsAt"] > "2026-11-13"
    hands.pass_(3600)
    cases.keep("4f1c", severity="critical")
    by_severity = {alert["labels"]["severity"]: alert for alert in told(cases, hands)}
    assert len(by_severity) == len(told(cases, hands)) == 2
    assert by_severity["critical"]["endsAt"] > "2026-11-13"
    assert by_severity["info"]["endsAt"] == "2026-10-14T17:00:00.000Z"


def test_what_ended_is_recent_for_a_while() -> None:
    now = datetime(2026, 10, 14, 15, tzinfo=UTC)
    hour = timedelta(hours=1)
    ended = Spell(severity="info", since="2026-10-14T13:00Z", until="2026-10-14T14:15Z", seq=1)
    assert recent(ended, now=now, within=hour)
    assert not recent(ended, now=now + timedelta(minutes=15), within=hour)
    assert not recent(Spell(severity="info", since="2026-10-14T13:00Z", until=None, seq=1), now=now, within=hour)


def kept(silence: dict[str, Any], *, number: int = 1, state: str = "active") -> dict[str, Any]:
    return {"id": f"id-{number}", "status": {"state": state}, **silence}


def test_a_case_taken_up_is_silenced_once_as_long_as_it_gets_no_worse(cases: Cases, hands: Hands) -> None:
    cases.keep("calm", severity="warning")
    cases.keep("grave", severity="critical")
    cases.keep("new")
    for case in ("calm", "grave"):
        cases.store.act(case, act="acknowledged", by="officer", text="")
    first = todo(cases, hands, [])
    by_case = {each["matchers"][1]["value"]: each for each in first.wanted}
    assert set(by_case) == {"calm", "grave"}
    assert [each["value"] for each in by_case["grave"]["matchers"]] == ["SchoolgateCase", "grave"]
    assert by_case["calm"]["matchers"][2] == {
        "name": "severity", "value": "warning|info", "isRegex": True, "isEqual": True,
    }  # fmt: skip
    existing = [kept(each, number=number) for number, each in enumerate(first.wanted)]
    again = todo(cases, hands, existing)
    assert (again.wanted, again.ended) == ((), ())


def test_a_silence_is_made_longer_in_place_before_it_runs_out(cases: Cases, hands: Hands) -> None:
    cases.keep("c")
    cases.store.act("c", act="asked", by="officer", text="")
    (silence,) = todo(cases, hands, []).wanted
    hands.pass_((timedelta(days=30) - RENEW_BELOW).total_seconds() + 1)
    (longer,) = todo(cases, hands, [kept(silence)]).wanted
    assert (longer["id"], longer["startsAt"]) == ("id-1", silence["startsAt"])
    assert longer["endsAt"] > silence["endsAt"]


def test_silences_that_are_not_wanted_end_and_those_of_people_are_left_alone(cases: Cases, hands: Hands) -> None:
    cases.keep("c")
    cases.store.act("c", act="acknowledged", by="officer", text="")
    (silence,) = todo(cases, hands, []).wanted
    ours, twice = kept(silence), kept(silence, number=2)
    of_people = {**kept(silence, number=3), "createdBy": "anna"}
    expired = kept(silence, number=4, state="expired")
    found = todo(cases, hands, [ours, twice, of_people, expired])
    assert (found.wanted, len(found.ended)) == ((), 1)
    cases.store.act("c", act="reopened", by="officer", text="")
    assert set(todo(cases, hands, [ours, twice, of_people, expired]).ended) == {"id-1", "id-2"}
    assert todo(cases, hands, [ours], keep="c").ended == ()
