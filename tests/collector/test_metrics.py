"""What the collector shows Prometheus."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from collector.metrics import DROP_REASONS, CollectorMetrics, reason_label

DISSECT = Path(__file__).resolve().parents[2] / "collector" / "dissect"


def sample(registry: CollectorRegistry, reason: str) -> float | None:
    return registry.get_sample_value("schoolgate_capture_dropped_packets_total", {"reason": reason})


def test_every_reason_is_there_from_the_start_at_zero() -> None:
    registry = CollectorRegistry()
    CollectorMetrics(registry)
    assert {sample(registry, reason) for reason in DROP_REASONS} == {0.0}
    assert registry.get_sample_value("schoolgate_capture_packets_total") == 0.0


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
