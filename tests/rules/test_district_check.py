"""A district's own rule at work: through the engine, the two stages, metrics, and into the words of a case."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from collector.encoding import encode
from rules.checks.example import each, event
from rules.checks.registry import all_checks
from rules.console import rule_title
from rules.district.language import Expression, compile_unbounded, names_in
from rules.district.load import rules_in
from rules.district.rule import DistrictRule, Running, troubles, untold
from rules.findings import Case
from rules.metrics import RulesMetrics
from rules.next_steps import told_step
from rules.records import Record
from rules.rehearsal import World, world
from rules.rule_metrics import RuleMetrics
from rules.rulebook import Rulebook
from rules.sealed_records import open_finding
from rules.service import EmbeddedService
from rules.stage_one import StageOne
from rules.stage_two import StageTwo
from rules.store import Store
from tests.parts.case_keys import a_ring

NEWS = {"server_name": "www.news.example"}
WHEN = 'party.name == "News" && in_school_hours'
NOON = datetime(2026, 10, 14, 18, 0, tzinfo=UTC)


def rules(when: str = WHEN, **changes: object) -> tuple[DistrictRule, ...]:
    row: dict[str, object] = {
        "id": "district-news",
        "title": "News in lessons",
        "clause": "6c",
        "severity": "warning",
        "when": when,
        "says": "Policy 7 keeps news sites out of lessons.",
        "cannot_see": "Who read what cannot be seen.",
        "examples": {"true": [{"party.name": "News"}], "false": [{"party.name": "News", "in_school_hours": False}]},
        **changes,
    }
    text = json.dumps({"schema": "schoolgate/rules/1", "rules": [row]})
    return tuple(rules_in(text, path="district-rules.yaml", known={}))


def district(own: tuple[DistrictRule, ...], *agreements: Mapping[str, object]) -> World:
    plain = world(*agreements)
    return replace(plain, checks=all_checks(plain.agreements, party_of=plain.parties.find, district=own))


def cases(
    own: tuple[DistrictRule, ...], events: Iterable[Mapping[str, object]], *agreements: Mapping[str, object]
) -> list[Case]:
    found = district(own, *agreements).play(events).report()
    return [case for case in found if case.rule.startswith("district-")]


def test_three_device_days_open_a_case_with_the_words_of_the_rule() -> None:
    (case,) = cases(rules(), each(3, **NEWS))
    assert (case.rule, case.clause, case.severity, case.verdict) == ("district-news", "6c", "warning", "undeclared")
    assert (case.subject, case.agreement, case.devices, case.confidence) == ("news.example", None, 3, 1.0)
    assert case.summary.startswith("News in lessons: flows to news.example fall under this rule of the district")
    assert "fewer than 5 devices" in case.summary
    assert case.agreement_says == "Policy 7 keeps news sites out of lessons."
    assert case.cannot_see == "Who read what cannot be seen."


@pytest.mark.parametrize(
    "events",
    [
        each(2, **NEWS),
        each(3, server_name="www.fractions.example"),
        each(3, **NEWS, started_at="2026-10-14T23:00:00.000000Z", ended_at="2026-10-14T23:00:02.000000Z"),
        each(3, **NEWS, started_at="2026-10-12T15:00:00.000000Z", ended_at="2026-10-12T15:00:02.000000Z"),
        each(3, server_name=None, name_source="none"),
        each(3, **NEWS, school=None, group=None),
        each(3, **NEWS, part=1),
    ],
    ids=["two devices", "another host", "after school", "a holiday", "no name", "no segment", "yesterday's flow"],
)
def test_near_misses_open_none(events: tuple[Mapping[str, object], ...]) -> None:
    assert cases(rules(), events) == []


def test_a_flow_without_a_name_opens_none_even_where_the_rule_holds() -> None:
    own = rules('host == ""', examples={"true": [{"host": ""}], "false": [{}]})
    assert cases(own, each(5, server_name=None, name_source="none")) == []


@pytest.mark.parametrize(
    ("when", "changes"),
    [
        ('party.name == "News"', {"groups": ["k-5"]}),
        ('party.name == "News" && group == "k-5"', {}),
        ('party.name == "News" && school != ""', {}),
        ('party.name == "News" && under_13', {}),
        ('party.name == "News" && hour < 24', {}),
        ('party.name == "News" && weekday != "sun"', {}),
    ],
)
def test_a_rule_about_a_school_a_group_or_a_time_opens_a_case_from_ten_on(
    when: str, changes: dict[str, object]
) -> None:
    own = rules(when, examples={"true": [{"party.name": "News", "under_13": True}], "false": [{}]}, **changes)
    assert own[0].at_least_device_days == 10
    assert cases(own, each(9, **NEWS, group="k-5")) == []
    assert len(cases(own, each(10, **NEWS, group="k-5"))) == 1


def test_groups_and_agreements_narrow_a_rule() -> None:
    both = (*each(10, **NEWS, group="k-5"), *each(10, **NEWS, group="staff"))
    examples = {"true": [{"party.name": "News"}], "false": [{"party.name": "News", "group": "6-8"}]}
    (case,) = cases(rules(groups=["k-5"], examples=examples), both)
    assert case.groups == ("k-5",)
    own = rules('proto != ""', agreements=["mathlab"], examples={"true": [{}], "false": [{"agreement.id": ""}]})
    (case,) = cases(own, (*both, *each(3)))
    assert (case.agreement, case.subject) == ("mathlab", "mathlab.example")
    assert "Mathlab Inc. (Mathlab)" in case.summary


def test_a_host_that_many_vendors_share_names_no_vendor() -> None:
    own = rules('shared && agreement.id == "" && role == ""', examples={"true": [{"shared": True}], "false": [{}]})
    (case,) = cases(own, each(3, server_name="mathlab.sharededge.example"))
    assert case.agreement is None


def test_a_waiver_of_its_clause_covers_a_rule_of_the_district() -> None:
    own = rules('proto != "" && agreement.id != ""', examples={"true": [{"agreement.id": "x1"}], "false": [{}]})
    waiver = {"clause": "6c", "until": "2026-10-30", "reason": "A trial of three weeks.", "by": "the board"}
    played = district(own, {"provenance": {"waivers": [waiver]}}).play(each(3))
    assert [case for case in played.report() if case.rule == "district-news"] == []
    assert [waived.rule for waived in played.waived() if waived.rule.startswith("district-")] == ["district-news"]


def test_order_halves_and_repeats_change_nothing() -> None:
    stream = [event({**changes, "server_name": name}, number=number) for number, (changes, name) in enumerate(
        (changes, name) for changes in each(6) for name in ("www.news.example", "app.mathlab.example", "a.news.example")
    )]  # fmt: skip
    where = district(rules())

    def report(events: list[Any]) -> list[Case]:
        engine = where.engine()
        for one in events:
            engine.judge(one)
        return where.cases(engine.drain()).report()

    straight = report(stream)
    assert report(stream[::-1]) == report(stream[1::2] + stream[::2]) == report(stream + stream) == straight
    first, second = where.engine(), where.engine()
    for number, one in enumerate(stream):
        # By device, as partitions do it.
        (first if one.device in {"d0", "d1", "d2"} else second).judge(one)
        assert number < len(stream)
    assert where.cases([*second.drain(), *first.drain()]).report() == straight


def test_what_was_found_under_another_text_of_the_rule_supports_no_case() -> None:
    where = district(rules())
    engine = where.engine()
    for number, changes in enumerate(each(3, **NEWS)):
        engine.judge(event(changes, number=number))
    findings = engine.drain()
    assert [case.rule for case in where.cases(findings).report()] == ["district-news"]
    narrower = district(rules(WHEN + " && bytes_up > 1"))
    assert narrower.cases(findings).report() == []
    same_but_for_words = district(rules(title="News sites in lessons", severity="info"))
    (case,) = same_but_for_words.cases(findings).report()
    assert (case.severity, case.summary[:16]) == ("info", "News sites in le")


def test_flows_without_an_answer_count_as_no_and_disturb_nothing_else() -> None:
    own = (
        *rules(
            "bytes_up / (bytes_down - 9000) > 0",
            examples={"true": [{"bytes_down": 9001}], "false": [{"bytes_down": 9999999}]},
        ),
        *rules(id="district-other"),
    )
    world_ = district(own)
    played = world_.play((*each(3, **NEWS), *each(3, **NEWS, bytes_down=9_001)))
    assert {case.rule: case.flows for case in played.report()} == {"district-news": 3, "district-other": 6}
    (line,) = untold(own)
    assert line.startswith("district-rules.yaml:1: `district-news` had no answer for 3 flows (divide by zero)")
    assert list(untold(own)) == []
    assert list(troubles(own)) == [line]


def looping(own: DistrictRule) -> DistrictRule:
    """Return a rule whose expression loops: no file could hold it, since it is refused when it is read."""
    numbers = f"[{', '.join(map(str, range(60)))}]"
    program, tree = compile_unbounded(f"{numbers}.all(a, {numbers}.all(b, {numbers}.all(c, a + b + c + hour >= 0)))")
    return replace(own, expression=Expression(program, names=names_in(tree)), running=Running())


def test_a_rule_that_loops_is_switched_off_counted_told_once_and_nothing_else_is_affected() -> None:
    own = (looping(rules()[0]), *rules(id="district-other"))
    registry = CollectorRegistry()
    RuleMetrics(registry, rules=lambda: own)
    assert registry.get_sample_value("schoolgate_district_rule_off", {"rule": "district-news"}) == 0
    found = cases(own, each(40, **NEWS))
    assert [(case.rule, case.devices) for case in found] == [("district-other", 40)]
    assert own[0].running.off
    # It was asked about one flow, and not about the other 39.
    assert own[0].running.unanswered == 1
    (line,) = untold(own)
    assert line.startswith("district-rules.yaml:1: `district-news` is switched off: it takes more than 10,000 steps")
    assert list(untold(own)) == []
    assert registry.get_sample_value("schoolgate_district_rule_off", {"rule": "district-news"}) == 1
    assert registry.get_sample_value("schoolgate_district_rule_off", {"rule": "district-other"}) == 0
    name = "schoolgate_district_rule_unanswered_flows_total"
    assert registry.get_sample_value(name, {"rule": "district-news"}) == 1


def rulebook(own: tuple[DistrictRule, ...]) -> Rulebook:
    where = world()
    return Rulebook(
        agreements=where.agreements, register=where.register, parties=where.parties, network=where.network,
        locations=None, rules=own,
    )  # fmt: skip


def test_the_two_stages_behind_kafka_give_the_same_case() -> None:
    own = rules()
    events = [event(changes, number=number) for number, changes in enumerate(each(5, **NEWS))]
    one = StageOne(
        partition=0, topic="flows", rulebook=rulebook(own), state={}, make_key=lambda: bytes(32), keys=a_ring()
    )
    records = [
        Record(key=(told.device or "").encode(), value=encode(told), headers={}, partition=0, offset=number, at=NOON)
        for number, told in enumerate(events)
    ]
    judged = one.take(records)
    assert judged.refused == ()
    two = StageTwo(
        partition=0, topic="findings", rulebook=rulebook(own), today=date(2026, 10, 14), state={}, keys=a_ring()
    )
    told = [out for out in judged.outputs if out.topic == "findings" and not out.headers]
    found = [open_finding(out.value, keys=a_ring())[1] for out in told]
    assert {each.rule for each in found if each is not None} == {"district-news"}
    concluded = two.take(
        Record(key=out.key, value=out.value or b"", headers={}, partition=0, offset=number, at=NOON)
        for number, out in enumerate(told)
    )
    assert [json.loads(row.body)["rule"] for row in concluded.rows] == ["district-news"]
    assert concluded.refused == ()
    embedded = cases(own, each(5, **NEWS))
    assert [json.loads(row.body) for row in concluded.rows] == json.loads(json.dumps([asdict(c) for c in embedded]))


def test_the_store_its_evidence_and_the_metrics_know_a_rule_of_the_district(tmp_path: Path) -> None:
    own = rules()
    registry = CollectorRegistry()
    metrics = RulesMetrics(registry, rules=("use-paused",), version="1", compiled=False)
    store = Store(f"sqlite:///{tmp_path / 'cases.db'}")
    service = EmbeddedService(
        store=store, rulebook=rulebook(own), token_key=lambda _day: bytes(32), today=date(2026, 10, 14), metrics=metrics
    )
    labels = {"agreement": "", "rule": "district-news", "severity": "warning"}
    assert registry.get_sample_value("schoolgate_violations_total", labels) == 0
    service.judge(event(changes, number=number) for number, changes in enumerate(each(3, **NEWS)))
    changes = service.commit(None)
    assert [case.rule for case in changes.opened] == ["district-news"]
    assert registry.get_sample_value("schoolgate_violations_total", labels) == 1
    (row,) = store.cases().values()
    assert json.loads(row.body)["rule"] == "district-news"
    again = EmbeddedService(
        store=store,
        rulebook=rulebook(rules()),
        token_key=lambda _day: bytes(32),
        today=date(2026, 10, 14),
        metrics=metrics,
    )
    assert again.commit(None).opened == ()
    without = again.replace(rulebook(()))
    assert without.withdrawn == (row.id,)
    store.close()


def test_every_place_that_names_a_rule_has_words_for_one_of_the_district() -> None:
    assert rule_title("district-news-in-lessons") == "A rule of the district: news in lessons"
    assert rule_title("use-paused") == "A paused or prohibited product is used"
    assert rule_title("from-a-newer-version") == "from-a-newer-version"
    assert told_step("district-news-in-lessons", stands="new").startswith("Read on which words this rule")


def test_the_version_of_a_rule_changes_with_every_word_of_it() -> None:
    (one,), (same,), (other,) = rules(), rules(), rules(says="Policy 8 keeps news sites out of lessons.")
    assert one.version == same.version != other.version
    assert one.mark == same.mark == other.mark
