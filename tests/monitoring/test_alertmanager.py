"""The configuration of Alertmanager, on a real Alertmanager: who is told what, and what hides what."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rules.notify.alerts import ALERT
from tests.parts.patience import PATIENCE_S
from tests.parts.ports import free_ports
from tests.parts.program import Program
from tests.parts.prometheus import PrometheusParts

CONFIG = Path(__file__).resolve().parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"
CASE = {"alertname": ALERT, "audience": "privacy", "severity": "critical"}
FALLBACK = {"alertname": "SchoolgateOpenCases", "audience": "privacy", "severity": "critical"}


class Alertmanager:
    """A real one under our configuration; nothing can leave it, for its mail server is made up."""

    def __init__(self, parts: PrometheusParts, *, folder: Path) -> None:
        (port,) = free_ports(1)
        self._address = f"http://127.0.0.1:{port}"
        self._program = Program(
            [
                *parts.alertmanager, f"--config.file={CONFIG}", f"--storage.path={folder}",
                f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
            ],
            log=folder / "alertmanager.log",
        )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.ask("/-/ready")
            except (urllib.error.URLError, ConnectionError):
                assert self._program.alive, self._program.log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline, "Alertmanager did not start"
                time.sleep(0.05)
            else:
                return

    def close(self) -> None:
        """End it."""
        self._program.kill()

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """Return what it answers."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._address + path, data=body, headers=headers)  # noqa: S310 -- loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 -- loopback
            told: bytes = answer.read()
            return told

    def push(self, *alerts: Mapping[str, str]) -> None:
        """Tell it of firing alerts."""
        now = datetime.now(UTC)
        told = [
            {"labels": labels, "startsAt": now.isoformat(), "endsAt": (now + timedelta(minutes=10)).isoformat()}
            for labels in alerts
        ]
        self.ask("/api/v2/alerts", json.dumps(told).encode())

    def states(self) -> dict[tuple[tuple[str, str], ...], str]:
        """Return labels of every alert -> whether it is told."""
        told: list[dict[str, Any]] = json.loads(self.ask("/api/v2/alerts"))
        return {
            tuple(sorted(each["labels"].items())): "hidden" if each["status"]["inhibitedBy"] else "told"
            for each in told
        }

    def is_told(self, labels: Mapping[str, str]) -> bool:
        """Return whether this alert is told, and not hidden by another."""
        deadline = time.monotonic() + PATIENCE_S
        key = tuple(sorted(labels.items()))
        while key not in (states := self.states()):
            assert time.monotonic() < deadline, states
            time.sleep(0.05)
        return states[key] == "told"

    def is_hidden(self, labels: Mapping[str, str]) -> bool:
        """Return whether this alert comes to be hidden by another, which takes a moment after both are there."""
        deadline = time.monotonic() + PATIENCE_S
        key = tuple(sorted(labels.items()))
        while (hidden := self.states().get(key) == "hidden") is False and time.monotonic() < deadline:
            time.sleep(0.05)
        return hidden


@pytest.fixture
def alertmanager(prometheus_parts: PrometheusParts, tmp_path: Path) -> Iterator[Alertmanager]:
    own = Alertmanager(prometheus_parts, folder=tmp_path)
    yield own
    own.close()


def test_the_configuration_passes_the_checker_also_with_a_password(
    prometheus_parts: PrometheusParts, tmp_path: Path
) -> None:
    (tmp_path / "schoolgate.tmpl").write_bytes(CONFIG.with_name("schoolgate.tmpl").read_bytes())
    everything = tmp_path / "everything.yml"
    text = CONFIG.read_text(encoding="utf-8")
    for line in ("smtp_auth_username", "smtp_auth_password_file", "webhook_configs:", "  - url:", "    send_resolved:"):
        assert f"# {line}" in text
        text = text.replace(f"# {line}", line)
    everything.write_text(text, encoding="utf-8")
    for path in (CONFIG, everything):
        checked = subprocess.run(
            [prometheus_parts.amtool, "check-config", path], capture_output=True, text=True, timeout=60, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (CASE, "privacy"),
        ({**CASE, "severity": "info"}, "privacy"),
        (FALLBACK, "privacy"),
        ({"alertname": "SchoolgateDown", "audience": "it", "severity": "critical"}, "it"),
        ({"alertname": "SchoolgateWatchdog", "audience": "it", "severity": "none"}, "watchdog"),
        ({"alertname": "SomethingElse"}, "it"),
    ],
)
def test_each_alert_goes_to_those_whom_it_concerns(
    prometheus_parts: PrometheusParts, labels: dict[str, str], receiver: str
) -> None:
    words = [f"{name}={value}" for name, value in labels.items()]
    tried = subprocess.run(
        [
            prometheus_parts.amtool, "config", "routes", "test", f"--config.file={CONFIG}",
            f"--verify.receivers={receiver}", *words,
        ],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_a_case_that_is_told_hides_the_fallback_of_its_agreement_and_no_other(alertmanager: Alertmanager) -> None:
    of_one = {**FALLBACK, "agreement": "mathtrek"}
    of_other = {**FALLBACK, "agreement": "storyhill"}
    alertmanager.push({**CASE, "agreement": "mathtrek", "case": "4f1c"}, of_one, of_other, FALLBACK)
    assert alertmanager.is_hidden(of_one)
    assert alertmanager.is_told(of_other)
    assert alertmanager.is_told(FALLBACK)
    # A case without an agreement has no such label, and neither has its fallback.
    alertmanager.push({**CASE, "case": "77aa"})
    assert alertmanager.is_hidden(FALLBACK)
    assert alertmanager.is_told(of_other)


def test_a_case_never_hides_another_case(alertmanager: Alertmanager) -> None:
    critical = {**CASE, "agreement": "mathtrek", "case": "4f1c"}
    minor = {**CASE, "agreement": "mathtrek", "case": "9b02", "severity": "info"}
    alertmanager.push(critical, minor)
    assert alertmanager.is_told(critical)
    assert alertmanager.is_told(minor)


def test_a_part_that_is_down_hides_what_follows_from_it_there_and_nowhere_else(alertmanager: Alertmanager) -> None:
    def it(name: str, **more: str) -> dict[str, str]:
        return {"alertname": name, "audience": "it", **more}

    silent_here = it("SchoolgateCaptureSilent", instance="north:9464")
    silent_there = it("SchoolgateCaptureSilent", instance="south:9464")
    unknown = it("SchoolgateCasesUnknown")
    down = it("SchoolgateDown", job="schoolgate-collect", instance="north:9464")
    alertmanager.push(silent_here, silent_there, unknown, down)
    assert alertmanager.is_hidden(silent_here)
    assert alertmanager.is_told(silent_there)
    assert alertmanager.is_told(unknown)
    alertmanager.push(it("SchoolgateDown", job="schoolgate-desk", instance="desk:9464"))
    assert alertmanager.is_hidden(unknown)


def test_the_metric_of_failed_messages_that_a_rule_speaks_of_is_there(alertmanager: Alertmanager) -> None:
    told = alertmanager.ask("/metrics").decode()
    for integration in ("email", "webhook"):
        assert f'alertmanager_notifications_failed_total{{integration="{integration}"' in told
