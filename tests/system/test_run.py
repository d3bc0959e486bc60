"""The embedded service: capture, rules, store and metrics in one process, whatever interrupts it."""

from __future__ import annotations

import re
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.parts.patience import PATIENCE_S
from tests.parts.verb_program import VerbProgram
from tests.system.product import (
    check_report,
    configure,
    free_port,
    report_now,
    schoolgate,
    scrape,
    stored_report,
    stray_evidence,
    until,
)


class Service:
    """A `schoolgate run` in the background whose messages can be read while it goes on."""

    def __init__(self, config: Path, *words: str) -> None:
        self.listen = f"127.0.0.1:{free_port()}"
        self._log = config.with_name("service.log")
        self.program = VerbProgram(("run", "--config", config, "--metrics", self.listen, *words), log=self._log)

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def wait_for(self, words: str) -> None:
        until(lambda: words in self.said() or not self.program.alive, what=words)
        assert words in self.said(), self.said()

    def end(self) -> int:
        self.program.signal(signal.SIGTERM)
        return self.program.wait(limit_s=PATIENCE_S)


@pytest.fixture
def start() -> Iterator[Callable[..., Service]]:
    """Start services that are ended with the test, whatever becomes of it."""
    started: list[Service] = []

    def begin(config: Path, *words: str) -> Service:
        started.append(Service(config, *words))
        return started[-1]

    yield begin
    for service in started:
        service.program.kill()


@pytest.fixture
def staying(district: Path, start: Callable[..., Service]) -> Service:
    """A service that has judged everything and goes on serving."""
    service = start(district / "config.yaml", "--stay")
    service.wait_for("all captures are judged")
    return service


def test_run_and_cases_give_the_report_of_check_field_by_field(district: Path) -> None:
    stray = stray_evidence(district)
    run = schoolgate("run", "--config", district / "config.yaml")
    assert run.returncode == 0, run.stderr
    assert run.stderr.count(f"warning: {stray}\n") == 1
    report = stored_report(district / "config.yaml")
    assert report == check_report(district)
    assert report["errors"] == [stray]


def test_a_capture_that_was_judged_before_is_skipped_with_a_message(district: Path) -> None:
    config = district / "config.yaml"
    schoolgate("run", "--config", config)
    before = stored_report(config)
    again = schoolgate("run", "--config", config)
    assert again.returncode == 0
    assert "judged before" in again.stderr
    assert stored_report(config) == before


def test_an_interrupted_capture_is_gone_on_with_and_nothing_counts_twice(
    district: Path, start: Callable[..., Service]
) -> None:
    # The sample day is over 15 hours long: at this speed it lasts about a quarter of a minute.
    config = configure(district, speed=1000)
    service = start(config)
    until(lambda: (district / "cases.db").exists() and bool(report_now(config)["coverage"]["flows"]), what="flows")
    assert service.end() == 0
    assert "the next run goes on from there" in service.said()
    part = stored_report(config)["coverage"]["flows"]
    assert 0 < part < 537
    run = schoolgate("run", "--config", configure(district))
    assert "going on from there" in run.stderr
    assert stored_report(config) == check_report(district)


def test_a_service_killed_without_warning_is_gone_on_with(district: Path, start: Callable[..., Service]) -> None:
    config = configure(district, speed=1000)
    service = start(config)
    until(lambda: (district / "cases.db").exists() and bool(report_now(config)["coverage"]["flows"]), what="flows")
    service.program.kill()
    run = schoolgate("run", "--config", configure(district))
    assert run.returncode == 0, run.stderr
    assert stored_report(config) == check_report(district)


def test_speed_is_honoured(district: Path, start: Callable[..., Service]) -> None:
    config = configure(district, speed=100)
    service = start(config)
    until(lambda: (district / "cases.db").exists() and bool(report_now(config)["coverage"]["flows"]), what="flows")
    # At a hundred times the day lasts minutes: it is far from over when its first flows are judged.
    assert stored_report(config)["coverage"]["flows"] < 300
    assert service.end() == 0


