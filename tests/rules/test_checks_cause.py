"""How sure an attributed case is, how pressing, and what its evidence keeps."""

from __future__ import annotations

import pytest

from rules.checks.cause import confidence_of, how_sure, severity_of
from rules.rehearsal import world
from tests.rules.made_edges import EDGE, edge, exposure


def test_confidence_is_the_mean_over_the_device_days_of_the_edges() -> None:
    edges = [edge(confidence=0.9, exposures=(exposure(30),)), edge(confidence=0.5, exposures=(exposure(10),))]
    assert confidence_of(edges) == 0.8
    assert confidence_of([edge(confidence=0.7, exposures=())]) == 0.7


def test_severity_follows_the_confidence_that_a_reader_sees() -> None:
    held = world().cases()
    held.attributed([edge(confidence=0.9461, exposures=(exposure(30),))])
    assert {(case.confidence, case.severity) for case in held.report()} == {(0.95, "critical")}


@pytest.mark.parametrize(("confidence", "words"), [(0.95, "high (0.95)"), (0.8, "fair (0.80)"), (0.79, "low (0.79)")])
def test_a_probability_is_said_in_a_word_and_a_figure(confidence: float, words: str) -> None:
    assert how_sure(confidence) == words


@pytest.mark.parametrize("verdict", ["unattributed", "declared_vaguely"])
def test_what_is_not_established_or_half_declared_is_information_however_sure(verdict: str) -> None:
    found = severity_of("undeclared-third-party", verdict=verdict, confidence=0.99, findings=())  # type: ignore[arg-type] # a verdict
    assert found == "info"


def test_the_evidence_keeps_method_tests_counts_samples_and_every_candidate() -> None:
    held = world().cases()
    held.attributed([EDGE])
    (case, *_rest) = held.report()
    found = held.evidence(case)["attribution"]
    assert "noisy-OR" in found["method"]
    assert "both are required" in found["method"]
    assert {key: found[key] for key in ("statistic", "rate", "bag", "quiet_windows", "windows")} == {
        "statistic": 88.0, "rate": 0.6, "bag": 0.5, "quiet_windows": 30, "windows": 120,
    }  # fmt: skip
    assert (found["device_days"], found["class_hours"], found["lab"]) == (8, 9, None)
    assert (found["near_share"], found["elsewhere_share"]) == (0.9, 0.1)
    assert found["samples"] == [{"from": "2026-10-14T14:00:00+00:00", "devices": 6}]
    assert [(each["agreement_or_site"], each["posterior"]) for each in found["candidates"]] == [
        ("mathlab", 0.97),
        ("news.example", 0.02),
    ]


def test_a_recording_from_a_lab_is_told_with_what_it_says() -> None:
    held = world().cases()
    held.attributed([edge(lab="confirms")])
    assert {held.evidence(case)["attribution"]["lab"] for case in held.report()} == {"confirms"}


def test_a_domain_that_is_waived_gives_no_evidence_to_the_case_about_another() -> None:
    waiver = {
        "clause": "6d", "domain": "ads.unheard.example", "until": "2026-12-31", "reason": "Going.", "by": "office",
    }  # fmt: skip
    held = world({"provenance": {"waivers": [waiver]}}).cases()
    ads = edge("ads.unheard.example", subject="unheard.example", confidence=0.9, exposures=(exposure(30),))
    tags = edge("tags.unheard.example", subject="unheard.example", confidence=0.7, exposures=(exposure(10, day=1),))
    held.attributed([ads, tags])
    (case,) = held.report()
    assert (case.confidence, case.devices) == (0.7, 10)
    assert "ads.unheard.example" not in case.summary
