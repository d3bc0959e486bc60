"""What judging shows Prometheus (contract, section 7): closed sets of labels, all there from the start.

Open cases and clause states are in `case_metrics`: whoever serves a store has them, judging or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client import CollectorRegistry

SEVERITIES = ("critical", "warning", "info")
FLOW_VERDICTS = ("own", "declared", "undeclared", "unattributed", "unknown", "dns")
NAME_SOURCES = ("tls_sni", "quic_sni", "http_host", "dns", "none")
CLAUSE_STATES = ("met", "not_met", "not_stated", "not_applicable")
NO_AGREEMENT = ""


class RulesMetrics:
    """The series of the rules side.

    Args:
        registry: where they are registered; never the process-wide default one.
        rules: ids of all rules that exist.
        version: version of the product.
        compiled: the hot modules run compiled.
    """

    def __init__(self, registry: CollectorRegistry, *, rules: Iterable[str], version: str, compiled: bool) -> None:
        case_labels = ("agreement", "rule", "severity")
        self._rules = tuple(rules)
        self._violations = Counter(
            "schoolgate_violations", "Cases opened since the start, never flows.", case_labels, registry=registry
        )
        self._flows = Counter(
            "schoolgate_flows", "Flows judged, by what the agreements say of them.", ("verdict",), registry=registry
        )
        self._named = Counter(
            "schoolgate_named_flows", "Flows other than DNS look-ups, by how their name is known.", ("source",),
            registry=registry,
        )  # fmt: skip
        build = Gauge("schoolgate_build_info", "Always 1.", ("version", "compiled"), registry=registry)
        build.labels(version=version, compiled=str(compiled).lower()).set(1)
        for verdict in FLOW_VERDICTS:
            self._flows.labels(verdict=verdict)
        for source in NAME_SOURCES:
            self._named.labels(source=source)
        self._seen_flows: dict[str, int] = {}
        self._seen_names: dict[str, int] = {}

    def declare(self, agreements: Iterable[str], *, rules: Iterable[str] = ()) -> None:
        """Make every series of these agreements exist, and of these rules beside those that it was made with."""
        self._rules = tuple(dict.fromkeys((*self._rules, *rules)))
        for agreement in (NO_AGREEMENT, *agreements):
            for rule in self._rules:
                for severity in SEVERITIES:
                    self._violations.labels(agreement=agreement, rule=rule, severity=severity)

    def opened(self, *, agreement: str | None, rule: str, severity: str) -> None:
        """Count one case that opened."""
        self._violations.labels(agreement=agreement or NO_AGREEMENT, rule=rule, severity=severity).inc()

    def flows(self, *, by_verdict: Mapping[str, int], by_source: Mapping[str, int]) -> None:
        """Bring the flow counters up to these totals of the whole run."""
        for verdict, total in by_verdict.items():
            self._flows.labels(verdict=verdict).inc(total - self._seen_flows.get(verdict, 0))
        for source, total in by_source.items():
            self._named.labels(source=source).inc(total - self._seen_names.get(source, 0))
        self._seen_flows = dict(by_verdict)
        self._seen_names = dict(by_source)
