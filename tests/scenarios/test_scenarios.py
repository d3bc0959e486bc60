"""The open set of events against its truth, by the exam's own grader: nothing missed, nobody wronged."""

from __future__ import annotations

import gzip
import importlib.util
import json
from argparse import Namespace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from collector.refused import Refused
from rules.checks.registry import all_checks
from rules.intake import read_events
from rules.judgement import Judgement
from rules.rulebook import RulebookFiles, load_rulebook

if TYPE_CHECKING:
    from types import ModuleType

SCENARIOS = Path(__file__).resolve().parents[2] / ".." / "shared" / "scenarios"
EVENT_SET = SCENARIOS / "seed12-events"

pytestmark = pytest.mark.skipif(
    not EVENT_SET.exists(), reason="needs shared/scenarios/seed12-events beside the checkout"
)


@pytest.fixture(scope="module")
def grader() -> ModuleType:
    """The exam's own grader."""
    spec = importlib.util.spec_from_file_location("grade", SCENARIOS / "grade.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rules() -> set[str]:
    """The rules that are judged."""
    return {check.id for check in all_checks((), party_of=lambda _: None)}


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """The report on the whole set."""
    rulebook = load_rulebook(
        RulebookFiles(
            agreements=EVENT_SET / "agreements",
            network=EVENT_SET / "network.yaml",
            parties=(EVENT_SET / "parties.yaml",),
            location=EVENT_SET / "locations.mmdb",
        )
    )
    judgement = Judgement(rulebook, token_key=lambda _day: b"a test", today=date(2026, 10, 16))
    refused = Refused()
    with gzip.open(EVENT_SET / "events.jsonl.gz", "rb") as lines:
        judgement.judge(read_events(lines, path="events.jsonl.gz", refused=refused))
    assert not refused.words
    judgement.attribute()
    made = judgement.report()
    read: dict[str, Any] = json.loads(json.dumps(made))
    return read


def test_every_true_case_is_found_and_nobody_is_wronged(
    report: dict[str, Any], grader: ModuleType, rules: set[str]
) -> None:
    truth = json.loads((EVENT_SET / "truth.json").read_text())
    for part in ("must", "optional"):
        truth[part] = [row for row in truth[part] if row["rule"] in rules]
    must, hit, wrong, _, per, notes, coverage = grader.grade(truth, report, Namespace(with_locations=True))
    assert not notes
    assert not wrong
    assert len(hit) == len(must) > 10
    assert all(row["must"] == row["verdict"] == row["devices"] == row["clause"] for row in per.values())
    assert coverage[0] == coverage[1]


def test_a_case_names_the_groups_that_the_truth_names(report: dict[str, Any], rules: set[str]) -> None:
    truth = json.loads((EVENT_SET / "truth.json").read_text())
    groups = {(case["agreement"], case["rule"]): case["groups"] for case in report["cases"]}
    for row in truth["must"]:
        if row["rule"] in rules and "groups" in row:
            assert groups[row["agreement"], row["rule"]] == row["groups"]


def test_each_promise_has_at_most_one_case(report: dict[str, Any]) -> None:
    promises = [(case["agreement"], case["rule"], case["clause"], case["subject"]) for case in report["cases"]]
    assert len(promises) == len(set(promises))
    assert len({case["id"] for case in report["cases"]}) == len(promises)
