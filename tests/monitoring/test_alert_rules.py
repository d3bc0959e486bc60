"""The alert rules: linted, each one tested by promtool, each with a page that says what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from rules.notify.alerts import ALERT
from tests.monitoring.backfilled import RULE_FILES, RULES
from tests.parts.prometheus import PrometheusParts

RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
TEST_FILES = sorted(RULES.glob("*.test.yml"))
PUSHED = ALERT
"""The alert that the notifier pushes; it is no rule, and has a page all the same."""
HEADINGS = ["What it means", "What to look at", "What to do"]


def alerts() -> dict[str, dict[str, Any]]:
    told = [YAML(typ="safe").load(path) for path in RULE_FILES]
    return {
        rule["alert"]: rule for file in told for group in file["groups"] for rule in group["rules"] if "alert" in rule
    }


def tool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=240, check=False, cwd=RULES)


def test_rules_and_configuration_pass_the_linter(prometheus_parts: PrometheusParts) -> None:
    checked = tool(prometheus_parts.promtool, "check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    checked = tool(prometheus_parts.promtool, "check", "config", "--lint=all", "--lint-fatal", RULES / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.name)
def test_the_rules_do_what_their_tests_say(path: Path, prometheus_parts: PrometheusParts) -> None:
    tried = tool(prometheus_parts.promtool, "test", "rules", path)
    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_every_alert_is_tested_firing_and_every_one_that_can_be_quiet_is_tested_quiet() -> None:
    firing: set[str] = set()
    quiet: set[str] = set()
    for path in TEST_FILES:
        for case in YAML(typ="safe").load(path)["tests"]:
            for tried in case.get("alert_rule_test", []):
                (firing if tried["exp_alerts"] else quiet).add(tried["alertname"])
    assert firing == set(alerts())
    # An explicit list: what is never tested quiet must be such that it cannot be.
    assert set(alerts()) - quiet == {"SchoolgateWatchdog", "SchoolgateBuildSlow"}


@pytest.mark.parametrize("name", sorted(alerts()))
def test_every_alert_says_for_whom_it_is_how_bad_and_where_to_read_on(name: str) -> None:
    rule = alerts()[name]
    labels, told = rule["labels"], rule["annotations"]
    assert re.fullmatch(r"Schoolgate[A-Z]\w+", name)
    assert labels["audience"] in {"privacy", "it"}
    assert labels.get("severity", "of the series") in {"critical", "warning", "info", "none", "of the series"}
    assert "severity" in labels or "severity" in rule["expr"]
    assert told["runbook_url"].endswith(f"/runbooks/{name}")
    # The same for every instance, so that messages can be grouped under it.
    assert told["summary"].endswith(".")
    assert "{{" not in told["summary"]
    assert told["description"]


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == set(alerts()) | {PUSHED}
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    for page in pages:
        text = (RUNBOOKS / f"{page}.md").read_text(encoding="utf-8")
        assert text.startswith(f"# {page}\n")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
        assert f"| [{page}]({page}.md) |" in index


def test_the_page_of_an_alert_is_for_whom_the_alert_is() -> None:
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| \[(\w+)\].* \| (\w+) \|$", index, re.MULTILINE))
    assert told == {name: rule["labels"]["audience"] for name, rule in alerts().items()} | {PUSHED: "privacy"}


def test_no_alert_text_or_label_names_a_device_a_host_or_a_case() -> None:
    for rule in alerts().values():
        told = " ".join([*rule["annotations"].values(), *rule["labels"]])
        assert set(re.findall(r"\$labels\.(\w+)", told)) <= {
            "agreement", "instance", "integration", "job", "reason", "severity", "source",
        }  # fmt: skip
