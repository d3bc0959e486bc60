"""What a judging process shows Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest

from collector.encoding import encode
from rules.checks.example import event
from rules.judge_metrics import JudgeMetrics
from rules.records import REASONS, Record
from rules.rehearsal import world
from rules.rulebook import Rulebook
from rules.stage_one import StageOne
from tests.parts.case_keys import a_ring

WORLD = world({})
BOOK = Rulebook(
    agreements=WORLD.agreements, register=WORLD.register, parties=WORLD.parties, network=WORLD.network, locations=None
)


def shown(registry: CollectorRegistry) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in generate_latest(registry).decode().splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in lines}


def metrics(registry: CollectorRegistry) -> JudgeMetrics:
    told = JudgeMetrics(registry, rules=["use-paused"], version="1", compiled=True)
    told.declare(["mathlab"])
    return told


def test_every_series_is_there_from_the_start_and_open_cases_are_left_to_the_desk() -> None:
    registry = CollectorRegistry()
    metrics(registry)
    series = shown(registry)
    assert {f'schoolgate_dead_letters_total{{reason="{reason}"}}' for reason in REASONS} <= set(series)
    violations = 'schoolgate_violations_total{agreement="mathlab",rule="use-paused",severity="critical"}'
    assert series[violations] == 0
    assert not [name for name in series if name.startswith("schoolgate_open_cases")]


def test_a_portion_is_counted_once_by_what_was_in_it() -> None:
    registry = CollectorRegistry()
    told = metrics(registry)
    stage = StageOne(partition=0, topic="flows", rulebook=BOOK, state={}, make_key=lambda: bytes(32), keys=a_ring())
    good, at = encode(event({}, number=1)), datetime(2026, 10, 14, 18, tzinfo=UTC)
    told.judged(
        stage.take(
            [
                Record(key=b"d1", value=good, partition=0, offset=0, at=at),
                Record(key=b"d1", value=good, partition=0, offset=1, at=at),
                Record(key=b"d2", value=good, partition=0, offset=2, at=at),
            ]
        )
    )
    series = shown(registry)
    assert series['schoolgate_flows_total{verdict="own"}'] == 1
    assert series["schoolgate_repeated_records_total"] == 1
    assert series['schoolgate_dead_letters_total{reason="wrong_key"}'] == 1
