"""A district's own rules on the command line: linted, judged by `check` and by `run`, refused with file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.system.product import configure, copy_district, schoolgate, stored_report

RULES = """\
schema: schoolgate/rules/1
rules:
  - id: district-operating-system-in-school
    title: The operating system speaks in school hours
    clause: 6g
    severity: info
    when: party.kind == "operating_system" && in_school_hours
    says: The letter of the maker says that its devices are silent in school hours.
    cannot_see: What was sent cannot be seen.
    examples:
      true: [{party.kind: operating_system}]
      false: [{party.kind: operating_system, in_school_hours: false}, {}]
  - id: district-divides
    title: A rule that divides by nothing at nine
    clause: 6c
    severity: warning
    when: bytes_up / (hour - 9) > 1000000000
    says: It stands here so that flows at nine have no answer.
    cannot_see: Nothing about it can be seen.
    examples:
      true: [{bytes_up: 2000000000, hour: 10}]
      false: [{}]
"""


@pytest.fixture
def district(tmp_path: Path) -> Path:
    folder = copy_district(tmp_path / "district")
    (folder / "district-rules.yaml").write_text(RULES)
    return folder


def judged(district: Path) -> tuple[dict[str, Any], str]:
    run = schoolgate(
        "check", district / "day.pcap.gz", "--agreements", district / "agreements", "--network",
        district / "network.yaml", "--parties", district / "parties.yaml", "--rules", district / "district-rules.yaml",
        "--json",
    )  # fmt: skip
    assert run.returncode == 1, run.stderr
    report: dict[str, Any] = json.loads(run.stdout)
    return report, run.stderr


def test_a_rule_of_the_district_opens_a_case_in_check_and_the_same_one_in_run(district: Path) -> None:
    report, told = judged(district)
    (case,) = [case for case in report["cases"] if case["rule"].startswith("district-")]
    assert (case["rule"], case["clause"], case["severity"]) == ("district-operating-system-in-school", "6g", "info")
    assert case["devices"] >= 3
    assert case["agreement_says"] == "The letter of the maker says that its devices are silent in school hours."
    # The other rule has no answer for flows at nine; that is told, and changes nothing for this one.
    (trouble,) = [line for line in report["errors"] if "district-divides" in line]
    assert "district-rules.yaml:17: `district-divides` had no answer for " in trouble
    assert f"warning: {trouble}" in told
    config = configure(district)
    config.write_text(config.read_text() + "rules: [district-rules.yaml]\n")
    run = schoolgate("run", "--config", config)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("`district-divides` had no answer for ") == 1
    stored = stored_report(config)
    assert [each for each in stored["cases"] if each["rule"].startswith("district-")] == [case]
    assert [line.rpartition(": ")[2] for line in stored["errors"]] == [trouble.rpartition(": ")[2]]


def test_the_linter_shows_good_rules_and_names_line_and_remedy_of_bad_ones(tmp_path: Path) -> None:
    path = tmp_path / "district-rules.yaml"
    path.write_text(RULES.partition("  - id: district-divides")[0])
    good = schoolgate("rules", "check", path)
    assert (good.returncode, good.stderr) == (0, "")
    assert "true  for party.kind: operating_system\n" in good.stdout
    assert good.stdout.endswith("1 rule is good.\n")
    path.write_text(RULES.replace("&& in_school_hours", "&& in_school_hour").replace("info", "critical"))
    bad = schoolgate("rules", "check", path)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert f"{path}:6: `severity`" in bad.stderr
    path.write_text(RULES.replace("&& in_school_hours", "&& in_school_hour"))
    wrong = schoolgate("rules", "check", path)
    assert f"{path}:7: `in_school_hour` is no name that a rule knows; did you mean `in_school_hours`?" in wrong.stderr
    assert "Traceback" not in bad.stderr + wrong.stderr
