"""What Prometheus sees of a district's own rules while they run: `run` and `judge` export it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from rules.district.rule import DistrictRule


class RuleMetrics(Collector):
    """The series of a district's own rules; they count anew when the files are read again.

    Args:
        registry: where they are registered; never the process-wide default one.
        rules: returns the rules as they are now; called from the thread of whoever asks.
    """

    def __init__(self, registry: CollectorRegistry, *, rules: Callable[[], Iterable[DistrictRule]]) -> None:
        self._rules = rules
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the series as things stand."""
        unanswered = CounterMetricFamily(
            "schoolgate_district_rule_unanswered_flows",
            "Flows for which a rule of the district had no answer; it counts as no.",
            labels=("rule",),
        )
        off = GaugeMetricFamily(
            "schoolgate_district_rule_off",
            "1: the rule took more steps than it may, and is asked no more.",
            labels=("rule",),
        )
        for rule in self._rules():
            unanswered.add_metric((rule.id,), rule.running.unanswered)
            off.add_metric((rule.id,), float(rule.running.off))
        yield unanswered
        yield off
