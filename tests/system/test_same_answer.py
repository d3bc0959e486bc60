"""The same answer every way: `check`, `run`, `collect` with one judge, and with four that are killed again and again.

`make same-answer` runs it: the sample day and every open set of scenarios.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.parts.broker import KafkaBroker
from tests.parts.topics import make_topics
from tests.system.same_answer import SCENARIOS, Day, ThroughKafka, checked, differences, embedded, sample_day, scenario

pytestmark = [pytest.mark.kafka, pytest.mark.long]

ALL = "SCHOOLGATE_TEST_DAYS"
"""Environment variable: `all` takes every open set of scenarios, which is a quarter of an hour."""
SEED = 20_261_006

SHORT = (sample_day(speed=4000, kills=4),)
LONG = (
    sample_day(speed=1000, kills=12),
    scenario("browser-day", speed=5, kills=12),
    scenario("seed11-capture", speed=500, kills=20),
    scenario("seed12-events", speed=0, kills=15),
)


@pytest.fixture(scope="module", params=LONG if os.environ.get(ALL) == "all" else SHORT, ids=lambda day: day.name)
def day(request: pytest.FixtureRequest) -> Day:
    found: Day = request.param
    if not found.input.is_file():
        pytest.skip(f"needs ../shared/scenarios/{found.name} beside the checkout ({SCENARIOS / found.name})")
    return found


@pytest.fixture(scope="module")
def expected(day: Day) -> dict[str, Any]:
    """The report of `check`, which has cases to compare."""
    report = checked(day)
    assert len(report["cases"]) > 5
    assert len({case["id"] for case in report["cases"]}) == len(report["cases"])
    return report


def assert_same(found: dict[str, Any], expected: dict[str, Any], *, said: str = "") -> None:
    different = "\n".join(differences(found, expected))
    assert found == expected, f"{different}\n{said}"


def test_run_gives_the_report_of_check(day: Day, expected: dict[str, Any], tmp_path: Path) -> None:
    assert_same(embedded(day, folder=tmp_path / "run"), expected)


def test_collect_and_one_judge_give_the_report_of_check(
    day: Day, expected: dict[str, Any], mortal_broker: KafkaBroker, tmp_path: Path
) -> None:
    make_topics(mortal_broker.bootstrap)
    with ThroughKafka(day, folder=tmp_path / "kafka", broker=mortal_broker) as way:
        way.collect()
        way.start_judge(0)
        assert_same(way.settled_report(expected), expected, said=way.said())
        assert way.end() == [0]
        assert "Traceback" not in way.said()


def test_four_judges_that_are_killed_again_and_again_give_the_report_of_check(
    day: Day, expected: dict[str, Any], mortal_broker: KafkaBroker, tmp_path: Path
) -> None:
    make_topics(mortal_broker.bootstrap)
    with ThroughKafka(day, folder=tmp_path / "kafka", broker=mortal_broker, speed=day.speed) as way:
        way.collect_while_judges_die(kills=day.kills, seed=SEED)
        assert way.killed >= day.kills
        assert_same(way.settled_report(expected), expected, said=way.said())
        assert way.end() == [0, 0, 0, 0], way.said()
        assert_same(way.report(), expected, said=way.said())
        assert "Traceback" not in way.said()
