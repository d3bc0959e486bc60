"""What the real programs serve at /metrics before anything has happened: every series that can be known, at 0."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rules.metrics import SEVERITIES
from tests.monitoring.school_day import RULES, product_names
from tests.parts.prometheus import PrometheusParts
from tests.parts.verb_program import VerbProgram
from tests.system.product import copy_district, free_port, scrape, until

# Contract, section 7; `_info` and `_total` as Prometheus sees them.
OF_THE_CONTRACT = {
    "schoolgate_open_cases", "schoolgate_violations_total", "schoolgate_flows_total", "schoolgate_named_flows_total",
    "schoolgate_capture_packets_total", "schoolgate_capture_dropped_packets_total", "schoolgate_events_spooled",
    "schoolgate_events_delivered_total", "schoolgate_dead_letters_total", "schoolgate_pending_notifications",
    "schoolgate_agreement_clause_state", "schoolgate_build_info",
}  # fmt: skip
# Contract, section 7: closed sets of values.
LABELS = {
    "agreement", "rule", "severity", "school", "group", "reason", "source", "clause", "state", "verdict", "version",
    "compiled",
}  # fmt: skip
OF_TLS = {"schoolgate_certificate_expiry_timestamp_seconds"}
"""Served where a door has a certificate (tests/system/test_own_door_metrics.py); those here have none."""
NOT_ZERO = {"schoolgate_build_info", "schoolgate_agreement_clause_state"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What each verb serves: a collector and a judge whose broker is away, and a run that is held back at its start."""
    folder = copy_district(tmp_path_factory.mktemp("district"))
    config = folder / "config.yaml"
    # At the speed of the day itself nothing has ended yet when we look.
    text = config.read_text(encoding="utf-8").replace("speed: 0", "speed: 1")
    config.write_text(f"{text}kafka: {{bootstrap: ['127.0.0.1:{free_port()}']}}\n", encoding="utf-8")
    programs, told = [], {}
    try:
        for verb in ("run", "collect", "judge"):
            listen = f"127.0.0.1:{free_port()}"
            log = folder / f"{verb}.log"
            programs.append(VerbProgram((verb, "--config", config, "--metrics", listen), log=log))
            until(lambda listen=listen: answers(listen), what=f"the metrics of {verb} ({log})")  # type: ignore[misc]
            told[verb] = scrape(listen)
        yield told
    finally:
        for program in programs:
            program.kill()


def answers(listen: str) -> bool:
    try:
        scrape(listen)
    except OSError:
        return False
    return True


def series(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_metric_of_the_contract_is_served_by_one_of_the_programs(served: dict[str, str]) -> None:
    names = {name for text in served.values() for name, _ in series(text)}
    assert OF_THE_CONTRACT - names == set()


def test_the_metric_classes_say_what_the_programs_serve(served: dict[str, str]) -> None:
    assert {name for text in served.values() for name, _ in series(text)} == product_names() - OF_TLS


def test_every_series_starts_at_0_but_those_that_state_a_fact(served: dict[str, str]) -> None:
    for verb in ("collect", "judge"):
        begun = {name for (name, _), value in series(served[verb]).items() if value != 0}
        moving = {
            "schoolgate_capture_packets_total", "schoolgate_oldest_key_timestamp_seconds",
            "schoolgate_last_purge_timestamp_seconds",
        }  # fmt: skip
        assert begun - moving - {"schoolgate_capture_dropped_packets_total"} <= NOT_ZERO, verb


def test_every_agreement_has_its_series_for_every_rule_from_the_start(served: dict[str, str]) -> None:
    agreements = {labels["agreement"] for name, labels in named(served["run"]) if name == "schoolgate_open_cases"}
    assert len(agreements) > 2
    assert "" in agreements
    assert promises(served["run"], "schoolgate_open_cases") == {*itertools.product(agreements, RULES, SEVERITIES)}
    assert promises(served["run"], "schoolgate_violations_total") == {*itertools.product(agreements, RULES, SEVERITIES)}
    # A judge learns the agreements from the broker; that there are cases without one it knows.
    assert promises(served["judge"], "schoolgate_violations_total") == {*itertools.product([""], RULES, SEVERITIES)}


def promises(text: str, name: str) -> set[tuple[str, str, str]]:
    return {(each["agreement"], each["rule"], each["severity"]) for found, each in named(text) if found == name}


def named(text: str) -> list[tuple[str, dict[str, str]]]:
    return [(name, dict(labels)) for name, labels in series(text)]


def test_labels_are_those_of_the_contract_and_none_tells_a_device_an_address_or_a_host(served: dict[str, str]) -> None:
    assert {label for text in served.values() for _, labels in named(text) for label in labels} <= LABELS


def test_names_and_help_texts_pass_the_linter_of_prometheus(
    served: dict[str, str], prometheus_parts: PrometheusParts
) -> None:
    for verb, text in served.items():
        checked = subprocess.run(
            [prometheus_parts.promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, ""), verb


def test_a_scrape_of_what_runs_is_a_file_that_a_person_can_read(served: dict[str, str], tmp_path: Path) -> None:
    for verb, text in served.items():
        (tmp_path / verb).write_text(text, encoding="utf-8")
        assert all(family.documentation.endswith(".") for family in text_string_to_metric_families(text)), verb
