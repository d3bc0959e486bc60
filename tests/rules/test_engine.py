"""Stage one: sums by device and day, in whatever order and portions the events come."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

import rules.engine
from rules.checks.example import each, event
from rules.duplicates import SeenIds
from rules.rehearsal import world
from rules.report import build_report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pytest

    from collector.events import FlowEvent
    from rules.engine import Engine
    from rules.findings import Finding

WORLD = world(
    {
        "use_gate": {"status": "pilot", "allowed_groups": ["6-8"]},
        "reviews.algorithms": {"status": "pending"},
        "data.access": ["somebody"],
        "products": [{"name": "Mathlab", "under_13": False, "personalized": True}],
        "provenance": {
            "waivers": [{"clause": "6c", "until": "2026-10-13", "reason": "Being mended.", "by": "privacy office"}]
        },
    }
)


def judged(events: Iterable[FlowEvent], *, engine: Engine | None = None) -> Engine:
    """Return an engine that has judged *events*."""
    engine = engine or WORLD.engine()
    for one in events:
        engine.judge(one)
    return engine


def report_of(findings: Iterable[Finding], *engines: Engine) -> dict[str, Any]:
    """Return the report of these findings, with the coverage of the engines added up."""
    coverage = engines[0].coverage
    for engine in engines[1:]:
        coverage.add(engine.coverage)
    days = [engine.last_day for engine in engines if engine.last_day]
    cases = WORLD.cases(findings)
    return build_report(cases=cases, coverage=coverage, agreements=WORLD.agreements, on=max(days))


def moments() -> st.SearchStrategy[str]:
    """Minutes of three days, school or not."""
    return st.builds(
        "2026-10-{:02}T{:02}:{:02}:00.000000Z".format, st.integers(12, 14), st.integers(0, 23), st.integers(0, 59)
    )


@st.composite
def flows(draw: st.DrawFn) -> dict[str, object]:
    """Any flow that may matter to a check."""
    moment = draw(moments())
    return {
        "device": draw(st.sampled_from(["a", "b", "c", "d", "e"])),
        "group": draw(st.sampled_from(["k-5", "6-8", "staff"])),
        "started_at": moment,
        "ended_at": moment,
        "server_name": draw(st.sampled_from(["app.mathlab.example", "api.mathlab.example", "play.fractions.example"])),
        "cnames": draw(st.sampled_from([(), ("x.adco.example",), ("m.fastedge.example",)])),
        "tls_version": draw(st.sampled_from(["1.1", "1.3"])),
        "dst_ip": draw(st.sampled_from(["198.51.100.7", "203.0.113.9"])),
        "bytes_up": draw(st.sampled_from([100, 3_000_000])),
        "part": draw(st.sampled_from([0, 0, 0, 1])),
    }


def numbered(changes: list[dict[str, object]]) -> list[FlowEvent]:
    """Return events with ids of their own."""
    return [event(change, number=number) for number, change in enumerate(changes)]


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(flows(), min_size=1, max_size=60), data=st.data())
def test_the_report_depends_neither_on_order_nor_on_portions_nor_on_the_number_of_engines(
    changes: list[dict[str, object]], data: st.DataObject
) -> None:
    events = numbered(changes)
    straight = judged(events)
    expected = report_of(straight.drain(), straight)

    shuffled = data.draw(st.permutations(events))
    left, right = WORLD.engine(), WORLD.engine()
    findings: list[Finding] = []
    for one in shuffled:
        engine = left if one.device in {"a", "b"} else right
        engine.judge(one)
        if data.draw(st.booleans()):
            findings += engine.drain()
    findings += left.drain() + right.drain()
    findings = data.draw(st.permutations(findings + findings))
    engines = [engine for engine in (left, right) if engine.last_day]
    assert report_of(findings, *engines) == expected


@settings(max_examples=40, deadline=None)
@given(changes=st.lists(flows(), min_size=2, max_size=40), data=st.data())
def test_an_engine_that_is_given_the_earlier_findings_goes_on_where_another_stopped(
    changes: list[dict[str, object]], data: st.DataObject
) -> None:
    events = numbered(changes)
    expected = {finding.id: finding for finding in judged(events).drain()}
    cut = data.draw(st.integers(0, len(events)))
    first = judged(events[:cut])
    before = {finding.id: finding for finding in first.drain()}
    second = judged(events[cut:], engine=WORLD.engine(known=before.values()))
    assert before | {finding.id: finding for finding in second.drain()} == expected


def test_an_event_that_comes_again_is_dropped_and_counted() -> None:
    events = numbered([dict(changes) for changes in each(3)])
    engine = judged([*events, *events[:2]])
    assert engine.duplicates == 2
    assert engine.coverage.total.flows == 3


def test_ids_survive_a_restart() -> None:
    engine = judged(numbered([{}]))
    later = SeenIds()
    later.restore(engine.seen.as_state())
    day = engine.last_day
    assert day is not None
    assert not later.is_new("example-0", day=day)
    assert later.is_new("example-1", day=day)


def test_ids_of_the_oldest_day_are_forgotten_and_a_full_day_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rules.duplicates.MAX_DAYS", 2)
    monkeypatch.setattr("rules.duplicates.MAX_IDS_PER_DAY", 1)
    engine = judged(
        event({"started_at": f"2026-10-{day}T15:00:00Z", "id": name}, number=0)
        for day, name in ((12, "a"), (13, "b"), (14, "c"), (14, "d"), (14, "d"), (13, "b"), (12, "a"))
    )
    assert engine.duplicates == 1
    assert engine.seen.unremembered == 2


def test_the_parts_of_a_long_flow_are_one_flow_with_the_octets_of_all() -> None:
    parts: list[Mapping[str, object]] = [{"part": number, "bytes_up": 10, "end": "active"} for number in range(5)]
    engine = judged(numbered([{**part, "tls_version": "1.0"} for part in parts]))
    (finding,) = [finding for finding in engine.drain() if finding.rule == "plaintext-transport"]
    assert (finding.flows, finding.bytes_up) == (1, 50)
    assert engine.coverage.total.flows == 1


def test_a_drain_gives_what_changed_and_only_once() -> None:
    engine = judged(numbered([{}]))
    first = engine.drain()
    assert first
    assert engine.drain() == []
    engine.judge(event({}, number=1))
    assert {finding.id for finding in engine.drain()} == {finding.id for finding in first}


def test_no_finding_carries_the_device_and_no_two_agreements_can_be_joined_by_it() -> None:
    both = world({}, {"id": "other", "domains": [{"match": "other.example"}]})
    engine = both.engine()
    for number, host in enumerate(("app.mathlab.example", "app.other.example", "play.fractions.example")):
        engine.judge(event({"server_name": host, "device": "pseudonym", "tls_version": "1.0"}, number=number))
    findings = engine.drain()
    tokens = {finding.agreement: finding.device for finding in findings}
    assert len(set(tokens.values())) == len(tokens) == 3
    assert "pseudonym" not in repr(findings)


def test_a_full_table_counts_what_it_refuses_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules.engine, "MAX_TALLIES", 1)
    engine = judged(numbered([{}, {"device": "d2"}, {}]))
    assert engine.refused_tallies > 0
    assert len(engine.drain()) == 1


def test_the_same_events_give_the_same_findings_in_the_same_order() -> None:
    events = numbered([dict(changes) for changes in each(5)])
    assert judged(events).drain() == judged(reversed(events)).drain()


def test_an_id_decides_and_not_what_the_event_says() -> None:
    first = event({}, number=0)
    engine = judged([first, replace(first, bytes_up=7)])
    assert engine.duplicates == 1