def test_metrics_show_every_series_and_what_the_report_says(district: Path, staying: Service) -> None:
    text = scrape(staying.listen)
    report = stored_report(district / "config.yaml")
    open_cases = dict(
        re.findall(
            r'^schoolgate_open_cases\{agreement="([^"]*)",rule="[^"]*",severity="[^"]*"\} (1\.0)$', text, re.MULTILINE
        )
    )
    assert set(open_cases) == {case["agreement"] or "" for case in report["cases"]}
    assert 'schoolgate_open_cases{agreement="quizgale",rule="use-paused",severity="critical"} 1.0' in text
    assert 'schoolgate_violations_total{agreement="quizgale",rule="use-paused",severity="critical"} 1.0' in text
    assert 'schoolgate_open_cases{agreement="quizgale",rule="storage-country",severity="info"} 0.0' in text
    assert (
        f'schoolgate_named_flows_total{{source="tls_sni"}} {report["coverage"]["by_name_source"]["tls_sni"]["flows"]}.0'
        in text
    )
    assert 'schoolgate_capture_dropped_packets_total{reason="not_ip"}' in text
    assert re.search(r"^schoolgate_capture_packets_total [1-9][0-9]+\.0$", text, re.MULTILINE)
    assert re.search(r'^schoolgate_build_info\{compiled="(true|false)",version="[0-9.]+"\} 1\.0$', text, re.MULTILINE)
    assert 'clause="6b",state="not_met"} 1.0' in text


def test_no_metric_names_a_device_an_address_or_a_host(staying: Service) -> None:
    text = scrape(staying.listen)
    assert ".example" not in text
    assert not re.search(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", text)
    labels = set(re.findall(r'[{,]([a-z_]+)="', text))
    assert labels <= {
        "agreement",
        "rule",
        "severity",
        "verdict",
        "source",
        "reason",
        "clause",
        "state",
        "version",
        "compiled",
    }


def test_a_changed_agreement_is_read_again_and_its_case_withdrawn(district: Path, staying: Service) -> None:
    path = district / "agreements" / "quizgale.yaml"
    text = path.read_text(encoding="utf-8")
    waiver = "\n  waivers:\n    - {clause: R0, reason: Board decision, until: 2027-06-30, by: board}\n"
    path.write_text(text.replace("\nprovenance:", f"\nprovenance:{waiver}".rstrip("\n"), 1), encoding="utf-8")
    staying.wait_for("1 withdrawn")
    until(lambda: 'agreement="quizgale",rule="use-paused",severity="critical"} 0.0' in scrape(staying.listen), what="0")
    assert "quizgale" not in {case["agreement"] for case in stored_report(district / "config.yaml")["cases"]}


def test_a_bad_file_never_replaces_a_good_one(district: Path, staying: Service) -> None:
    path = district / "agreements" / "quizgale.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("use_gate:", "use_gte:", 1), encoding="utf-8")
    staying.wait_for("going on with what was read before")
    assert re.search(r"quizgale\.yaml:\d+: .*use_gte", staying.said())
    assert 'agreement="quizgale",rule="use-paused",severity="critical"} 1.0' in scrape(staying.listen)


def test_sighup_reads_the_files_again_even_if_nothing_changed(staying: Service) -> None:
    staying.program.signal(signal.SIGHUP)
    staying.wait_for("read again: 0 cases opened, 0 withdrawn")


def test_a_stop_signal_ends_the_service_with_0(staying: Service) -> None:
    assert staying.end() == 0
    assert "Traceback" not in staying.said()


def test_a_taken_port_is_exit_3_and_says_what_to_do(district: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        run = schoolgate("run", "--config", district / "config.yaml", "--metrics", listen)
    assert run.returncode == 3
    assert "--metrics" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_store_that_cannot_be_written_is_exit_3(district: Path) -> None:
    config = district / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("cases.db", "nosuchfolder/cases.db"), encoding="utf-8")
    run = schoolgate("run", "--config", config)
    assert run.returncode == 3
    assert "Traceback" not in run.stderr


def test_an_environment_variable_overrides_the_file(district: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHOOLGATE_SOURCE__CAPTURE", "[nosuch.pcap]")
    run = schoolgate("run", "--config", district / "config.yaml")
    assert run.returncode == 2
    assert "nosuch.pcap" in run.stderr
    monkeypatch.setenv("SCHOOLGATE_SOURCE__CAPTURE", "5")
    run = schoolgate("run", "--config", district / "config.yaml")
    assert run.returncode == 2
    assert "SCHOOLGATE_SOURCE__CAPTURE" in run.stderr


def test_the_keys_of_past_days_are_destroyed_when_all_is_judged(district: Path) -> None:
    schoolgate("run", "--config", district / "config.yaml")
    keys = district / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert "2026-10" not in keys.read_text(encoding="ascii")


def test_one_case_is_shown_by_the_first_characters_of_its_id(district: Path) -> None:
    config = district / "config.yaml"
    schoolgate("run", "--config", config)
    case = stored_report(config)["cases"][0]
    shown = schoolgate("cases", "show", case["id"][:8], "--config", config)
    assert shown.returncode == 0
    assert case["id"] in shown.stdout
    missing = schoolgate("cases", "show", "nosuch", "--config", config)
    assert missing.returncode == 2
    listed = schoolgate("cases", "list", "--config", config)
    assert "Quizgale" in listed.stdout
