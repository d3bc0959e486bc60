"""Two school days as captures, from octets to cases, against their truth: nothing missed, nobody wronged."""

from __future__ import annotations

import importlib.util
import json
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from collector.progress import ReadingBar
from collector.watch import new_pseudonyms
from rules.checks.registry import all_checks
from rules.day_keys import DayKeys
from rules.judgement import Judgement
from rules.rulebook import RulebookFiles, load_rulebook
from schoolgate.check import Troubles, events_of
from schoolgate.shell import new_key, today

SCENARIOS = Path(__file__).resolve().parents[3] / "shared" / "scenarios"
DAYS = ("seed11-capture", "browser-day")

pytestmark = pytest.mark.skipif(not SCENARIOS.is_dir(), reason="../shared/scenarios is not here")


def grader() -> ModuleType:
    """Return the exam's own grader."""
    spec = importlib.util.spec_from_file_location("grade", SCENARIOS / "grade.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=DAYS)
def graded(request: pytest.FixtureRequest) -> tuple[Any, ...]:
    """What the grader says of one day, the rules that come later left out of its truth."""
    day = SCENARIOS / request.param
    location = day / "locations.mmdb"
    rulebook = load_rulebook(
        RulebookFiles(
            agreements=day / "agreements",
            network=day / "network.yaml",
            parties=(day / "parties.yaml",),
            location=location if location.exists() else None,
        )
    )
    pseudonyms, _ = new_pseudonyms(rulebook.network, make_key=new_key)
    judgement = Judgement(rulebook, token_key=DayKeys(new_key).of, today=today(rulebook.network))
    troubles = Troubles()
    with ReadingBar() as bar:
        judgement.judge(
            events_of(
                str(day / "capture.pcap.gz"),
                network=rulebook.network,
                pseudonyms=pseudonyms,
                bar=bar,
                troubles=troubles,
            )
        )
    assert troubles.words == []
    judgement.attribute()
    truth = json.loads((day / "truth.json").read_text(encoding="utf-8"))
    known = {check.id for check in all_checks((), party_of=lambda _: None)}
    truth["must"] = [case for case in truth["must"] if case["rule"] in known]
    options = Namespace(with_locations=location.exists())
    graded: tuple[Any, ...] = grader().grade(truth, json.loads(json.dumps(judgement.report())), options)
    return graded


def test_every_true_case_is_found_with_its_clause_verdict_and_devices(graded: tuple[Any, ...]) -> None:
    must, hit, _wrong, _tolerated, per_rule, notes, _coverage = graded
    assert len(must) > 5
    assert len(hit) == len(must), notes
    for rule in per_rule.values():
        assert rule["found"] == rule["clause"] == rule["verdict"] == rule["devices"], notes


def test_nobody_is_accused_wrongly(graded: tuple[Any, ...]) -> None:
    assert graded[2] == []


def test_coverage_is_what_an_ideal_observer_counts(graded: tuple[Any, ...]) -> None:
    good, asked = graded[6]
    assert good == asked, graded[5]
