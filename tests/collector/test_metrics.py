"""What the collector shows Prometheus."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from collector.metrics import DROP_REASONS, OPENING_REASONS, CollectorMetrics, reason_label

DISSECT = Path(__file__).resolve().parents[2] / "collector" / "dissect"


def sample(registry: CollectorRegistry, reason: str) -> float | None:
    return registry.get_sample_value("schoolgate_capture_dropped_packets_total", {"reason": reason})


def test_every_reason_is_there_from_the_start_at_zero() -> None:
    registry = CollectorRegistry()
    CollectorMetrics(registry)
    assert {sample(registry, reason) for reason in DROP_REASONS} == {0.0}
    assert registry.get_sample_value("schoolgate_capture_packets_total") == 0.0


def test_what_befalls_openings_is_there_from_the_start_and_adds_up_over_captures() -> None:
    registry = CollectorRegistry()
    metrics = CollectorMetrics(registry)
    name = "schoolgate_capture_openings_affected_total"
    assert {registry.get_sample_value(name, {"reason": reason}) for reason in OPENING_REASONS} == {0.0}
    metrics.openings({"quic_attempts_capped": 5})
    metrics.openings({"quic_attempts_capped": 7})
    metrics.next_capture()
    metrics.openings({"quic_attempts_capped": 1, "openings_shed": 2})
    assert registry.get_sample_value(name, {"reason": "quic_attempts_capped"}) == 8.0
    assert registry.get_sample_value(name, {"reason": "openings_shed"}) == 2.0


def test_totals_of_one_capture_after_the_other_add_up() -> None:
    registry = CollectorRegistry()
    metrics = CollectorMetrics(registry)
    metrics.capture(packets=10, dropped={"not IP": 2})
    metrics.capture(packets=30, dropped={"not IP": 5})
    metrics.next_capture()
    metrics.capture(packets=40, dropped={"not IP": 1})
    assert registry.get_sample_value("schoolgate_capture_packets_total") == 70.0
    assert sample(registry, "not_ip") == 6.0


def test_every_reason_that_a_dissector_can_give_has_a_label_of_its_own() -> None:
    said = set()
    for module in DISSECT.glob("*.py"):
        text = module.read_text(encoding="utf-8")
        named = dict(re.findall(r'^(_[A-Z_]+) = "([^"]+)"$', text, flags=re.MULTILINE))
        for reason in re.findall(r"\.refuse\(([^)]+)\)", text):
            said.add(named[reason] if reason in named else reason.strip('"'))
    assert len(said) > 10
    assert {reason_label(reason) for reason in said} == set(DROP_REASONS) - {"other", "kernel"}


def test_the_age_of_the_oldest_key_is_shown_as_it_is_now_and_0_where_there_is_none() -> None:
    registry = CollectorRegistry()
    metrics = CollectorMetrics(registry)
    name = "schoolgate_oldest_key_timestamp_seconds"
    assert registry.get_sample_value(name) == 0.0
    held: list[int] = []
    metrics.follow_keys(lambda: held[-1] if held else None)
    assert registry.get_sample_value(name) == 0.0
    held.append(1_760_000_000_000_000_000)
    assert registry.get_sample_value(name) == 1_760_000_000.0
