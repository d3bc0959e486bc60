"""When a day is over no finding is of a device any more, and no case says anything else by it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from rules.checks.example import SCHOOL_DAY, at, event
from rules.closed_findings import closed, is_closed, is_past
from rules.findings import RULES, Finding
from rules.last_digits import EVIDENCE_KEY, LastDigits
from rules.metrics import RulesMetrics
from rules.rehearsal import world
from rules.service import EmbeddedService
from rules.small_numbers import OFFICER_K, floor_step, quarter_start
from rules.store import Store
from rules.versions import OPEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from rules.cases import Cases
    from rules.checks.base import Example
    from rules.findings import Case

STORIES = [
    pytest.param(example, id=f"{check.id}: {example.title}") for check in world().checks for example in check.examples
]
PAUSED: Mapping[str, object] = {"use_gate": {"status": "paused"}}
LIMITED: Mapping[str, object] = {"expected": {"upload_mb_per_device_day": 5}}
DAY = date.fromisoformat(SCHOOL_DAY)


def class_of(devices: int, **changes: object) -> list[dict[str, object]]:
    """Return one flow to the product of each of so many devices."""
    return [{"device": f"d{number}", "bytes_up": 1000 + number, **changes} for number in range(devices)]


def held(cases: Cases) -> list[Finding]:
    return list(cases.findings())


def told(cases: Cases, *, before: Iterable[Case]) -> list[Case]:
    digits = LastDigits()
    digits.note(before, after=cases.report())
    return [digits.over(case) for case in cases.report()]


@pytest.mark.parametrize("example", STORIES)
def test_the_end_of_its_days_changes_nothing_that_a_case_says(example: Example) -> None:
    cases = world(example.agreement).play(example.events)
    before, waived = cases.report(), [(each.rule, each.subject, each.devices) for each in cases.waived()]
    closing = cases.close({*cases.open_days})
    assert all(map(is_closed, held(cases)))
    assert {each.id for each in closing.written} == {each.id for each in held(cases)}
    concluded = [(case.id, case.verdict, case.severity, case.confidence) for case in cases.report()]
    assert concluded == [(case.id, case.verdict, case.severity, case.confidence) for case in before]
    assert told(cases, before=before) == before
    assert [(each.rule, each.subject, each.devices) for each in cases.waived()] == waived
    # Nothing is left to close.
    assert cases.close({each.day for each in held(cases)}) == ((), frozenset())


def test_a_difference_that_a_later_closing_takes_back_is_kept_no_longer() -> None:
    (case,) = [case for case in world(PAUSED).play(class_of(3)).report() if case.rule == "use-paused"]
    digits = LastDigits()
    assert digits.note([case], after=[replace(case, flows=1)]) == {case.id}
    assert digits.note([case], after=[case]) == {case.id}
    assert digits.over(case) == case
    assert EVIDENCE_KEY not in digits.evidence(case.id, {})


def test_of_few_devices_no_figure_no_time_and_no_group_is_left() -> None:
    cases = world(PAUSED).play(class_of(OFFICER_K - 1))
    cases.close({DAY})
    (left,) = [each for each in held(cases) if each.rule == "use-paused"]
    assert (left.devices, left.group) == (OFFICER_K - 1, "")
    assert {left.flows, left.bytes_up, left.bytes_down} <= {floor_step(number) for number in range(1, 100_000)}
    assert left.first_seen == left.last_seen == datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)


def test_of_many_devices_their_sums_are_left_with_quarters_of_an_hour_and_groups_that_are_not_small() -> None:
    few = [{**each, "group": "3-gold", "device": f"other{each['device']}"} for each in class_of(3)]
    cases = world(PAUSED).play([*class_of(OFFICER_K), *few])
    open_ = [each for each in held(cases) if each.rule == "use-paused"]
    assert len(open_) == OFFICER_K + 3
    cases.close({DAY})
    (left,) = [each for each in held(cases) if each.rule == "use-paused"]
    assert (left.devices, left.flows) == (OFFICER_K + 3, OFFICER_K + 3)
    assert left.bytes_up == sum(each.bytes_up for each in open_)
    assert left.group != "3-gold"
    assert left.first_seen == quarter_start(min(each.first_seen for each in open_))
    (case,) = [each for each in cases.report() if each.rule == "use-paused"]
    assert case.devices == OFFICER_K + 3


def test_what_comes_late_is_added_to_what_is_closed() -> None:
    cases = world(PAUSED).play(class_of(6))
    cases.close({DAY})
    late = world(PAUSED).play([{**each, "device": f"late{each['device']}"} for each in class_of(6)])
    cases.apply(late.findings())
    closing = cases.close({DAY})
    (left,) = [each for each in held(cases) if each.rule == "use-paused"]
    assert (left.devices, left.flows) == (12, 5 + 6)
    assert len(closing.dropped) >= 6


def test_only_the_most_that_any_device_ever_sent_is_left_to_the_tenth() -> None:
    second = date(2026, 10, 15)
    sent = [
        {"device": "d1", "bytes_up": 17_340_000},
        {"device": "d2", "bytes_up": 4_000_000},
        {"device": "d3", "bytes_up": 13_700_000, **at("15:00", day=second.isoformat())},
    ]
    cases = world(LIMITED).play(sent)
    before = cases.report()
    cases.close({DAY})
    cases.close({second})
    details = {each.day: each.detail for each in held(cases) if each.rule == "upload-above-declared"}
    assert details == {DAY: "5.0 most 17.3", second: "5.0 most 10.0"}
    assert told(cases, before=before) == before
    (case,) = [each for each in cases.report() if each.rule == "upload-above-declared"]
    assert "up to 17.3 MB" in case.summary


def test_background_traffic_of_fewer_than_several_devices_leaves_nothing() -> None:
    quiet = {"expected": {"hours": "school_day"}}
    beacons = [
        {"device": f"d{device}", "server_name": "api.mathlab.example", **at(f"10:{minute:02}")}
        for device in range(2)
        for minute in (10, 25, 40)
    ]
    cases = world(quiet).play(beacons)
    assert any(each.rule == "outside-hours" for each in held(cases))
    cases.close({DAY})
    assert not any(each.rule == "outside-hours" for each in held(cases))


def test_slow_beacons_of_two_days_still_make_a_case_when_both_are_over() -> None:
    quiet = {"expected": {"hours": "school_day"}}
    beacons = [
        {"device": f"d{device}", "server_name": "api.mathlab.example", **at(clock, day=day)}
        for day in ("2026-10-14", "2026-10-15")
        for device in range(3)
        for clock in (f"10:{10 + device}", f"10:{40 + device}")
    ]
    whole = world(quiet).play(beacons)
    before = whole.report()
    assert "outside-hours" in {case.rule for case in before}
    whole.close({DAY})
    whole.close({DAY + timedelta(days=1)})
    assert told(whole, before=before) == before
    pauses = {each.detail for each in held(whole) if each.rule == "outside-hours"}
    assert pauses == {"api.mathlab.example returning 30,30,30"}


def test_a_closed_finding_is_past_by_its_date_alone() -> None:
    cases = world(PAUSED).play(class_of(3))
    cases.close({DAY})
    (left, *_) = held(cases)
    assert not is_past(left, until=datetime(DAY.year, DAY.month, DAY.day, 23, tzinfo=UTC))
    assert is_past(left, until=datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC) + timedelta(days=1))


def test_findings_of_two_editions_are_told_apart() -> None:
    told = [*class_of(4), *({**each, "device": f"e{each['device']}", **at("19:00")} for each in class_of(3))]
    open_ = [each for each in held(world(PAUSED).play(told)) if each.rule == "use-paused"]
    cut = max(each.first_seen for each in open_)
    left = closed(open_, edition=lambda moment: int(moment >= cut))
    assert Counter(each.devices for each in left) == {4: 1, 3: 1}
    assert len({each.id for each in left}) == len({each.device for each in left}) == 2


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path / 'cases.db'}")
    yield made
    made.close()


def service(store: Store, *, key: bytes = bytes(32)) -> EmbeddedService:
    metrics = RulesMetrics(CollectorRegistry(), rules=RULES, version="1", compiled=False)
    return EmbeddedService(
        store=store, rulebook=world(PAUSED).rulebook, token_key=lambda _day: key, today=DAY, metrics=metrics
    )


def judge(running: EmbeddedService, told: Iterable[Mapping[str, object]], *, first: int) -> None:
    running.judge([event(changes, number=first + number) for number, changes in enumerate(told)])


def bodies(store: Store) -> dict[str, dict[str, Any]]:
    return {key: json.loads(row.body) for key, row in store.cases().items() if row.state == OPEN}


def test_the_store_keeps_no_device_of_a_day_that_is_over_and_every_case_as_it_was(store: Store) -> None:
    running = service(store)
    judge(running, class_of(5, school="lincoln-es"), first=0)
    running.commit(None)
    before = bodies(store)
    assert before
    assert running.close_before(date.max)
    assert not running.close_before(date.max)
    changes = running.commit(None)
    assert (changes.opened, changes.withdrawn) == ((), ())
    assert bodies(store) == before
    left = [json.loads(body) for body in store.findings()]
    assert left
    assert all(each["device"].startswith("closed/") for each in left)
    assert len({each["device"] for each in left}) < len(left) or len(left) == 1
    # After a restart cases stand on what was kept with them, and what comes anew is added to the last digit.
    again = service(store, key=b"k" * 32)
    assert again.commit(None).withdrawn == ()
    assert bodies(store) == before
    judge(again, class_of(5, **at("15:00", day="2026-10-15")), first=100)
    again.commit(None)
    (old,) = [each for each in before.values() if each["rule"] == "use-paused"]
    (new,) = [each for each in bodies(store).values() if each["rule"] == "use-paused"]
    assert new["devices"] == old["devices"] + 5
    assert new["bytes_up"] == old["bytes_up"] + sum(1000 + number for number in range(5))
    assert new["first_seen"] == old["first_seen"]
    (kept,) = [row for row in store.cases().values() if json.loads(row.body)["rule"] == "use-paused"]
    assert EVIDENCE_KEY in json.loads(kept.evidence)


def test_findings_that_an_earlier_release_left_are_closed_when_days_are(store: Store) -> None:
    running = service(store)
    judge(running, class_of(5), first=0)
    running.commit(None)
    del running
    again = service(store, key=b"k" * 32)
    assert again.close_before(date.max)
    again.commit(None)
    assert all(json.loads(body)["device"].startswith("closed/") for body in store.findings())
