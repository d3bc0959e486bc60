"""Which users meet a product's third parties, from events to the report: live, stored, in halves and after closing."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from collector.segments import GroupFacts
from rules.checks.example import among_others, event, lessons
from rules.differential import by_audience
from rules.findings import RULES
from rules.judgement import Judgement
from rules.metrics import RulesMetrics
from rules.rehearsal import TOKEN_KEY, world
from rules.sealed_rows import open_report
from rules.service import EmbeddedService, empty_report, stored_report
from rules.store import Position, Store
from rules.store.keys import KeysInHand
from rules.versions import FRAME_PART
from tests.rules.made_edges import edge, exposure
from tests.rules.stages_for_tests import Stages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from collector.events import FlowEvent

TODAY = date(2026, 10, 16)
STAFF = {"group": "staff"}
GROUPS = {
    ("north-es", "k-5"): GroupFacts(under_13=True, role="students"),
    ("north-es", "6-8"): GroupFacts(under_13=False, role="students"),
    ("north-es", "staff"): GroupFacts(under_13=False, role="staff"),
    ("north-es", "guests"): GroupFacts(under_13=False, role="guests"),
}


def staff(events: Sequence[Mapping[str, object]]) -> tuple[Mapping[str, object], ...]:
    return tuple({**each, **STAFF, "device": f"s{each['device']}"} for each in events)


def school_days() -> list[FlowEvent]:
    """Return lessons in which pupils meet an advertising company through the product, and the staff does not."""
    changes = among_others(
        lessons("app.mathlab.example", brings=("t.adco.example",)),
        staff(lessons("app.mathlab.example", from_minute=20)),
    )
    return [event(each, number=number) for number, each in enumerate(changes)]


WANTED = [
    {
        "agreement": "mathlab",
        "party": "adco.example",
        "audiences": {
            "older": {"devices": 12, "product_devices": 12},
            "staff": {"devices": 0, "product_devices": 12},
        },
        "only": ["older"],
        "unclear": [],
    }
]


def judgement() -> Judgement:
    return Judgement(world().rulebook, token_key=lambda _day: TOKEN_KEY, today=TODAY)


def service(store: Store) -> EmbeddedService:
    metrics = RulesMetrics(CollectorRegistry(), rules=RULES, version="0", compiled=False)
    return EmbeddedService(
        store=store, rulebook=world().rulebook, token_key=lambda _day: TOKEN_KEY, today=TODAY, metrics=metrics
    )


def ended() -> Position:
    return Position(sha256="0" * 64, name="a.pcap", events=1, finished=True)


def told(judged: Judgement) -> list[dict[str, Any]]:
    judged.attribute()
    found: list[dict[str, Any]] = judged.report()["differential"]
    return found


def test_a_party_that_only_pupils_meet_is_told_with_the_use_of_both() -> None:
    judged = judgement()
    judged.judge(school_days())
    assert told(judged) == WANTED


def test_another_order_twice_the_events_and_closed_days_give_the_same() -> None:
    judged, events = judgement(), school_days()
    judged.judge(reversed(events))
    judged.judge(events)
    assert told(judged) == WANTED
    for day in judged.contacts.days():
        judged.close([day])
        assert told(judged) == WANTED


def test_another_rulebook_weighs_the_same_use_anew() -> None:
    judged = judgement()
    judged.judge(school_days())
    assert told(judged.under(world().rulebook)) == WANTED


def test_the_stored_report_says_the_same_over_a_restart_and_closed_days(tmp_path: Path) -> None:
    address, events = f"sqlite:///{tmp_path / 'cases.db'}", school_days()
    for part in (events[: len(events) // 2], events[len(events) // 2 :]):
        store = Store(address)
        one = service(store)
        one.judge(part)
        one.commit(ended())
        store.close()
    store = Store(address)
    one = service(store)
    assert one.close_before(TODAY)
    one.commit(ended())
    assert stored_report(store)["differential"] == WANTED
    store.close()
    store = Store(address)
    service(store).commit(ended())
    assert stored_report(store)["differential"] == WANTED
    store.close()


@pytest.mark.parametrize("restarts", [False, True], ids=["in one go", "over restarts"])
def test_tasks_behind_kafka_come_to_the_same(*, restarts: bool) -> None:
    stages, flows = Stages(world()), school_days()
    for part in (flows[::2], flows[1::2]):
        stages.send(part)
        stages.settle(restarts=restarts)
    assert frame(stages)["differential"] == WANTED
    stages.restart()
    # Before anything is estimated anew, the state says it already.
    stages.step(stages.by_agreement[0], size=0)
    assert frame(stages)["differential"] == WANTED


def frame(stages: Stages) -> dict[str, Any]:
    (part,) = [part for part in stages.by_agreement[0].core.everything().parts if part.name == FRAME_PART]
    opener = KeysInHand(stages.keys.live_keys())
    found: dict[str, Any] = open_report(json.loads(part.body), opener=lambda about, row: opener.open(about, row, "row"))
    return found


def test_a_store_without_events_tells_of_nobody() -> None:
    assert empty_report()["differential"] == []


def test_a_suspicion_and_a_page_are_no_meetings() -> None:
    edges = [edge(standing="suspected"), edge("quizly.example", role="page")]
    assert by_audience(edges, used=Counter({("@mathlab", "north-es", "6-8"): 40}), groups=GROUPS) == []


def test_groups_of_unknown_age_are_of_no_audience() -> None:
    used = {("@mathlab", "north-es", "guests"): 70, ("@mathlab", "north-es", "6-8"): 40, ("@mathlab", "gone", "x"): 9}
    (row,) = by_audience([edge()], used=used, groups=GROUPS)
    assert row["audiences"] == {"older": {"devices": 8, "product_devices": 40}}


def test_two_names_of_one_party_count_a_device_once() -> None:
    edges = [
        edge("a.adco.example", subject="adco.example", exposures=(exposure(8), exposure(3, day=1))),
        edge("b.adco.example", subject="adco.example", exposures=(exposure(5), exposure(4, day=1))),
    ]
    (row,) = by_audience(edges, used={("@mathlab", "north-es", "6-8"): 40}, groups=GROUPS)
    assert row["audiences"]["older"]["devices"] == 12
